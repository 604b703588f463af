package session_test

import (
	"bytes"
	"maps"
	"net/http"
	"net/http/httptest"
	"runtime"
	"runtime/metrics"
	"sync"
	"testing"

	"context"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// Keys that many tests use.
var (
	user  = session.NewKey[string]("user")
	count = session.NewKey[int]("count")
	cart  = session.NewKey[[]string]("cart")
)

// newManager returns a Manager that is closed with the test. A nil store is a fresh memstore.
func newManager(t testing.TB, store session.Handler, o session.Options) *session.Manager {
	t.Helper()
	if store == nil {
		store = memstore.New(nil)
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

// visitor is a browser: it keeps its cookie from request to request. Requests may overlap.
type visitor struct {
	t  testing.TB
	m  *session.Manager
	mu sync.Mutex
	// cookie is name=value, empty for a newcomer.
	cookie string
	header http.Header // of each request, besides
	addr   string      // the peer that the server sees
}

func newVisitor(t testing.TB, m *session.Manager) *visitor { return &visitor{t: t, m: m} }

// on returns the same visitor at another node.
func (v *visitor) on(m *session.Manager) *visitor {
	v.mu.Lock()
	defer v.mu.Unlock()
	return &visitor{t: v.t, m: m, cookie: v.cookie, header: v.header, addr: v.addr}
}

// do sends a request, whose handler gets the session with the given mode.
func (v *visitor) do(use func(*session.Session), mode ...session.Mode) *http.Response {
	v.t.Helper()
	return v.serve(context.Background(), func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context(), mode...)
		if err != nil {
			w.WriteHeader(session.StatusCode(err))
			return
		}
		use(s)
	})
}

func (v *visitor) serve(ctx context.Context, h http.HandlerFunc) *http.Response {
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	maps.Copy(r.Header, v.header)
	if v.addr != "" {
		r.RemoteAddr = v.addr
	}
	v.mu.Lock()
	if v.cookie != "" {
		r.Header.Set("Cookie", v.cookie)
	}
	v.mu.Unlock()
	w := httptest.NewRecorder()
	v.m.Middleware(h).ServeHTTP(w, r)
	res := w.Result()
	for _, c := range res.Cookies() {
		v.mu.Lock()
		v.cookie = c.Name + "=" + c.Value
		if c.MaxAge < 0 {
			v.cookie = ""
		}
		v.mu.Unlock()
	}
	return res
}

// recorder is an Observer that keeps the events.
type recorder struct {
	mu     sync.Mutex
	events []session.Event
}

func (r *recorder) Observe(_ context.Context, e session.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// count returns how many events of a kind there were.
func (r *recorder) count(kind session.EventKind) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, e := range r.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// counting counts the calls that reach a store.
type counting struct {
	session.Handler
	mu    sync.Mutex
	calls map[string]int
}

func newCounting() *counting {
	return &counting{Handler: memstore.New(nil), calls: make(map[string]int)}
}

func (c *counting) add(op string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[op]++
}

func (c *counting) take() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = make(map[string]int)
	return calls
}

func (c *counting) Read(ctx context.Context, id session.ID) (session.Record, error) {
	c.add("read")
	return c.Handler.Read(ctx, id)
}

func (c *counting) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	c.add("write")
	return c.Handler.Write(ctx, id, rec, prev)
}

func (c *counting) Destroy(ctx context.Context, id session.ID) error {
	c.add("destroy")
	return c.Handler.Destroy(ctx, id)
}

func (c *counting) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	c.add("touch")
	return c.Handler.(session.Toucher).Touch(ctx, id, rec)
}

// recording remembers what it was given to store.
type recording struct {
	session.Handler
	mu      sync.Mutex
	written []byte
}

func newRecording() *recording { return &recording{Handler: memstore.New(nil)} }

func (r *recording) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	r.mu.Lock()
	r.written = session.AppendRecord(append(r.written, id[:]...), &rec)
	r.mu.Unlock()
	return r.Handler.Write(ctx, id, rec, prev)
}

func (r *recording) holds(text string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.written, []byte(text))
}

// bounded runs f, and fails if it allocates more than limit bytes, give or take one MiB. It is for fuzzing, where nothing else runs:
// the work of other goroutines is counted too. What was allocated before may be counted as late as at the next garbage collection,
// so if it seems too much f runs once more.
func bounded(t *testing.T, limit int, f func()) {
	t.Helper()
	const slack = 1 << 20
	allocated := func() uint64 {
		taken := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
		metrics.Read(taken)
		return taken[0].Value.Uint64()
	}
	before := allocated()
	f()
	if allocated()-before <= uint64(limit)+slack {
		return
	}
	runtime.GC()
	before = allocated()
	f()
	if took := allocated() - before; took > uint64(limit)+slack {
		t.Errorf("%d bytes were allocated, more than %d", took, limit)
	}
}
