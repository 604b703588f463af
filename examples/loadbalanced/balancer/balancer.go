// Package balancer is the demo's load balancer: it passes every request to the next node in turn, and stops and starts
// nodes on demand.
//
// Each request travels over a connection of its own, so choosing a node is choosing whom to dial. A node that refuses is
// skipped before anything was sent, and what was sent is never sent again: no request is carried out twice.
//
// # Errors
//
// A request that no node takes is answered 503, one whose node gives no answer 502, both with JSON {"error"}.
//
// # Concurrency
//
// The handler is safe for concurrent use.
package balancer

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httputil"
	"sync/atomic"
	"time"
)

// Node is one server behind the balancer. Its methods are safe for concurrent use.
type Node interface {
	Name() string
	// Address is the host and port where the node listens, empty while it is down.
	Address() string
	// Start starts a node that is down. A node that is up is no error.
	Start(ctx context.Context) error
	// Stop lets the node finish its requests and ends it. A node that is down is no error.
	Stop()
}

// errNoNode says that no node takes connections.
var errNoNode = errors.New("no node is up")

const (
	dialTimeout   = 2 * time.Second
	answerTimeout = 30 * time.Second // for the header; a stream may last as long as it wants
)

type balancer struct {
	nodes  []Node
	sticky bool // tell browsers which node has answered
	turn   atomic.Uint64
	dialer net.Dialer
}

// New returns the balancer's handler: /balancer/ belongs to the balancer, all else is passed to nodes. Requests that
// change something are refused when a page of another site has sent them.
func New(nodes ...Node) http.Handler {
	b := &balancer{nodes: nodes, dialer: net.Dialer{Timeout: dialTimeout}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /balancer/nodes", b.list)
	mux.HandleFunc("POST /balancer/stop", b.stop)
	mux.HandleFunc("POST /balancer/start", b.start)
	mux.HandleFunc("/balancer/", func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusNotFound, "there is nothing here")
	})
	mux.Handle("/", b.proxy())
	return Protect(mux)
}

// Protect refuses requests that change something when a page of another site has sent them.
func Protect(h http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, "this request comes from another site")
	}))
	return protection.Handler(h)
}

// proxy passes requests on, and the visitors' disconnects with them.
func (b *balancer) proxy() http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", "node" // any of them: dial chooses
			r.Out.Host = r.In.Host
			r.SetXForwarded()
		},
		Transport: &http.Transport{
			DialContext:           b.dial,
			DisableKeepAlives:     true,
			DisableCompression:    true,
			ResponseHeaderTimeout: answerTimeout,
		},
		ModifyResponse: b.remember,
		FlushInterval:  -1, // events reach the visitor one by one
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			if errors.Is(err, errNoNode) {
				fail(w, http.StatusServiceUnavailable, "no node is up, start one")
				return
			}
			fail(w, http.StatusBadGateway, "the node gave no answer")
		},
	}
}

// dial connects to the next node that takes the connection, or to the visitor's, if they stay with one.
func (b *balancer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	for _, n := range b.order(ctx) {
		address := n.Address()
		if address == "" {
			continue
		}
		conn, err := b.dialer.DialContext(ctx, network, address)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	return nil, errNoNode
}

// fail answers with an error in the form of the nodes.
func fail(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // a visitor who has left reads nothing
}
