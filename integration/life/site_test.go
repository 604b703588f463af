package life_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

const (
	nodes    = 3
	visitors = 12
)

// site is an application of several nodes on one Redis, whose options change one node after the other while visitors come.
type site struct {
	t      *testing.T
	redis  *servers.Redis
	store  session.Handler
	nodes  [nodes]atomic.Pointer[http.Handler]
	rounds [visitors]atomic.Int64 // requests of each visitor
}

// shared is a store that outlives its Managers.
type shared struct{ *goredis.Store }

func (shared) Close() error { return nil }

func newSite(t *testing.T) *site {
	r := servers.StartRedis(t, nil)
	store, err := goredis.Open(r.URL() + patient + "&pool_timeout=20s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return &site{t: t, redis: r, store: shared{store}}
}

// roll gives one node after the other new options, while visitors come, and waits until each visitor has been there with
// them several times.
func (s *site) roll(o session.Options) {
	s.t.Helper()
	for i := range s.nodes {
		s.boot(i, o)
		s.wait(2)
	}
	s.wait(5)
}

func (s *site) boot(i int, o session.Options) {
	s.t.Helper()
	o.ReadTimeout, o.CommitTimeout, o.DestroyTimeout = 20*time.Second, 20*time.Second, 20*time.Second
	m, err := session.New(s.store, o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = m.Close() })
	h := m.Middleware(http.HandlerFunc(page))
	s.nodes[i].Store(&h)
}

// wait waits until each visitor has made some more requests.
func (s *site) wait(more int64) {
	s.t.Helper()
	var before [visitors]int64
	for i := range before {
		before[i] = s.rounds[i].Load()
	}
	end := time.Now().Add(time.Minute)
	for i := range before {
		for s.rounds[i].Load() < before[i]+more {
			if time.Sleep(time.Millisecond); time.Now().After(end) {
				s.t.Fatal("the visitors do not come any more")
			}
		}
	}
}

// page counts the visits, and shows what there is. Each thirtieth visit is a login, and so a new id. /side is another request
// of the same visitor at the same time.
func page(w http.ResponseWriter, r *http.Request) {
	count, side, data := session.NewKey[int]("count"), session.NewKey[int]("side"), session.NewKey[string]("data")
	s, err := session.Get(r.Context())
	if err != nil {
		w.WriteHeader(session.StatusCode(err))
		return
	}
	if r.URL.Path == "/side" {
		_ = side.Update(s, func(n int) int { return n + 1 })
		return
	}
	n := count.Get(s)
	w.Header().Set("State", fmt.Sprintf("%d visits, %d beside, %d bytes", n, side.Get(s), len(data.Get(s))))
	_ = count.Update(s, func(n int) int { return n + 1 })
	_ = data.Set(s, text(n+1))
	if login(n) {
		_ = s.Renew()
	}
}

func login(visit int) bool { return visit%30 == 29 }

// text is what the n-th visit stores: of a length that follows from it, and sometimes below the threshold of compression.
func text(n int) string {
	return strings.Repeat(fmt.Sprintf("the item number %d is in the cart; ", n), 20+n%7*20)
}

// visit sends visitors to all nodes until stop is closed. It fails the test if one of them loses anything.
func (s *site) visit(stop chan struct{}, everyone *sync.WaitGroup) {
	for i := range visitors {
		everyone.Go(func() {
			cookie, visits, beside, bytes := "", 0, 0, 0
			send := func(path string) *http.Response {
				r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
				r.Header.Set("Cookie", cookie)
				(*s.nodes[rand.IntN(nodes)].Load()).ServeHTTP(w, r)
				return w.Result()
			}
			for {
				select {
				case <-stop:
					return
				default:
				}
				var other sync.WaitGroup
				more := visits > 0 && !login(visits)
				want := fmt.Sprintf("%d visits, %d beside, %d bytes", visits, beside, bytes)
				if more {
					other.Go(func() {
						if res := send("/side"); res.StatusCode != http.StatusOK {
							s.t.Errorf("visitor %d: status %d beside visit %d", i, res.StatusCode, visits)
						}
					})
					beside++
				}
				res := send("/")
				other.Wait()
				ahead := fmt.Sprintf("%d visits, %d beside, %d bytes", visits, beside, bytes) // of this visit
				if got := res.Header.Get("State"); res.StatusCode != http.StatusOK || got != want && got != ahead {
					s.t.Errorf("visitor %d: status %d, the session has %q, want %q", i, res.StatusCode, got, want)
					return
				}
				for _, c := range res.Cookies() {
					cookie = c.Name + "=" + c.Value
				}
				visits++
				bytes = len(text(visits))
				s.rounds[i].Add(1)
				time.Sleep(time.Millisecond) // the machine has other tests to run
			}
		})
	}
}
