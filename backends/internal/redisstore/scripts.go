package redisstore

import (
	"context"
	"crypto/sha1" // it is how EVALSHA names scripts
	"encoding/hex"
	"errors"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
)

// The scripts compare versions inside the encoded record: bytes 3 to 18 as Lua counts. This does not compile when they
// move.
var _ [2]struct{} = [session.VersionOffset]struct{}{}

// Rules for the scripts: one key, so that they work while a cluster moves slots; safe to run twice; HSET before any other
// write, because Redis checks maxmemory at a script's first write only; and the key has a time to live afterwards.
const (
	// writeScript takes the record, its time to live in milliseconds, and the version it replaces, empty for a creation.
	writeScript = `local old = redis.call('HMGET', KEYS[1], 'r', 't')
if old[1] then
  local version = string.sub(old[1], 3, 18)
  if version == string.sub(ARGV[1], 3, 18) then return 1 end
  if ARGV[3] == '' or version ~= ARGV[3] then return old end
elseif ARGV[3] ~= '' then
  return 0
end
redis.call('HSET', KEYS[1], 'r', ARGV[1])
if old[2] then redis.call('HDEL', KEYS[1], 't') end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

	// touchScript takes the version, the time last seen, and the time to live, both in milliseconds.
	touchScript = `local old = redis.call('HMGET', KEYS[1], 'r', 't')
if not old[1] then return 0 end
if string.sub(old[1], 3, 18) ~= ARGV[1] then return 1 end
if old[2] and tonumber(old[2]) > tonumber(ARGV[2]) then return 1 end
redis.call('HSET', KEYS[1], 't', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`

	// What they answer. Write returns the stored fields r and t, if they are in its way.
	replyAbsent = int64(0)
	replyDone   = int64(1)
)

// script is a script and its name for EVALSHA, both ready to be arguments of a command, and the last arguments of each run.
type script struct {
	body, sha any
	last      []any
}

func newScript(body string, last ...any) script {
	sum := sha1.Sum([]byte(body))
	return script{body, hex.EncodeToString(sum[:]), last}
}

// run runs a script. A server that does not know it by name gets it whole, in the same call.
func (s *Store) run(ctx context.Context, sc script, key string, args ...any) (any, error) {
	reply, err := s.eval(ctx, "evalsha", sc.sha, key, args, sc.last)
	if unknownScript(err) {
		return s.eval(ctx, "eval", sc.body, key, args, sc.last)
	}
	return reply, err
}

// unknownScript reports whether a server does not know a script by its name.
func unknownScript(err error) bool {
	refused, ok := errors.AsType[serverError](err)
	return ok && strings.HasPrefix(refused.Error(), "NOSCRIPT")
}

// eval runs a script by EVALSHA or EVAL. The command is of type any because that costs nothing for a constant.
func (s *Store) eval(ctx context.Context, command, sc any, key string, args, last []any) (any, error) {
	full := append(make([]any, 0, 4+len(args)+len(last)), command, sc, "1", key)
	return s.conn.Do(ctx, 3, append(append(full, args...), last...)...)
}
