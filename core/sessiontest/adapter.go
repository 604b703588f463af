package sessiontest

import (
	"context"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// AdapterHarness tells RunAdapter how to serve an application through an adapter, and what the framework can do. Serve
// is required.
type AdapterHarness struct {
	// Serve serves app on l in goroutines of its own. shutdown ends the server gracefully: it refuses new requests, awaits
	// those that are running, and gives up when ctx ends.
	Serve func(l net.Listener, app App) (shutdown func(ctx context.Context) error, err error)

	// Store opens the store that sessions are in, once or more for each case. Nil means one in memory: an adapter does not
	// know what is behind the Manager. The suite closes it if it is an io.Closer.
	Store func(ctx context.Context) (session.Handler, error)

	// What the framework can do. What is declared and not found by type assertion on a Call, or found and not declared,
	// is a failure.

	// Writers is how many different http.ResponseWriters a handler can lay hands on, the length of HTTPCall.Writers.
	// Zero means that the framework is not built on net/http.
	Writers int
	// EarlyHints says that a Call is an EarlyHinter.
	EarlyHints bool
	// Upgrade says that a Call is an Upgrader.
	Upgrade bool
	// Gzip says that there is a middleware that compresses, and Serve obeys Layer.Gzip.
	Gzip bool
	// Protect says that there is a middleware against cross-origin requests, and Serve obeys Layer.Protect.
	Protect bool
}

// App is a small application without a framework. Serve translates it.
type App struct {
	Layers []Layer // the outermost first; they are around the router, so that its 404 and 405 pass them
	Routes []Route
}

// Layer is a middleware. One field is set.
type Layer struct {
	Sessions *session.Manager                      // the adapter's middleware of this Manager
	Recover  bool                                  // the framework's middleware that turns a panic into status 500
	Gzip     bool                                  // the framework's middleware that compresses
	Protect  bool                                  // the adapter's middleware against cross-origin requests
	Handle   func(c Call, next func() error) error // a middleware of the application
}

// Route is a handler at a fixed path. A path that no route has is answered with 404, and a method that a path does not
// have with 405.
//
// An error that Handle returns is rendered as the framework renders errors: a *StatusError with its status, any other
// with 500.
type Route struct {
	Method, Path string
	Handle       func(c Call) error
}

// StatusError is what a handler returns to be answered with a status and a text.
type StatusError struct {
	Code int
	Text string
}

// Error returns the text.
func (e *StatusError) Error() string { return e.Text }

// RunAdapter checks an adapter, which connects the session package with a web framework, on real connections over the
// loopback interface. Each case is a parallel subtest.
func RunAdapter(t *testing.T, h AdapterHarness) {
	for _, c := range h.cases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if text := new(suite).run(t.Context(), c); len(text) > 0 {
				t.Error(Failure{c.name, c.rule, text})
			}
		})
	}
}

// AdapterFailures checks an adapter as RunAdapter does and returns the cases that failed, in the order in which RunAdapter
// runs them.
func AdapterFailures(ctx context.Context, h AdapterHarness) []Failure {
	cases := h.cases()
	failures := make([]Failure, len(cases))
	turns := make(chan struct{}, 4) // servers at once
	var wg sync.WaitGroup
	for i, c := range cases {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			failures[i] = Failure{c.name, c.rule, new(suite).run(ctx, c)}
		})
	}
	wg.Wait()
	return slices.DeleteFunc(failures, func(f Failure) bool { return len(f.Text) == 0 })
}

// adapterCase is one rule for adapters and how to find out whether it is kept.
type adapterCase struct {
	name string
	rule string
	run  func(*adapterProbe)
}

// adapterProbe is what an adapterCase works with.
type adapterProbe struct {
	*probe
	AdapterHarness
	path string // of the file that a case serves
}

// cases returns what the harness's declarations call for.
func (h AdapterHarness) cases() []backendCase {
	all := slices.Concat(abilityCases(), commitCases(h), failedCommitCases(h), panicCases(), streamCases(), loadCases(),
		headerCases(), cookieCases(), tokenCases(), endCases(), renewCases(), bindingCases(), scopeCases(), modeCases(), sharingCases(),
		connectionCases(h), fileCases())
	if h.Protect {
		all = append(all, crossOriginCases()...)
	}
	if h.Writers > 0 {
		all = append(all, writerCases()...)
	}
	if h.EarlyHints {
		all = append(all, earlyHintsCases()...)
	}
	if h.Upgrade {
		all = append(all, upgradeCases()...)
	}
	cases := make([]backendCase, len(all))
	for i, c := range all {
		cases[i] = backendCase{c.name, c.rule, func(p *probe) { c.run(&adapterProbe{probe: p, AdapterHarness: h}) }}
	}
	return cases
}
