package fallback_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// TestMain keeps go-redis from logging every connection that these tests make fail.
func TestMain(m *testing.M) {
	logging.Disable()
	if stores := os.Getenv(childVariable); stores != "" {
		if err := runChild(stores); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// header carries the visitor's token.
const header = "X-Session"

// site is an application of three nodes, with its servers.
type site struct {
	t     testing.TB
	redis *servers.Redis
	maria *servers.MariaDB
	nodes [3]*node
}

// node is a process of the application, as far as one test program can have several: it shares nothing with the others but
// the servers. Between them and it are proxies.
type node struct {
	name         string
	mode         fallback.Mode
	redis, maria *servers.Proxy
	dir          string // its local store
	store        *fallback.Store
	manager      *session.Manager
	handler      http.Handler
}

// newSite starts a site and waits until its nodes read from Redis. Nil options mean those of the servers.
func newSite(t testing.TB, redis *servers.RedisOptions, maria *servers.MariaDBOptions) *site {
	s := newServers(t, redis, maria)
	s.open(fallback.Mirrored)
	s.settle()
	return s
}

// newSiteIn is newSite in a mode.
func newSiteIn(t testing.TB, mode fallback.Mode, redis *servers.RedisOptions) *site {
	s := newServers(t, redis, nil)
	s.open(mode)
	s.settle()
	return s
}

// newServers starts the servers of a site, whose nodes are not there yet.
func newServers(t testing.TB, redis *servers.RedisOptions, maria *servers.MariaDBOptions) *site {
	s := &site{t: t, redis: servers.StartRedis(t, redis), maria: servers.StartMariaDB(t, maria)}
	for i := range s.nodes {
		s.nodes[i] = &node{name: fmt.Sprint(i), redis: servers.StartProxy(t, s.redis.Addr()), maria: servers.StartProxy(t, s.maria.Addr()), dir: t.TempDir()}
	}
	return s
}

// open starts all nodes.
func (s *site) open(mode fallback.Mode) {
	for _, n := range s.nodes {
		n.mode = mode
		s.boot(n)
		s.t.Cleanup(func() { n.shut(s.t) })
	}
}

// boot starts a node behind its proxies.
func (s *site) boot(n *node) {
	s.t.Helper()
	s.must(n.start(strings.Replace(s.redis.URL(), s.redis.Addr(), n.redis.Addr(), 1),
		strings.Replace(s.maria.URL(), s.maria.Addr(), n.maria.Addr(), 1), session.LockOptions{}, s.t.Output()))
}

// start starts a node.
func (n *node) start(redisURL, mariaURL string, lock session.LockOptions, log io.Writer) error {
	fast, err := goredis.Open(redisURL)
	if err != nil {
		return err
	}
	durable, err := mysqlstore.Open(mariaURL)
	if err != nil {
		return err
	}
	opts := fallback.Options{Mode: n.mode, Logger: slog.New(slog.NewTextHandler(log, nil)).With("node", n.name)}
	if n.mode == fallback.Mirrored {
		if opts.Local, err = filestore.New(n.dir, nil); err != nil {
			return err
		}
	}
	n.store, err = fallback.New(fast, durable, &opts)
	if err != nil {
		return err
	}
	n.manager, err = session.New(n.store, session.Options{Header: header, Observer: session.Silent{}, Lock: lock})
	if err != nil {
		return err
	}
	n.handler = n.manager.Middleware(routes())
	return nil
}

// shut ends a node.
func (n *node) shut(t testing.TB) {
	if err := n.manager.Close(); err != nil {
		t.Errorf("Manager.Close: %v", err)
	}
	if err := n.store.Close(); err != nil {
		t.Errorf("Store.Close: %v", err)
	}
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// settle waits until all nodes read from Redis and have nothing to carry back, and returns how long that took.
func (s *site) settle() time.Duration {
	s.t.Helper()
	begin := time.Now()
	for time.Since(begin) < time.Minute {
		settled := true
		for _, n := range s.nodes {
			status := n.store.Status()
			settled = settled && status.Believed && status.DurableUp && status.Open == 0
		}
		if settled {
			return time.Since(begin)
		}
		time.Sleep(10 * time.Millisecond)
	}
	for i, n := range s.nodes {
		s.t.Errorf("node %d does not come to rest: %+v", i, n.store.Status())
	}
	return time.Since(begin)
}

// words are what a visitor has added, and user whether they have logged in.
var (
	words = session.NewKey[[]string]("words")
	user  = session.NewKey[string]("user")
)

// page is what the application answers.
type page struct {
	User  string
	Words []string
}

func routes() http.Handler {
	mux := http.NewServeMux()
	handle := func(path string, do func(r *http.Request, s *session.Session) error, mode ...session.Mode) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Get(r.Context(), mode...)
			if err == nil && do != nil {
				err = do(r, s)
			}
			if err != nil {
				http.Error(w, err.Error(), session.StatusCode(err))
				return
			}
			_ = json.NewEncoder(w).Encode(page{user.Get(s), words.Get(s)})
		})
	}
	handle("/show", nil, session.ReadOnly)
	handle("/login", func(_ *http.Request, s *session.Session) error {
		if err := s.Renew(); err != nil {
			return err
		}
		return user.Set(s, "somebody")
	})
	handle("/add", func(r *http.Request, s *session.Session) error {
		if user.Get(s) == "" {
			return nil // who is not logged in gets no session
		}
		return words.Update(s, func(all []string) []string { return append(all, r.URL.Query().Get("word")) })
	})
	handle("/logout", func(_ *http.Request, s *session.Session) error { return s.Destroy() })
	return mux
}

// get sends a request to a node.
func (n *node) get(path, token string) (status int, p page, newToken string, took time.Duration) {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, path, nil)
	if token != "" {
		r.Header.Set(header, token)
	}
	w := httptest.NewRecorder()
	begin := time.Now()
	n.handler.ServeHTTP(w, r)
	took = time.Since(begin)
	if w.Code == http.StatusOK {
		_ = json.Unmarshal(w.Body.Bytes(), &p) // an answer that is none has no words
	}
	return w.Code, p, w.Header().Get(header), took
}

// answer is what a node answers in the end: a busy machine lets calls time out.
func (n *node) answer(path, token string) (status int, p page) {
	for begin := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		status, p, _, _ = n.get(path, token)
		if status != http.StatusServiceUnavailable || time.Since(begin) > 20*time.Second {
			return status, p
		}
	}
}
