package mysql_test

import (
	"testing"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// Without batches there are as many statements as reads, each with a connection; with them as many as are to be under way at
// once, and one more every 25 ms as long as none comes back.
func TestBatchesHaveAnEffect(t *testing.T) {
	t.Parallel()
	m := servers.StartMariaDB(t, nil)
	for _, test := range []struct{ batches, least, most int }{{-1, 8, 8}, {1, 2, 6}, {0, 3, 6}, {7, 8, 8}} {
		s, err := mysqlstore.New(pool(t, m, 16), &mysqlstore.Options{Batches: test.batches})
		must(t, "mysqlstore.Options.Batches", err)
		must(t, "Ping", s.Ping(t.Context()))
		before := status(t, m, "Com_select")
		connections(t, m, func() { readAbsent(t, s) })
		if n := status(t, m, "Com_select") - before; n < test.least || n > test.most {
			t.Errorf("Batches: %d: %d statements, not %d to %d", test.batches, n, test.least, test.most)
		}
	}
}
