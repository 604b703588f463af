package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// A change that the server has applied and whose answer is lost is not repeated by the driver or the Store, and the caller's
// own repeat is nil: of a prepared statement, and where the server prepares none.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	for _, most := range []int{16382, 0} {
		t.Run(fmt.Sprint("at most ", most, " prepared"), func(t *testing.T) {
			t.Parallel()
			testLostAnswer(t, servers.StartMariaDB(t, &servers.MariaDBOptions{Config: []string{fmt.Sprint("--max-prepared-stmt-count=", most)}}))
		})
	}
}

func testLostAnswer(t *testing.T, m *servers.MariaDB) {
	proxy := servers.StartProxy(t, m.Addr())
	s := openAsIs(t, withParams(t, through(t, m.URL(), proxy.Addr()), "read_timeout=500ms&dial_timeout=5s"))
	id := newID()
	var n ticks
	rec := record(n.next(), "0")
	must(t, "create", s.Write(t.Context(), id, rec, session.Version{}))
	for i, how := range []servers.Loss{servers.Silence, servers.FIN, servers.RST, servers.Silence, servers.FIN, servers.RST} {
		for range 2 { // there is a connection, and it has the statement
			next := record(n.next(), "")
			must(t, "change", s.Write(t.Context(), id, next, rec.Version))
			rec = next
		}
		next := record(n.next(), fmt.Sprint(i))
		before := status(t, m, "Com_update")
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

// Two and four nodes append to one session at once, while all connections are killed again and again. In the end each word that
// was acknowledged is there, once.
func TestNoLostUpdate(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{2, 4} {
		t.Run(fmt.Sprint(nodes, " nodes"), func(t *testing.T) {
			t.Parallel()
			testNoLostUpdate(t, nodes)
		})
	}
}

func testNoLostUpdate(t *testing.T, count int) {
	const workers, each = 8, 40
	m := servers.StartMariaDB(t, nil)
	var nodes []store
	for i := range count {
		nodes = append(nodes, open(t, []string{m.URL(), m.UnixURL()}[i%2]))
	}
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
				if err := appendWord(t.Context(), nodes[w%count], id, &n, fmt.Sprintf("%d-%d", w, i)); err != nil {
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
