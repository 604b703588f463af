package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A change whose caller has given up is applied when the server goes on. The repeat finds that, and neither is a conflict nor
// counts twice. A late change after a destroy, or after another change, changes nothing.
func TestAppliedLate(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	s := open(t, m.URL())
	id, late, gone := newID(), newID(), newID()
	var n ticks
	rec := record(n.next(), "0")
	must(t, "create", s.Write(t.Context(), id, rec, session.Version{}))
	must(t, "create", s.Write(t.Context(), gone, rec, session.Version{}))
	for i := range 20 {
		next := record(n.next(), strconv.Itoa(i+1))
		m.Stop()
		abandoned(t, "change", func(ctx context.Context) error { return s.Write(ctx, id, next, rec.Version) })
		abandoned(t, "touch", func(ctx context.Context) error { return s.Touch(ctx, gone, rec) })
		m.Continue()
		if i%2 == 0 {
			eventually(t, "the late change", func() error {
				got, err := s.Read(t.Context(), id)
				if err == nil && got.Version != next.Version {
					err = errors.New("is not there")
				}
				return err
			})
		}
		must(t, "repeated change", s.Write(t.Context(), id, next, rec.Version))
		expectPayload(t, s, id, strconv.Itoa(i+1))
		rec = next
	}
	m.Stop()
	abandoned(t, "creation", func(ctx context.Context) error { return s.Write(ctx, late, rec, session.Version{}) })
	m.Continue()
	must(t, "repeated creation", s.Write(t.Context(), late, rec, session.Version{}))
	must(t, "destroy", s.Destroy(t.Context(), late))
	if _, err := s.Read(t.Context(), late); !errors.Is(err, session.ErrNotFound) {
		t.Errorf("after the destroy: got error %v", err)
	}
}

// abandoned makes a call that a stopped server does not answer, unless it was on its way to stop.
func abandoned(t *testing.T, what string, call func(ctx context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	err := call(ctx)
	if err != nil && (!errors.Is(err, session.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded)) {
		t.Fatalf("%s of a stopped server: got error %v", what, err)
	}
}

// A change that the server has applied and whose answer is lost is not repeated by the driver or the Store, and the caller's
// own repeat is nil.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	proxy := servers.StartProxy(t, m.Addr())
	s := openAsIs(t, withParams(t, through(t, m.URL(), proxy.Addr()), "read_timeout=500ms&dial_timeout=5s"))
	id := newID()
	var n ticks
	rec := record(n.next(), "0")
	must(t, "create", s.Write(t.Context(), id, rec, session.Version{}))
	for i, how := range []servers.Loss{servers.Silence, servers.FIN, servers.RST, servers.Silence, servers.FIN, servers.RST} {
		next := record(n.next(), fmt.Sprint(i))
		before := status(t, m, "Com_update")
		_, err := s.Read(t.Context(), id) // there is a connection
		must(t, "Read", err)
		proxy.Lose(how)
		if err := s.Write(t.Context(), id, next, rec.Version); !errors.Is(err, session.ErrUnavailable) {
			t.Fatalf("the answer is lost: got error %v", err)
		}
		if got := status(t, m, "Com_update") - before; got != 1 {
			t.Errorf("the change was sent %d times", got)
		}
		must(t, "repeat", s.Write(t.Context(), id, next, rec.Version))
		expectPayload(t, s, id, fmt.Sprint(i))
		rec = next
	}
}

// Two nodes append to one session at once, while all connections are killed again and again. In the end each word that was
// acknowledged is there, once.
func TestNoLostUpdate(t *testing.T) {
	t.Parallel()
	const workers, each = 8, 40
	m := servers.StartMariaDB(t, nil)
	nodes := []store{open(t, m.URL()), open(t, m.UnixURL())}
	id := newID()
	var n ticks
	must(t, "create", nodes[0].Write(t.Context(), id, record(n.next(), ""), session.Version{}))
	var wg, killer sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	killer.Go(func() {
		for ctx.Err() == nil {
			_, _ = m.Admin().ExecContext(ctx, "KILL USER "+servers.MariaDBUser)
			time.Sleep(20 * time.Millisecond)
		}
	})
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				if err := appendWord(t.Context(), nodes[w%2], id, &n, fmt.Sprintf("%d-%d", w, i)); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	wg.Wait()
	stop()
	killer.Wait()
	rec, err := open(t, m.URL()).Read(t.Context(), id)
	must(t, "Read", err)
	words := strings.Fields(string(rec.Payload))
	slices.Sort(words)
	if len(words) != workers*each || len(slices.Compact(words)) != len(words) {
		t.Errorf("got %d words, %d different ones, want %d", len(words), len(slices.Compact(words)), workers*each)
	}
}

// appendWord adds a word to a session, whatever it takes. After a change whose outcome is unknown the word tells whether it
// was applied.
func appendWord(ctx context.Context, s store, id session.ID, n *ticks, word string) error {
	for range 10_000 {
		rec, err := s.Read(ctx, id)
		if err == nil && slices.Contains(strings.Fields(string(rec.Payload)), word) {
			return nil
		}
		if err == nil {
			err = s.Write(ctx, id, record(n.next(), string(rec.Payload)+" "+word), rec.Version)
		}
		if err == nil || !errors.Is(err, session.ErrUnavailable) && !errors.Is(err, session.ErrConflict) {
			return err
		}
	}
	return errors.New("others were always faster")
}
