package promises_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// eachStoreAndFramework runs a test for every combination.
func eachStoreAndFramework(t *testing.T, test func(*testing.T, *browser)) {
	for storeName, open := range stores {
		for frameworkName, start := range frameworks {
			t.Run(storeName+"/"+frameworkName, func(t *testing.T) {
				t.Parallel()
				test(t, newBrowser(t, start(t, newManager(t, open(t), session.Options{}))))
			})
		}
	}
}

func TestConcurrentRequestsOfOneUserOverwriteNothing(t *testing.T) {
	t.Parallel()
	eachStoreAndFramework(t, func(t *testing.T, b *browser) {
		if status, _ := b.follow("/login?user=ann"); status != http.StatusOK {
			t.Fatalf("login: status %d", status)
		}
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				if status, _ := b.get(fmt.Sprintf("/set?key=k%d&value=v", i)); status != http.StatusOK {
					t.Errorf("set %d: status %d", i, status)
				}
			})
		}
		for i := range 200 {
			wg.Go(func() {
				if status, _ := b.get("/add"); status != http.StatusOK {
					t.Errorf("add %d: status %d", i, status)
				}
			})
		}
		wg.Wait()
		if _, got := b.get("/show"); got != "user=ann count=200 names=22" {
			t.Errorf("after 20 keys and 200 increments: %s", got)
		}
	})
}

// TestLogoutCannotBeUndone lets 50 requests read the session, logs the user out, and only then lets them commit.
func TestLogoutCannotBeUndone(t *testing.T) {
	t.Parallel()
	const rounds, slow = 200, 50
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := open(t)
			hold := &holding{}
			m := newManager(t, store, session.Options{})
			b := newBrowser(t, serve(t, hold.app(m)))
			alive := 0
			for range rounds {
				b.cookie = ""
				b.follow("/login?user=ann")
				old := b.cookie
				hold.start(slow)
				var wg sync.WaitGroup
				for i := range slow {
					wg.Go(func() {
						path := [...]string{"/slow-set?n=%d", "/slow-add?n=%d", "/slow-read?n=%d", "/slow-renew?n=%d"}[i%4]
						late := newBrowserWith(b, old)
						if status, _ := late.follow(fmt.Sprintf(path, i)); status != http.StatusOK && status != http.StatusConflict {
							t.Errorf("%s: status %d", path, status)
						}
						if late.cookie != old {
							t.Errorf("%s: a late request changed the cookie", path)
						}
					})
				}
				hold.loaded.Wait()
				if status, _ := b.follow("/logout"); status != http.StatusOK {
					t.Errorf("logout: status %d", status)
				}
				hold.release()
				wg.Wait()
				if _, got := newBrowserWith(b, old).get("/show"); got != "user= count=0 names=0" {
					alive++
				}
			}
			if alive > 0 {
				t.Errorf("%d of %d logouts were undone", alive, rounds)
			}
		})
	}
}

func newBrowserWith(b *browser, cookie string) *browser {
	return &browser{t: b.t, base: b.base, cookie: cookie, client: b.client}
}

// holding is an application whose slow requests wait, once they have read the session, until they are released.
type holding struct {
	loaded *sync.WaitGroup
	gate   chan struct{}
}

func (h *holding) start(n int) {
	h.loaded, h.gate = new(sync.WaitGroup), make(chan struct{})
	h.loaded.Add(n)
}

func (h *holding) release() { close(h.gate) }

func (h *holding) app(m *session.Manager) http.Handler {
	mux := http.NewServeMux()
	for path, handle := range routes() {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			status, text := handle(request{r.URL.Query().Get, func(mode ...session.Mode) (*session.Session, error) {
				return session.Get(r.Context(), mode...)
			}})
			w.WriteHeader(status)
			_, _ = w.Write([]byte(text))
		})
	}
	slow := func(path string, use func(*session.Session) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Get(r.Context())
			loaded, gate := h.loaded, h.gate
			loaded.Done()
			if err != nil {
				w.WriteHeader(session.StatusCode(err))
				return
			}
			<-gate
			if err := use(s); err != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		})
	}
	slow("/slow-set", func(s *session.Session) error { return user.Set(s, "risen") })
	slow("/slow-add", func(s *session.Session) error { return count.Update(s, func(n int) int { return n + 1 }) })
	slow("/slow-read", func(s *session.Session) error { user.Get(s); return nil })
	slow("/slow-renew", func(s *session.Session) error { return s.Renew() })
	return m.Middleware(mux)
}
