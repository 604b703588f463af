package sessiontest

import (
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

const (
	patience = 20 * time.Second       // for what must happen, on a slow machine
	arrival  = 5 * time.Second        // for what is under way already
	settle   = 30 * time.Millisecond  // for what has no sign by which one could await it
	stalled  = 100 * time.Millisecond // the budget in cases whose store never answers
)

// managed is a Manager on a store that a case can count and disturb.
type managed struct {
	*session.Manager
	store  *Faulty
	events *events
	cookie string // the name
	header string // instead of a cookie
}

// manager makes a Manager for the time of the case. Its budgets are for a busy machine unless options say more.
func (p *adapterProbe) manager(o session.Options) *managed {
	store := session.Handler(memstore.New(nil))
	if p.Store != nil {
		var err error
		store, err = p.Store(p.ctx)
		p.ok("opening the store", err)
	}
	m := &managed{store: NewFaulty(store), events: &events{}, cookie: o.Cookie.Name, header: o.Header}
	if m.cookie == "" {
		m.cookie = "__Host-session"
	}
	for _, budget := range []*time.Duration{&o.ReadTimeout, &o.CommitTimeout, &o.DestroyTimeout} {
		if *budget == 0 {
			*budget = patience
		}
	}
	o.Observer, o.GCInterval = m.events, -1
	var err error
	m.Manager, err = session.New(m.store, o)
	p.ok("session.New", err)
	p.close = append(p.close, m)
	return m
}

// calls is how often the store was asked for anything.
func (m *managed) calls() int {
	n := 0
	for _, op := range []Op{OpRead, OpWrite, OpTouch, OpDestroy} {
		n += m.store.Calls(op)
	}
	return n
}

// events counts what a Manager observes.
type events struct {
	mu    sync.Mutex
	kinds map[session.EventKind]int
}

// Observe implements session.Observer.
func (e *events) Observe(_ context.Context, event session.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.kinds == nil {
		e.kinds = make(map[session.EventKind]int)
	}
	e.kinds[event.Kind]++
}

func (e *events) count(kind session.EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.kinds[kind]
}

// site is an application that is served.
type site struct {
	p *adapterProbe
	*managed
	addr     string
	listener *countingListener
	client   *http.Client
	shutdown func(ctx context.Context) error
}

// open serves routes behind the middleware of one Manager with default options.
func (p *adapterProbe) open(routes ...Route) *site {
	m := p.manager(session.Options{})
	return p.serve(m, []Layer{{Sessions: m.Manager}}, routes...)
}

// serve serves routes, and those that every case can use, behind layers.
func (p *adapterProbe) serve(m *managed, layers []Layer, routes ...Route) *site {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	p.ok("listening on the loopback interface", err)
	s := &site{p: p, managed: m, addr: l.Addr().String(), listener: &countingListener{Listener: l}}
	s.shutdown, err = p.Serve(s.listener, App{layers, append(routes, helpers()...)})
	p.ok("Serve", err)
	s.client = &http.Client{
		Timeout:       patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 256},
	}
	p.close = append([]io.Closer{s}, p.close...) // before the Manager
	return s
}

// Close ends the server. It does not wait long: net/http gives a connection without any request 5 seconds.
func (s *site) Close() error {
	s.client.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*settle)
	defer cancel()
	return s.shutdown(ctx)
}

// countingListener counts its connections, and the files that were given to the kernel to send.
type countingListener struct {
	net.Listener
	accepted, files atomic.Int64
}

// Accept implements net.Listener.
func (l *countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.accepted.Add(1)
	return &countingConn{conn.(*net.TCPConn), l}, nil
}

type countingConn struct {
	*net.TCPConn
	l *countingListener
}

// ReadFrom implements io.ReaderFrom, through which net.TCPConn uses sendfile.
func (c *countingConn) ReadFrom(src io.Reader) (int64, error) {
	file := src
	if limited, ok := src.(*io.LimitedReader); ok {
		file = limited.R
	}
	if _, ok := file.(*os.File); ok {
		c.l.files.Add(1)
	}
	return c.TCPConn.ReadFrom(src)
}
