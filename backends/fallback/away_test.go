package fallback_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// site is two nodes on the same stores, each with a local store of its own.
type site struct {
	t       *testing.T
	fast    *sessiontest.Faulty
	durable *sessiontest.Faulty
	local   [2]*memstore.Store
	nodes   [2]*fallback.Store
	last    byte
}

func newSite(t *testing.T, opts fallback.Options) *site {
	s := &site{t: t, fast: sessiontest.NewFaulty(memstore.New(nil)), durable: sessiontest.NewFaulty(memstore.New(nil))}
	for i := range s.nodes {
		s.local[i] = memstore.New(nil)
		s.start(i, opts)
	}
	time.Sleep(time.Second)
	return s
}

func (s *site) start(i int, opts fallback.Options) {
	s.t.Helper()
	opts.Logger = quiet().Logger
	opts.Local = sharedLocal{s.local[i]}
	store, err := fallback.New(lasting{s.fast}, lasting{s.durable}, &opts)
	if err != nil {
		s.t.Fatal(err)
	}
	s.nodes[i] = store
}

// lasting is a store that its user cannot close, and sharedLocal a local one.
type (
	lasting     struct{ *sessiontest.Faulty }
	sharedLocal struct{ *memstore.Store }
)

func (lasting) Close() error     { return nil }
func (sharedLocal) Close() error { return nil }

func (s *site) close() {
	for _, n := range s.nodes {
		if err := n.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// away makes a store fail, and waits until the nodes have noticed.
func (s *site) away(stores ...*sessiontest.Faulty) {
	for _, f := range stores {
		fail(f)
	}
	notice(s.t, s.nodes[:]...)
}

// fail makes all calls of a store fail.
func fail(f *sessiontest.Faulty) {
	for _, op := range []sessiontest.Op{sessiontest.OpRead, sessiontest.OpWrite, sessiontest.OpDestroy, sessiontest.OpTouch, sessiontest.OpPing} {
		f.Before(op, -1, sessiontest.Fail)
	}
}

// notice makes nodes ask often enough to find out that a store has failed.
func notice(t *testing.T, nodes ...*fallback.Store) {
	for range 3 {
		for _, n := range nodes {
			_, _ = n.Read(t.Context(), session.ID{0xff})
			_ = n.Destroy(t.Context(), session.ID{0xff})
		}
	}
	time.Sleep(time.Second)
}

// back lets all stores answer again, and waits until everything is carried back.
func (s *site) back() {
	s.fast.Heal()
	s.durable.Heal()
	time.Sleep(20 * time.Second)
}

// heal does so, and fails unless all is well then.
func (s *site) heal() {
	s.t.Helper()
	s.back()
	for i, n := range s.nodes {
		got, want := n.Status(), fallback.Status{Serves: true, FastUp: true, DurableUp: true, Believed: true}
		if got.Conflicts = 0; got != want {
			s.t.Errorf("node %d: got %+v, want %+v", i, got, want)
		}
	}
}

// write stores a payload on a node, in the place of a record.
func (s *site) write(node int, id session.ID, prev session.Record, values map[string]string) session.Record {
	s.t.Helper()
	rec := s.record(values)
	if err := s.nodes[node].Write(s.t.Context(), id, rec, prev.Version); err != nil {
		s.t.Fatalf("node %d: Write: %v", node, err)
	}
	return rec
}

func (s *site) record(values map[string]string) session.Record {
	s.last++
	return session.Record{Version: session.Version{6: s.last, 15: 9}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour, Payload: payload(values)}
}

// payload encodes values of one letter, in order.
func payload(values map[string]string) (b []byte) {
	for c := 'a'; c <= 'z'; c++ {
		if v, ok := values[string(c)]; ok {
			b = append(binary.AppendUvarint(append(b, 1, byte(c)), uint64(len(v))), v...)
		}
	}
	return b
}

// expect fails unless all nodes see a payload; nil means no session.
func (s *site) expect(when string, id session.ID, values map[string]string) {
	s.t.Helper()
	for i, n := range s.nodes {
		rec, err := n.Read(s.t.Context(), id)
		if values == nil && !errors.Is(err, session.ErrNotFound) || values != nil && (err != nil || string(rec.Payload) != string(payload(values))) {
			s.t.Errorf("%s, node %d: got %q and error %v, want %v", when, i, rec.Payload, err, values)
		}
	}
}

type m = map[string]string

// While the durable store is away, sessions are created, changed and destroyed as ever, and all nodes see it. Then the durable
// store is told of it.
func TestDurableAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fallback.Options{RequireShared: true})
		defer s.close()
		old, gone, created, ended := session.ID{1}, session.ID{2}, session.ID{3}, session.ID{4}
		first := s.write(0, old, session.Record{}, m{"a": "1"})
		s.write(0, gone, session.Record{}, m{"a": "1"})
		s.expect("before", old, m{"a": "1"})
		s.expect("before", gone, m{"a": "1"})
		s.away(s.durable)
		second := s.write(1, old, first, m{"a": "2"})
		third := s.write(0, old, second, m{"a": "2", "b": "1"})
		s.write(0, created, session.Record{}, m{"n": "1"})
		s.write(1, ended, session.Record{}, m{"n": "1"})
		for i, id := range []session.ID{gone, ended} {
			if err := s.nodes[i].Destroy(t.Context(), id); err != nil {
				t.Errorf("Destroy: %v", err)
			}
		}
		var conflict *session.ConflictError
		if err := s.nodes[1].Write(t.Context(), old, s.record(nil), second.Version); !errors.As(err, &conflict) || conflict.Newest.Version != third.Version {
			t.Errorf("a change of what is not the newest: got error %v", err)
		}
		if err := s.nodes[1].Write(t.Context(), gone, s.record(nil), first.Version); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("a change of what is destroyed: got error %v", err)
		}
		see := func(when string) {
			s.expect(when, old, m{"a": "2", "b": "1"})
			s.expect(when, gone, nil)
			s.expect(when, created, m{"n": "1"})
			s.expect(when, ended, nil)
		}
		see("meanwhile")
		if n := s.nodes[0].Status().Open + s.nodes[1].Status().Open; n < 4 {
			t.Errorf("%d sessions are to be carried back", n)
		}
		s.heal()
		see("afterwards")
		s.away(s.fast)
		see("without the fast store")
	})
}

