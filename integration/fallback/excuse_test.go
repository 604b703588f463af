package fallback_test

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// stall is how long a node waits for an answer of MariaDB: the read_timeout of its URL.
const stall = 250 * time.Millisecond

// listen makes MariaDB store something all the time, past the proxies of the nodes, until silence is called, which returns for how
// long it stored nothing at worst. When the machine stands still nobody asks, which counts as well.
func (s *site) listen() (silence func() time.Duration) {
	s.t.Helper()
	store, err := mysqlstore.Open(s.maria.URL())
	s.must(err)
	stop, worst := make(chan struct{}), make(chan time.Duration, 1)
	go func() {
		defer func() { _ = store.Close() }()
		var most time.Duration
		for last := time.Now(); ; {
			if keep(store) == nil {
				most = max(most, time.Since(last))
				last = time.Now()
			}
			select {
			case <-stop:
				worst <- max(most, time.Since(last))
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	return func() time.Duration { close(stop); return <-worst }
}

// keep stores a session that nobody has, and forgets it again.
func keep(store *mysqlstore.Store) error {
	var id session.ID
	_, _ = rand.Read(id[:])
	now := time.Now()
	rec := session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: time.Minute}
	if err := store.Write(context.Background(), id, rec, session.Version{}); err != nil {
		return err
	}
	return store.Destroy(context.Background(), id)
}

// excused reports whether what visitors have found in a fault says nothing: only Redis was meant, but MariaDB was silent as well for
// some time, since the machine, or its disk, stood still. That is another fault, in which visitors who change nodes do miss changes.
func (c *crowd) excused(fault string, silent time.Duration) bool {
	if len(c.findings) == 0 || silent < stall || !strings.HasPrefix(fault, "Redis ") {
		return false
	}
	c.site.t.Logf("once more, since MariaDB stored nothing for %v: %s", silent.Round(time.Millisecond), c.findings[0])
	return true
}
