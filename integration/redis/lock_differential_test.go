package redis_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// lockStore is what both stores of the comparison are.
type lockStore interface {
	session.Handler
	session.Locker
}

// lockCall is one call of a random sequence. It describes what came of it in a line.
type lockCall struct {
	name string
	call func(ctx context.Context, s lockStore, id session.ID) string
}

// The lock in Redis, which is written in Lua, answers as that of memstore, which is package lease: random sequences of
// calls by several tokens. Time must play no role, and would after a second, when a lock that was handed over may go to
// the next one: a sequence that took nearly as long proves nothing.
func testLockDifferential(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	stores := []store{open(t, r.URL()), open(t, r.URL())}
	listening(t, stores[0]) // so that some are called and others ask
	memory := memstore.New(nil)
	seed := rand.Uint64()
	compared := 0
	for n, begin := uint64(0), time.Now(); compared < 150; n++ {
		if time.Since(begin) > 2*patience && compared > 0 {
			break // it is a very slow machine
		}
		rnd := rand.New(rand.NewPCG(seed, n))
		id, script := newID(), newLockScript(rnd, 40)
		rec := record(session.Version{1}, "stored")
		must(t, "create", memory.Write(t.Context(), id, rec, session.Version{}))
		must(t, "create", stores[0].Write(t.Context(), id, rec, session.Version{}))
		start, log, differ := time.Now(), "", false
		for _, c := range script {
			want, got := c.call(t.Context(), memory, id), c.call(t.Context(), stores[rnd.IntN(2)], id)
			log += fmt.Sprintf("\n\t%s: %s", c.name, want)
			if differ = got != want; differ {
				log += "; Redis: " + got
				break
			}
		}
		if time.Since(start) > 800*time.Millisecond {
			continue
		}
		if compared++; differ {
			t.Fatalf("seed %d, sequence %d:%s", seed, n, log)
		}
	}
	t.Logf("%d sequences are the same", compared)
}

// newLockScript makes a sequence of calls by five tokens, one of which has a short lease, so that it is often broken.
func newLockScript(rnd *rand.Rand, length int) (script []lockCall) {
	var asks []session.LockRequest
	for i := range 5 {
		asks = append(asks, request(fmt.Sprint("waiter-", i), time.Minute))
	}
	asks[4].Lease = 0 // ends at once, so anybody may take it
	version := byte(1)
	for range length {
		ask := asks[rnd.IntN(len(asks))]
		name := ask.Holder.Path
		switch kind := rnd.IntN(20); {
		case kind < 8:
			if rnd.IntN(4) == 0 {
				ask.Wait = 0
			}
			script = append(script, lockCall{fmt.Sprintf("Acquire %s, wait %v", name, ask.Wait), acquireCall(ask)})
		case kind < 12:
			script = append(script, lockCall{"Release " + name, func(ctx context.Context, s lockStore, id session.ID) string {
				return class(s.Release(ctx, id, ask.Token))
			}})
		case kind < 14:
			script = append(script, lockCall{"Extend " + name, func(ctx context.Context, s lockStore, id session.ID) string {
				return class(s.Extend(ctx, id, ask.Token, ask.Lease))
			}})
		case kind < 19:
			prev := session.Version{version - byte(rnd.IntN(6)/5)} // sometimes not what is stored
			if version += byte(min(rnd.IntN(4), 1)); kind == 18 {
				script = append(script, writeCall(record(session.Version{version}, "written"), prev, nil, ""))
			} else {
				script = append(script, writeCall(record(session.Version{version}, "written"), prev, &ask.Token, name))
			}
		default:
			script = append(script, recreateCall(record(session.Version{version}, "created")))
		}
	}
	return script
}

func acquireCall(ask session.LockRequest) func(context.Context, lockStore, session.ID) string {
	return func(ctx context.Context, s lockStore, id session.ID) string {
		lock, err := s.Acquire(ctx, id, ask)
		lock.Holder.Since = time.Time{}
		return fmt.Sprintf("held %v, unclean %v, holder %v, version %v, %s",
			lock.Held, lock.Unclean, lock.Holder, lock.Record.Version[0], class(err))
	}
}

// writeCall is a WriteRelease by a token, or a Write by somebody who pays no heed to locks.
func writeCall(rec session.Record, prev session.Version, token *session.LockToken, name string) lockCall {
	c := lockCall{name: fmt.Sprintf("Write %d over %d", rec.Version[0], prev[0])}
	if token != nil {
		c.name = fmt.Sprintf("WriteRelease %d over %d by %s", rec.Version[0], prev[0], name)
	}
	c.call = func(ctx context.Context, s lockStore, id session.ID) string {
		if token == nil {
			return class(s.Write(ctx, id, rec, prev))
		}
		return class(s.WriteRelease(ctx, id, rec, prev, *token))
	}
	return c
}

// recreateCall ends the session, shows that its lock has ended with it, and creates it again.
func recreateCall(rec session.Record) lockCall {
	return lockCall{"Destroy and create", func(ctx context.Context, s lockStore, id session.ID) string {
		ask := request("too late", time.Minute)
		destroyed := s.Destroy(ctx, id)
		_, acquired := s.Acquire(ctx, id, ask)
		extended, released := s.Extend(ctx, id, ask.Token, time.Hour), s.Release(ctx, id, ask.Token)
		return fmt.Sprint(class(destroyed), class(acquired), class(extended), class(released),
			class(s.Write(ctx, id, rec, session.Version{})))
	}}
}

// class is what a caller can tell of an error.
func class(err error) string {
	for _, known := range []error{session.ErrNotFound, session.ErrLocked, session.ErrLockLost, session.ErrExists, session.ErrConflict} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return fmt.Sprint(err)
}
