package promises_test

import (
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// stores open a fresh store each.
var stores = map[string]func(testing.TB) session.Handler{
	"memory": func(testing.TB) session.Handler { return memstore.New(nil) },
	"file": func(t testing.TB) session.Handler {
		store, err := filestore.New(t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		return store
	},
	"redis": func(t testing.TB) session.Handler { return openRedis(t, servers.StartRedis(t, nil), patient) },
	"mysql": func(t testing.TB) session.Handler {
		const patient = "?dial_timeout=20s&read_timeout=20s&write_timeout=20s"
		store, err := mysqlstore.Open(servers.StartMariaDB(t, nil).URL() + patient)
		if err != nil {
			t.Fatal(err)
		}
		return store
	},
}

// patient are URL parameters for tests that count, on machines that run all of them at once: see newManager.
const patient = "?dial_timeout=20s&read_timeout=20s&write_timeout=20s&pool_timeout=20s"

func openRedis(t testing.TB, server *servers.Redis, parameters string) session.Handler {
	store, err := session.Open(t.Context(), server.URL()+parameters)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := store.(*goredis.Store); !ok {
		t.Fatalf("redis:// opened a %T", store)
	}
	return store
}

// newManager returns a Manager that is closed with the test. Where o leaves them open, the budgets are those for a slow
// machine with a slow disk: the tests that use it count, and a commit that gives up for lack of time is not what they
// are about.
func newManager(t testing.TB, store session.Handler, o session.Options) *session.Manager {
	t.Helper()
	if o.ReadTimeout == 0 {
		o.ReadTimeout, o.CommitTimeout, o.DestroyTimeout = 20*time.Second, 20*time.Second, 20*time.Second
	}
	m, err := session.New(store, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}
