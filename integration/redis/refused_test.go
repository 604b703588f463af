package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A full server refuses writes as unavailable and keeps what it has; reading and logging out work.
func testFullMemory(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, &servers.RedisOptions{Config: []string{"maxmemory-policy noeviction"}})
	s := open(t, r.URL())
	var n ticks
	ctx := t.Context()
	kept, ended, absent := newID(), newID(), newID()
	rec := record(n.next(), "kept")
	must(t, "create", s.Write(ctx, kept, rec, session.Version{}))
	must(t, "create", s.Write(ctx, ended, rec, session.Version{}))
	must(t, "touch", s.Touch(ctx, kept, rec)) // a change would now begin by removing a field, which full memory allows
	must(t, "CONFIG SET", r.Admin().ConfigSet(ctx, "maxmemory", "1").Err())

	for name, err := range map[string]error{
		"create": s.Write(ctx, absent, record(n.next(), "absent"), session.Version{}),
		"change": s.Write(ctx, kept, record(n.next(), strings.Repeat("changed", 1000)), rec.Version),
		"touch":  s.Touch(ctx, kept, rec),
		"ping":   s.Ping(ctx),
	} {
		if !errors.Is(err, session.ErrUnavailable) || !redis.HasErrorPrefix(err, "OOM") {
			t.Errorf("%s: got error %v, want %v because of OOM", name, err, session.ErrUnavailable)
		}
	}
	expectPayload(t, s, kept, "kept")
	must(t, "destroy", s.Destroy(ctx, ended))
	if _, err := s.Read(ctx, ended); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("read after destroy: got error %v", err)
	}
	if n := r.Admin().DBSize(ctx).Val(); n != 1 {
		t.Errorf("%d keys are stored, want 1", n)
	}
	must(t, "CONFIG SET", r.Admin().ConfigSet(ctx, "maxmemory", "0").Err())
	must(t, "change with memory", s.Write(ctx, kept, record(n.next(), "changed"), rec.Version))
}

// A server without its replicas and a demoted one refuse writes; what they have can be read.
func testReadOnlyServer(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	ctx, id, rec := t.Context(), newID(), record(session.Version{1}, "kept")
	must(t, "create", s.Write(ctx, id, rec, session.Version{}))
	for _, c := range []struct{ want, command, bad, good string }{
		{"NOREPLICAS", "config set min-replicas-to-write", "1", "0"},
		{"READONLY", "replicaof", "127.0.0.1 1", "no one"},
	} {
		must(t, c.command, admin(r, c.command+" "+c.bad))
		for name, err := range map[string]error{
			"change":  s.Write(ctx, id, record(session.Version{2}, "changed"), rec.Version),
			"touch":   s.Touch(ctx, id, rec),
			"destroy": s.Destroy(ctx, id),
			"ping":    s.Ping(ctx),
		} {
			if !errors.Is(err, session.ErrUnavailable) || !redis.HasErrorPrefix(err, c.want) {
				t.Errorf("%s: got error %v, want %v because of %s", name, err, session.ErrUnavailable, c.want)
			}
		}
		expectPayload(t, s, id, "kept")
		must(t, c.command, admin(r, c.command+" "+c.good))
		must(t, "touch afterwards", s.Touch(ctx, id, rec))
	}
}

// admin runs a command of the default user.
func admin(r *servers.Redis, command string) error {
	var args []any
	for word := range strings.FieldsSeq(command) {
		args = append(args, word)
	}
	return r.Admin().Do(context.Background(), args...).Err()
}

