package redisstore

// The lock of a session is two fields of its hash, which are there only while somebody has it or waits for it. Package
// core/lease says the same in Go, and has the reasons.
//
//	l  token, end of the lease, since when, state, holder, and whom it was taken from with its since; separated by blanks
//	q  for each waiter: token, channel, end of its place, lease, and holder; separated by blanks, each ended by ;
//
// Times are milliseconds of the server's clock. The state is t if the holder knows that it is one, or may know by a
// message, else g; then u if the holder before it was broken and it must be told, else c.
//
// A waiter is called by a message: its token, and if it may begin at once the time, the lease, t and r too; see handed.
const (
	// maxMessage is the largest record that a message carries. Redis keeps messages for a process that does not read them,
	// and drops its connection when they are too many.
	maxMessage = 16 << 10

	// lockPattern finds the token and the state of a lock.
	lockPattern = `'^(%x+) %d+ %d+ ([tg][uc]) %S+ %S+$'`

	// lockLibrary begins each script that knows of locks, or the part of it that needs to. The scripts that use pass have as their last arguments what the
	// names of channels begin with, and 1 if PUBLISH tells whether anybody listens: in a cluster it does not, as it counts
	// only those who are connected to the same node. There messages go to all nodes, and carry no records.
	//
	// Who is handed the lock and has not asked since may be dead, and keeps it for a second; who was sent it, and whose node
	// has heard, for three: it may have begun. HDEL comes before the message, as nobody must be told of a lock that a
	// server which refuses writes does not store. (save writes q anew.)
	//
	// free releases the lock of a holder. If that one was to be told of a broken one before it and has not asked since, the
	// next one is told: until then the lock is that of nobody, whose lease has ended.
	lockLibrary = `local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function parse(text)
  local token, ends, since, taken, unclean, holder, broken = string.match(text or '', '^(%x+) (%d+) (%d+) ([tg])([uc]) (%S+) (%S+)$')
  if not token then return nil end
  return {token = token, ends = tonumber(ends), since = tonumber(since), taken = taken == 't', unclean = unclean == 'u',
    holder = holder, broken = broken}
end

local function lend(was, w, lease, taken)
  local l = {token = w.token, ends = now + lease, since = now, taken = taken, unclean = false, holder = w.holder, broken = '-'}
  if was and was.taken then
    l.unclean, l.broken = true, was.holder .. '@' .. was.since
  elseif was then
    l.unclean, l.broken = was.unclean, was.broken
  end
  return l
end

local function call(l, w)
  if w.channel == '-' then return true end
  local counted, message = ARGV[#ARGV] == '1', l.token
  if counted and not l.unclean and l.ends > now then
    local h = redis.call('HMGET', KEYS[1], 't', 'r')
    if h[2] and #h[2] <= 16384 then
      l.ends, l.taken = now + math.min(w.lease, 3000), true
      message = table.concat({l.token, now, l.ends - now, h[1] or '-', h[2]}, ' ')
    end
  end
  redis.call('HDEL', KEYS[1], 'q')
  local heard = redis.pcall('PUBLISH', ARGV[#ARGV - 1] .. w.channel, message)
  if type(heard) ~= 'number' then l.taken = false end
  return heard ~= 0 or not counted
end

local function pass(was, queue, me)
  local behind = 1
  while true do
    local from, to, token, channel, ends, lease, holder = string.find(queue, '^(%x+) (%S+) (%d+) (%d+) (%S+);', behind)
    if not from then return nil, '' end
    behind = to + 1
    local w = {token = token, channel = channel, lease = tonumber(lease), holder = holder}
    if token == me then return lend(was, w, w.lease, false), string.sub(queue, behind) end
    if tonumber(ends) > now then
      local l = lend(was, w, math.min(w.lease, 1000), false)
      if call(l, w) then return l, string.sub(queue, behind) end
    end
  end
end

local function free(l, queue)
  local was, to = nil, nil
  if l.unclean and not l.taken then
    was, l.token, l.ends = l, string.rep('f', 32), now
  end
  to, queue = pass(was, queue, '')
  return to or was, queue
end

local function save(l, queue, had)
  local stale = {}
  if l then
    local text = table.concat({l.token, l.ends, l.since, (l.taken and 't' or 'g') .. (l.unclean and 'u' or 'c'), l.holder, l.broken}, ' ')
    if queue ~= '' then return redis.call('HSET', KEYS[1], 'l', text, 'q', queue) end
    redis.call('HSET', KEYS[1], 'l', text)
  else
    stale[1] = 'l'
  end
  if queue ~= '' then
    redis.call('HSET', KEYS[1], 'q', queue)
  elseif had then
    stale[#stale + 1] = 'q'
  end
  if #stale > 0 then redis.call('HDEL', KEYS[1], unpack(stale)) end
end
`

	// acquireScript takes the token, the lease, the wait, the holder and the channel. It answers with the lock if it is held,
	// and with who holds it if not; MaxLockQueue is its 64. What comes before the library is the same as what comes after it, for a
	// lock that nobody has or wants: that is most of them, and the library costs more than the rest.
	acquireScript = `local h = redis.call('HMGET', KEYS[1], 'r', 't', 'l', 'q')
if not h[1] then return 0 end
if not h[3] and not h[4] then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'l', table.concat({ARGV[1], now + tonumber(ARGV[2]), now, 'tc', ARGV[4], '-'}, ' '))
  return {'held', h[1], h[2], 0, '-', now}
end
` + lockLibrary + `local token, lease, wait = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local l, queue = parse(h[3]), h[4] or ''
while not l or l.ends <= now and l.token ~= token do
  local to = nil
  if queue == '' then
    to = lend(l, {token = token, holder = ARGV[4]}, lease, true)
  else
    to, queue = pass(l, queue, token)
  end
  l = to or l
end
if l.token == token then
  l.ends, l.taken = now + lease, true
  save(l, queue, h[4])
  return {'held', h[1], h[2], l.unclean and 1 or 0, l.broken, now}
end
local places, mine = {}, nil
for place, who, ends in string.gmatch(queue, '((%x+) %S+ (%d+) %d+ %S+;)') do
  if who == token or tonumber(ends) > now then places[#places + 1] = place end
  if who == token then mine = #places end
end
mine = mine or #places + 1
local answer = wait > 0 and mine > 64 and 'full' or 'wait'
if wait > 0 and mine <= 64 then
  places[mine] = table.concat({token, ARGV[5], now + math.min(wait, 2000), lease, ARGV[4]}, ' ') .. ';'
end
save(l, table.concat(places), h[4])
return {answer, l.holder .. '@' .. l.since, now, l.ends}`

	// writeReleaseScript takes what writeScript takes, and the token. A record that is stored already, by a Write before it,
	// is not stored again; the lock is released all the same. The library is needed if others want the lock, or must be told of
	// a broken one.
	writeReleaseScript = `local h = redis.call('HMGET', KEYS[1], 'r', 't', 'l', 'q')
if not h[1] then return 0 end
local version = string.sub(h[1], 3, 18)
local applied = version == string.sub(ARGV[1], 3, 18)
local token, state = string.match(h[3] or '', ` + lockPattern + `)
if token ~= ARGV[4] then return applied and 1 or 2 end
if not applied then
  if version ~= ARGV[3] then return {h[1], h[2]} end
  redis.call('HSET', KEYS[1], 'r', ARGV[1])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  if h[2] then redis.call('HDEL', KEYS[1], 't') end
end
if not h[4] and state ~= 'gu' then
  redis.call('HDEL', KEYS[1], 'l')
  return 1
end
` + lockLibrary + `local l, queue = free(parse(h[3]), h[4] or '')
save(l, queue, h[4])
return 1`

	// extendScript takes the token and the lease. It begins with HDEL, which works when the memory is full.
	extendScript = lockLibrary + `local l = parse(redis.call('HMGET', KEYS[1], 'l')[1])
if not l or l.token ~= ARGV[1] then
  if redis.call('HMGET', KEYS[1], 'r')[1] then return 2 end
  return 0
end
l.ends, l.taken = now + tonumber(ARGV[2]), true
redis.call('HDEL', KEYS[1], 'l')
save(l, '', false)
return 1`

	// releaseScript takes the token. It begins with HDEL, which works when the memory is full.
	releaseScript = `local h = redis.call('HMGET', KEYS[1], 'l', 'q')
if not h[1] and not h[2] then return 1 end
local token, state = string.match(h[1] or '', ` + lockPattern + `)
if not h[2] and token == ARGV[1] and state ~= 'gu' then
  redis.call('HDEL', KEYS[1], 'l')
  return 1
end
` + lockLibrary + `local l, queue = parse(h[1]), h[2] or ''
redis.call('HDEL', KEYS[1], 'l', 'q')
if l and l.token == ARGV[1] then
  l, queue = free(l, queue)
else
  local places = {}
  for place, who in string.gmatch(queue, '((%x+) %S+ %d+ %d+ %S+;)') do
    if who ~= ARGV[1] then places[#places + 1] = place end
  end
  queue = table.concat(places)
end
if l or queue ~= '' then save(l, queue, false) end
return 1`

	replyLost = int64(2)
)