// While neither of the others answers, a node goes on with the sessions that it has seen last, and the nodes' changes are
// merged in the end, key by key. What was destroyed on one node stays so.
func TestBothAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fallback.Options{})
		defer s.close()
		merged, gone, unseen := session.ID{1}, session.ID{2}, session.ID{3}
		first := s.write(0, merged, session.Record{}, m{"a": "1", "b": "1", "c": "1"})
		other := s.write(0, gone, session.Record{}, m{"a": "1"})
		s.expect("before", merged, m{"a": "1", "b": "1", "c": "1"})
		s.expect("before", gone, m{"a": "1"})
		s.write(0, unseen, session.Record{}, m{"a": "1"})
		s.away(s.fast, s.durable)
		s.expect("meanwhile", merged, m{"a": "1", "b": "1", "c": "1"})
		if _, err := s.nodes[1].Read(t.Context(), unseen); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("a session that the node has not seen: got error %v", err)
		}
		here := s.write(0, merged, first, m{"a": "2", "b": "1", "c": "1"})
		s.write(0, merged, here, m{"a": "2", "b": "1", "d": "1"})
		s.write(1, merged, first, m{"a": "1", "b": "3", "c": "1"})
		s.write(1, gone, other, m{"a": "2"})
		if err := s.nodes[0].Destroy(t.Context(), gone); !errors.Is(err, fallback.ErrNotDurable) || !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("Destroy: got error %v", err)
		}
		if _, err := s.nodes[0].Read(t.Context(), gone); !errors.Is(err, session.ErrNotFound) {
			t.Errorf("after Destroy: got error %v", err)
		}
		s.heal()
		s.expect("afterwards", merged, m{"a": "2", "b": "3", "d": "1"})
		s.expect("afterwards", gone, nil)
		s.expect("afterwards", unseen, m{"a": "1"})
	})
}

// What both nodes have changed is the later one's, and the earlier one is kept.
func TestLetter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fallback.Options{})
		defer s.close()
		id := session.ID{1}
		first := s.write(0, id, session.Record{}, m{"a": "1"})
		s.expect("before", id, m{"a": "1"})
		s.away(s.fast, s.durable)
		s.write(1, id, first, m{"a": "2"})
		s.write(0, id, first, m{"a": "3"})
		s.back()
		s.expect("afterwards", id, m{"a": "3"})
		if n := s.nodes[0].Status().DeadLetters + s.nodes[1].Status().DeadLetters; n != 1 {
			t.Errorf("%d letters are kept, want 1", n)
		}
		if n := s.nodes[0].Status().Conflicts + s.nodes[1].Status().Conflicts; n != 1 {
			t.Errorf("%d conflicts are counted, want 1", n)
		}
		var kept []string
		for _, n := range s.nodes {
			for letter, err := range n.DeadLetters(t.Context()) {
				if err != nil {
					t.Fatal(err)
				}
				kept = append(kept, string(letter.Payload))
			}
		}
		if want := string(payload(m{"a": "2"})); fmt.Sprint(kept) != fmt.Sprint([]string{want}) {
			t.Errorf("the letters are %q, want %q", kept, want)
		}
	})
}

// A node that ends while the others are away, and begins again, has lost nothing.
func TestRestartedAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fallback.Options{})
		defer s.close()
		id := session.ID{1}
		first := s.write(0, id, session.Record{}, m{"a": "1"})
		s.away(s.fast, s.durable)
		second := s.write(0, id, first, m{"a": "2"})
		if err := s.nodes[0].Close(); err != nil {
			t.Fatal(err)
		}
		s.start(0, fallback.Options{})
		s.away(s.fast, s.durable)
		if rec, err := s.nodes[0].Read(t.Context(), id); err != nil || rec.Version != second.Version {
			t.Fatalf("after a restart: got %q, error %v", rec.Payload, err)
		}
		s.write(0, id, second, m{"a": "3"})
		s.heal()
		s.expect("afterwards", id, m{"a": "3"})
	})
}

// With RequireShared, and without a local store, nothing is acknowledged that one node alone has.
func TestRefusedAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fallback.Options{RequireShared: true})
		defer s.close()
		id := session.ID{1}
		first := s.write(0, id, session.Record{}, m{"a": "1"})
		s.away(s.fast, s.durable)
		if err := s.nodes[0].Write(t.Context(), id, s.record(m{"a": "2"}), first.Version); !errors.Is(err, session.ErrUnavailable) {
			t.Errorf("got error %v", err)
		}
		s.heal()
		s.expect("afterwards", id, m{"a": "1"})
	})
}
