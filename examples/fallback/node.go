package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/examples/loadbalanced/app"
)

const (
	shutdownTimeout = 3 * time.Second
	headerTimeout   = 5 * time.Second
)

// node is one server of the application. All of them are in this process, and share nothing but the two servers.
type node struct {
	name           string
	redis, mariadb string // URLs
	dir            string // of its local store
	figures        *figures
	news           *news

	mu      sync.Mutex
	address string // empty while the node is down
	store   *fallback.Store
	stop    func()
}

// Name returns the name of the node.
func (n *node) Name() string { return n.name }

// Address returns where the node listens, empty while it is down.
func (n *node) Address() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.address
}

// Status returns what the node knows of the stores.
func (n *node) Status() fallback.Status {
	n.mu.Lock()
	store := n.store
	n.mu.Unlock()
	if store == nil {
		return fallback.Status{}
	}
	return store.Status()
}

// open opens the node's stores. This is what an application does.
func (n *node) open() (*fallback.Store, error) {
	fast, err := goredis.Open(n.redis)
	if err != nil {
		return nil, err
	}
	durable, err := mysqlstore.Open(n.mariadb)
	if err != nil {
		return nil, errors.Join(err, fast.Close())
	}
	local, err := filestore.New(filepath.Join(n.dir, "sessions"), nil)
	if err != nil {
		return nil, errors.Join(err, fast.Close(), durable.Close())
	}
	store, err := fallback.New(tracedRedis{fast}, tracedMariaDB{durable}, &fallback.Options{
		Local:   local,
		Logger:  slog.New(slog.DiscardHandler), // the page has what it would say
		Observe: n.tell,
	})
	if err != nil {
		return nil, errors.Join(err, fast.Close(), durable.Close(), local.Close())
	}
	return store, nil
}

// Start opens the stores and serves.
func (n *node) Start(context.Context) error {
	if n.Address() != "" {
		return nil
	}
	store, err := n.open()
	if err != nil {
		return err
	}
	sessions, err := session.New(store, session.Options{
		Cookie:        session.Cookie{Insecure: true}, // the demo speaks plain http; a real application never sets this
		Observer:      session.Silent{},               // the page shows how many requests fail
		ErrorResponse: app.CommitFailed,
	})
	if err != nil {
		return errors.Join(err, store.Close())
	}
	routes, err := n.routes(sessions)
	if err != nil {
		return errors.Join(err, sessions.Close(), store.Close())
	}
	listener, err := net.Listen("tcp", loopback(0))
	if err != nil {
		return errors.Join(err, sessions.Close(), store.Close())
	}
	server := &http.Server{Handler: routes, ReadHeaderTimeout: headerTimeout}
	served := make(chan struct{})
	go func() {
		_ = server.Serve(listener) // until it is shut down
		close(served)
	}()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.address, n.store = listener.Addr().String(), store
	n.stop = func() {
		ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close() // whoever stays longer is cut off
		}
		<-served
		_ = sessions.Close()
		_ = store.Close() // what was not carried back is in its files
	}
	return nil
}

// Stop ends the node.
func (n *node) Stop() {
	n.mu.Lock()
	stop := n.stop
	n.stop, n.address = nil, ""
	n.mu.Unlock()
	if stop != nil {
		stop()
	}
}

// answer is what the application says, and from where it knows.
type answer struct {
	app.State
	Found string `json:"found"`
}

func (n *node) routes(sessions *session.Manager) (http.Handler, error) {
	a, err := app.New(app.Node{Name: n.name, Framework: "net/http"})
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	handle := func(pattern string, change bool, do func(r *http.Request, s *session.Session) error) {
		mode := session.ReadOnly
		if change {
			mode = session.Optimistic
		}
		api := sessions.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s, err := session.Get(r.Context(), mode)
			if err == nil {
				err = do(r, s)
			}
			if err != nil {
				status := app.Status(err)
				app.Retry(w.Header(), status)
				reply(w, status, app.Explain(status, err))
				return
			}
			found, _ := traceOf(r.Context()).places()
			reply(w, http.StatusOK, answer{a.State(s), found.String()})
		}))
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, t := withTrace(r.Context())
			w.Header().Set("X-Node", n.name)
			status := &statusWriter{ResponseWriter: w}
			api.ServeHTTP(status, r.WithContext(ctx))
			if found, stored := t.places(); status.code == http.StatusOK {
				n.figures.served(change, found, stored)
			}
		})
	}
	handle("GET /api/session", false, func(*http.Request, *session.Session) error { return nil })
	handle("POST /api/visit", true, func(_ *http.Request, s *session.Session) error { return app.Visit(s) })
	handle("POST /api/set", true, func(r *http.Request, s *session.Session) error {
		return app.Set(s, r.URL.Query().Get("key"), r.URL.Query().Get("value"))
	})
	handle("POST /api/login", true, func(r *http.Request, s *session.Session) error {
		return app.Login(s, r.URL.Query().Get("user"))
	})
	handle("POST /api/logout", true, func(_ *http.Request, s *session.Session) error { return app.Logout(s) })
	return mux, nil
}

// statusWriter notes the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // who has left reads nothing
}

// tell puts an event of the node's store on the page.
func (n *node) tell(ev fallback.Event) {
	name := map[string]string{"fast": "Redis", "durable": "MariaDB"}[ev.Store]
	text := ""
	switch ev.Kind {
	case fallback.EventDown:
		text = name + " does not answer: it is not asked until it does"
	case fallback.EventUp:
		text = name + " answers again"
	case fallback.EventPast:
		text = "reads from MariaDB until Redis has begun anew"
	case fallback.EventBelieved:
		text = "reads from Redis"
	case fallback.EventBranched:
		text = "changes sessions without MariaDB"
	case fallback.EventCarriedBack:
		text = "MariaDB knows of all changes"
	case fallback.EventDeadLetter:
		text = "a value was changed in several places: one change is kept as a dead letter"
	}
	n.news.add(n.name, text)
}
