package session_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// lagging is a store with a replica that says what it is told to say.
type lagging struct {
	*counting
	answer func(rec session.Record, err error) (session.Record, error)
}

func (l *lagging) ReadReplica(ctx context.Context, id session.ID) (session.Record, error) {
	l.add("replica")
	return l.answer(l.Handler.Read(ctx, id))
}

// A request that only looks is content with what a replica has, unless that means that its session is over.
func TestReplicas(t *testing.T) {
	t.Parallel()
	var copied session.Record
	for what, test := range map[string]struct {
		answer func(rec session.Record, err error) (session.Record, error)
		want   string
		master int
	}{
		"same":     {func(rec session.Record, err error) (session.Record, error) { return rec, err }, "new", 0},
		"older":    {func(session.Record, error) (session.Record, error) { return copied, nil }, "old", 0},
		"absent":   {func(rec session.Record, _ error) (session.Record, error) { return rec, session.ErrNotFound }, "new", 1},
		"away":     {func(rec session.Record, _ error) (session.Record, error) { return rec, session.ErrUnavailable }, "new", 1},
		"none":     {func(rec session.Record, _ error) (session.Record, error) { return rec, errors.ErrUnsupported }, "new", 1},
		"nonsense": {func(rec session.Record, _ error) (session.Record, error) { return rec, errors.New("nonsense") }, "new", 1},
		"corrupt":  {func(rec session.Record, _ error) (session.Record, error) { return rec, session.ErrCorrupt }, "new", 1},
		"renewed": {func(rec session.Record, err error) (session.Record, error) {
			rec.Successor[0] = 1
			return rec, err
		}, "new", 1},
		"over": {func(rec session.Record, err error) (session.Record, error) {
			rec.Seen = rec.Seen.Add(-2 * rec.TTL)
			return rec, err
		}, "new", 1},
		"broken payload": {func(rec session.Record, err error) (session.Record, error) {
			rec.Payload = rec.Payload[:len(rec.Payload)-1]
			return rec, err
		}, "new", 1},
	} {
		store := &lagging{newCounting(), func(rec session.Record, err error) (session.Record, error) {
			copied = rec
			return rec, err
		}}
		v := newVisitor(t, newManager(t, store, session.Options{}))
		set := func(value string) { v.do(func(s *session.Session) { _ = user.Set(s, value) }) }
		look := func(mode session.Mode) (got string) {
			if res := v.do(func(s *session.Session) { got = user.Get(s) }, mode); res.StatusCode != http.StatusOK {
				t.Errorf("%s, %v: got status %d", what, mode, res.StatusCode)
			}
			return got
		}
		set("old")
		look(session.ReadOnly)
		set("new")
		store.answer = test.answer
		store.take()
		if got := look(session.ReadOnly); got != test.want {
			t.Errorf("%s: got %q, want %q", what, got, test.want)
		}
		if calls := store.take(); calls["replica"] != 1 || calls["read"] != test.master {
			t.Errorf("%s: got calls %v, want one to the replica and %d to the master", what, calls, test.master)
		}
		v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) { // some middleware looks, and the handler changes
			first, _ := session.Get(r.Context(), session.ReadOnly)
			second, err := session.Get(r.Context())
			if err != nil || first != second || user.Get(second) != "new" {
				t.Errorf("%s: after ReadOnly a request that may write got %q and error %v", what, user.Get(second), err)
			}
		})
		store.take()
		if got, calls := look(session.Optimistic), store.take(); got != "new" || calls["replica"] != 0 {
			t.Errorf("%s: a request that may write got %q with calls %v", what, got, calls)
		}
	}
}