// Something else than a session under the key is corrupt, not absent and not unavailable, and can be destroyed.
func testCorrupt(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	s := open(t, r.URL())
	ctx, admin := t.Context(), r.Admin()
	for name, spoil := range map[string]func(k string) error{
		"string":        func(k string) error { return admin.Set(ctx, k, "x", 0).Err() },
		"list":          func(k string) error { return admin.LPush(ctx, k, "x").Err() },
		"no record":     func(k string) error { return admin.HSet(ctx, k, "r", "x").Err() },
		"empty record":  func(k string) error { return admin.HSet(ctx, k, "r", "").Err() },
		"bad last seen": func(k string) error { return admin.HSet(ctx, k, "t", "yesterday").Err() },
	} {
		id, rec := newID(), record(session.Version{1}, "x")
		if name == "bad last seen" {
			must(t, "create", s.Write(ctx, id, rec, session.Version{}))
		}
		must(t, "spoil", spoil(key(id)))
		_, err := s.Read(ctx, id)
		other := record(session.Version{2}, "y")
		for op, err := range map[string]error{
			"read":   err,
			"create": s.Write(ctx, id, other, session.Version{}),
			"change": s.Write(ctx, id, other, session.Version{3}),
		} {
			if !errors.Is(err, session.ErrCorrupt) || errors.Is(err, session.ErrUnavailable) {
				t.Errorf("%s, %s: got error %v, want %v", name, op, err, session.ErrCorrupt)
			}
		}
		must(t, "destroy", s.Destroy(ctx, id))
		must(t, "create after destroy", s.Write(ctx, id, other, session.Version{}))
	}
}

// Wrong credentials and missing permissions are unavailable, name no secret, and are found by Ping.
func testPermissions(t *testing.T) {
	t.Parallel()
	users := []string{"web on >s3cret " + leastPrivilege, "elsewhere on >s3cret ~other:* +@all"}
	needed := strings.Fields(leastPrivilege)
	for i := 1; i < len(needed); i++ { // without one of the permissions
		users = append(users, needed[i][1:]+" on >s3cret "+strings.Join(needed[:i], " ")+" "+strings.Join(needed[i+1:], " "))
	}
	r := servers.StartRedis(t, &servers.RedisOptions{Password: "4dmin", Users: users})
	ping := func(user, password string) error {
		s := open(t, r.UserURL(user, password, 0))
		must(t, "SCRIPT FLUSH", r.Admin().ScriptFlush(t.Context()).Err()) // so that EVAL is needed, too
		return s.Ping(t.Context())
	}
	must(t, "least privilege", ping("web", "s3cret"))
	for _, c := range []struct{ user, password, want string }{
		{"", "", "NOAUTH"},
		{"", "wr0ng", "WRONGPASS"},
		{"web", "wr0ng", "WRONGPASS"},
		{"elsewhere", "s3cret", "NOPERM"},
		{"hmget", "s3cret", "NOPERM"},
		{"hset", "s3cret", "NOPERM"},
		{"hdel", "s3cret", "NOPERM"},
		{"pexpire", "s3cret", "NOPERM"},
		{"del", "s3cret", "NOPERM"},
		{"evalsha", "s3cret", "NOPERM"},
		{"eval", "s3cret", "NOPERM"},
	} {
		err := ping(c.user, c.password)
		// Within a script it is said in another way, and in another one since Redis 7.2.
		text := strings.NewReplacer("ERR The user executing the script can't run this command", "NOPERM",
			"ERR ACL failure in script", "NOPERM").Replace(fmt.Sprint(err))
		if !errors.Is(err, session.ErrUnavailable) || !strings.Contains(text, c.want) {
			t.Errorf("user %q: got error %v, want %v because of %s", c.user, err, session.ErrUnavailable, c.want)
			continue
		}
		for _, secret := range []string{"s3cret", "wr0ng", defaultPrefix} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("user %q: the error shows %q: %v", c.user, secret, err)
			}
		}
	}
}

// A certificate that nobody vouches for, and a server that does not speak TLS, are unavailable.
func testTLSRefused(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, &servers.RedisOptions{Mutual: true})
	plain := servers.StartRedis(t, nil)
	for name, c := range map[string]struct{ url, want string }{
		"unknown authority":     {"rediss://" + r.Addr(), "x509"},
		"no client certificate": {"rediss://" + r.Addr() + "?ca_file=" + url.QueryEscape(r.Certs().CA), ""},
		"plain server":          {"rediss://" + plain.Addr(), ""},
		"plain client":          {"redis://" + r.Addr(), ""},
	} {
		s := openAsIs(t, withParams(t, c.url, "dial_timeout=1s&read_timeout=1s"))
		if err := s.Ping(t.Context()); !errors.Is(err, session.ErrUnavailable) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want %v", name, err, session.ErrUnavailable)
		}
	}
}
