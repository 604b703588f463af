package redis_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A full server lends no lock, but takes back what it has lent, hands it over, and renews leases.
func testLockFullMemory(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, &servers.RedisOptions{Config: []string{"maxmemory-policy noeviction"}})
	s := open(t, r.URL())
	ctx := t.Context()
	full := func(is bool) {
		must(t, "CONFIG SET", r.Admin().ConfigSet(ctx, "maxmemory", map[bool]string{true: "1", false: "0"}[is]).Err())
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, session.ErrUnavailable) || !redis.HasErrorPrefix(err, "OOM") {
			t.Errorf("%s: got error %v, want %v because of OOM", what, err, session.ErrUnavailable)
		}
	}
	acquire := func(id session.ID, ask session.LockRequest) error { _, err := s.Acquire(ctx, id, ask); return err }
	listening(t, s)
	free, _ := stored(t, s)
	held, _ := stored(t, s)
	wanted, rec := stored(t, s)
	mine, next, last := request("mine", time.Minute), request("next", time.Minute), request("last", time.Minute)
	hold(t, s, held, mine)
	mineToo := mine
	mineToo.Token[0]++
	hold(t, s, wanted, mineToo)

	lock := queue(t, s, wanted, next)
	full(true)
	refused("acquire", acquire(free, request("somebody", 0)))
	refused("wait", acquire(free, request("somebody", time.Minute)))
	refused("queue", acquire(wanted, last))
	expectFields(t, r, "acquired with full memory", free, "r")
	must(t, "Extend", s.Extend(ctx, held, mine.Token, 2*time.Hour))
	must(t, "Extend what is waited for", s.Extend(ctx, wanted, mineToo.Token, 2*time.Hour))
	expectHolder(t, r.Admin(), held, mine)
	changed := record(session.Version{2}, strings.Repeat("changed", 1000))
	refused("write and release", s.WriteRelease(ctx, wanted, changed, rec.Version, mineToo.Token))
	expectHolder(t, r.Admin(), wanted, mineToo) // so that it can be repeated
	release(t, s, held, mine)
	expectFields(t, r, "released with full memory", held, "r")
	release(t, s, wanted, mineToo)
	expectHolder(t, r.Admin(), wanted, next)
	woken(t, lock)
	refused("acquire what was handed over", acquire(wanted, next))
	full(false)
	queue(t, s, wanted, last)
	if lock := hold(t, s, wanted, next); lock.Unclean || string(lock.Record.Payload) != "stored" {
		t.Errorf("got %+v of the one who was called", lock)
	}
	queue(t, s, wanted, last)
	full(true)
	release(t, s, wanted, last) // only a place in the queue
	release(t, s, wanted, next)
	expectFields(t, r, "all released with full memory", wanted, "r")
	full(false)
	for _, id := range []session.ID{free, held, wanted} {
		if lock := hold(t, s, id, request("afterwards", 0)); lock.Unclean {
			t.Errorf("afterwards: got %+v", lock)
		}
	}
}

// What happens without each of the permissions that only locks need: without TIME there are none, and without the others
// waiters are not called, but ask until they are served.
func testLockPermissions(t *testing.T) {
	t.Parallel()
	const granted = leastPrivilege + lockPrivilege
	users := []string{"web on >s3cret " + granted}
	without := func(permission string) string {
		user := strings.Trim(permission, "+&:*")
		kept := strings.Replace(granted, " "+permission, "", 1)
		users = append(users, user+" on >s3cret "+kept)
		return user
	}
	timeless := without("+time")
	quiet := []string{without("+publish"), without("+subscribe"), without("&nonstick:*")}
	if len(users) != 5 || users[3] == users[0] {
		t.Fatalf("the users are %q", users)
	}
	r := servers.StartRedis(t, &servers.RedisOptions{Users: users})
	all := open(t, r.UserURL("web", "s3cret", 0))
	must(t, "Ping", all.Ping(t.Context()))
	listening(t, all)

	s := open(t, r.UserURL(timeless, "s3cret", 0))
	id, rec := stored(t, s)
	_, err := s.Acquire(t.Context(), id, request("timeless", time.Minute))
	text := strings.NewReplacer("ERR The user executing the script can't run this command", "NOPERM",
		"ERR ACL failure in script", "NOPERM").Replace(fmt.Sprint(err))
	if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(text, "NOPERM") {
		t.Errorf("without TIME: got error %v, want %v because of NOPERM", err, session.ErrUnavailable)
	}
	expectFields(t, r, "without TIME", id, "r")
	must(t, "write", s.Write(t.Context(), id, record(session.Version{2}, "two"), rec.Version))

	for _, user := range quiet {
		s := open(t, r.UserURL(user, "s3cret", 0))
		must(t, user+": Ping", s.Ping(t.Context()))
		for range 2 { // before and after it has tried to subscribe
			id, _ := stored(t, s)
			first, second, third := request("first", 0), request("second", time.Minute), request("third", time.Minute)
			hold(t, s, id, first)
			queue(t, s, id, second)
			queue(t, all, id, third)
			release(t, s, id, first)
			expectHolder(t, r.Admin(), id, second) // not taken for dead
			mustAwait(t, s, id, second)
			queue(t, all, id, third)
			release(t, s, id, second)
			expectHolder(t, r.Admin(), id, third) // nor is one that cannot be called
			mustAwait(t, all, id, third)
			time.Sleep(50 * time.Millisecond)
		}
		must(t, "Close", s.Close())
	}
}

// A subscription that hears nothing for longer than its connection is tested for stays the same one, with no permission
// but those that the package doc names. The time to answer, which is shorter, has nothing to do with that.
func testQuietSubscription(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, &servers.RedisOptions{Users: []string{"web on >s3cret " + leastPrivilege + lockPrivilege}})
	s := openAsIs(t, withParams(t, r.UserURL("web", "s3cret", 0), "read_timeout=1s&dial_timeout=5s"))
	listening(t, s)
	before := pubsub(t, r)
	time.Sleep(7 * time.Second) // it is tested after 3
	if after := pubsub(t, r); after != before || before == "" {
		t.Errorf("the subscription was %q and is %q", before, after)
	}
	listening(t, s)
}
