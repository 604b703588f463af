package life_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// patient are URL parameters for tests that count, on machines that run all of them at once.
const patient = "?dial_timeout=20s&read_timeout=20s&write_timeout=20s"

// stores start the servers that a store needs. What they return opens it for one node.
var stores = map[string]func(testing.TB) func() (session.Handler, error){
	"memory": func(testing.TB) func() (session.Handler, error) {
		store := memstore.New(nil)
		return func() (session.Handler, error) { return unclosed{store}, nil }
	},
	"file": func(t testing.TB) func() (session.Handler, error) {
		dir := t.TempDir()
		return func() (session.Handler, error) { return filestore.New(dir, nil) }
	},
	"goredis": func(t testing.TB) func() (session.Handler, error) {
		url := servers.StartRedis(t, nil).URL() + patient + "&pool_timeout=20s"
		return func() (session.Handler, error) { return goredis.Open(url) }
	},
	"redigo": func(t testing.TB) func() (session.Handler, error) {
		url := servers.StartRedis(t, nil).URL() + patient
		return func() (session.Handler, error) { return redigo.Open(url) }
	},
	"mysql": func(t testing.TB) func() (session.Handler, error) {
		url := servers.StartMariaDB(t, nil).URL() + patient
		return func() (session.Handler, error) { return mysqlstore.Open(url) }
	},
	"fallback": func(t testing.TB) func() (session.Handler, error) {
		redis, maria := servers.StartRedis(t, nil).URL(), servers.StartMariaDB(t, nil).URL()
		return func() (session.Handler, error) {
			fast, err := goredis.Open(redis + patient)
			if err != nil {
				return nil, err
			}
			durable, err := mysqlstore.Open(maria + patient)
			if err != nil {
				return nil, err
			}
			local, err := filestore.New(t.TempDir(), nil)
			if err != nil {
				return nil, err
			}
			return fallback.New(fast, durable, &fallback.Options{Local: local, Logger: slog.New(slog.DiscardHandler)})
		}
	},
}

// unclosed is a store in memory of several nodes.
type unclosed struct{ *memstore.Store }

func (unclosed) Close() error { return nil }

// newManager returns a node of the application, which ends with the test.
func newManager(t testing.TB, open func() (session.Handler, error), o session.Options) *session.Manager {
	t.Helper()
	store, err := open()
	if err != nil {
		t.Fatal(err)
	}
	o.ReadTimeout, o.CommitTimeout, o.DestroyTimeout = 20*time.Second, 20*time.Second, 20*time.Second
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

// visitor is a browser: it keeps its cookie from request to request.
type visitor struct {
	mu     sync.Mutex
	cookie string
}

// as returns another tab that has the cookie of now.
func (v *visitor) as() *visitor {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &visitor{cookie: v.cookie}
}

// get makes a request to a node and returns its status.
func (v *visitor) get(ctx context.Context, m *session.Manager, use func(*session.Session), mode ...session.Mode) int {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
	if c := v.as().cookie; c != "" {
		r.Header.Set("Cookie", c)
	}
	w := httptest.NewRecorder()
	m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context(), mode...)
		if err != nil {
			w.WriteHeader(session.StatusCode(err))
			return
		}
		use(s)
	})).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		v.mu.Lock()
		v.cookie = c.Name + "=" + c.Value
		v.mu.Unlock()
	}
	return w.Code
}
