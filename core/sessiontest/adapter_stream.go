package sessiontest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func streamCases() []adapterCase {
	return []adapterCase{
		{"stream/events", "A stream's header, with the cookie, and each event reach the visitor before the handler " +
			"goes on.", streamEvents},
		{"stream/late-set", "Setting a value after the first flush is ErrCommitted, the observer hears of it, and " +
			"nothing is stored.", lateSet},
		{"stream/reads", "A session can be read in a stream, and the request's context still carries it.", streamReads},
	}
}

// events serves a stream that awaits the visitor after each event. late runs in the stream, after the first event has
// reached the visitor.
func (p *adapterProbe) events(late func(ctx context.Context, s *session.Session)) (s *site, seen chan<- struct{}) {
	next := make(chan struct{})
	return p.open(Route{"GET", "/events", func(c Call) error {
		s, err := get(c)
		if err != nil {
			return err
		}
		if err := session.NewKey[string]("k").Set(s, "v"); err != nil {
			return err
		}
		c.SetHeader("Content-Type", "text/event-stream")
		ctx := c.Context()
		return c.Stream(func(w FlushWriter) {
			for i := range 3 {
				fmt.Fprintf(w, "data: %d\n\n", i)
				_ = w.Flush()
				select {
				case <-next:
				case <-time.After(arrival):
					p.errorf("event %d did not reach the visitor while the handler was running", i)
					return
				}
				if i == 0 {
					late(ctx, s)
				}
			}
		})
	}}), next
}

// watch reads the stream.
func (v *visitor) watch(seen chan<- struct{}) {
	a, body := v.start("GET", "/events")
	defer body.Close()
	a.wantHeader("Content-Type", "text/event-stream").wantCookie()
	if n := v.store.Calls(OpWrite); n != 1 {
		v.p.fatalf("when the header arrived the session had been written %d times, want once", n)
	}
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if lines.Text() == "" {
			select {
			case seen <- struct{}{}:
			case <-time.After(arrival): // the handler has complained
			}
		}
	}
	v.p.ok("reading the stream", lines.Err())
	v.holds("after the stream", "k", "v")
}

func streamEvents(p *adapterProbe) {
	s, seen := p.events(func(context.Context, *session.Session) {})
	s.visitor().watch(seen)
}

func lateSet(p *adapterProbe) {
	s, seen := p.events(func(_ context.Context, s *session.Session) {
		for _, err := range []error{session.NewKey[string]("k").Set(s, "late"), s.Renew(), s.Destroy()} {
			if !errors.Is(err, session.ErrCommitted) {
				p.errorf("a change after the first flush: got error %v, want %q", err, session.ErrCommitted)
			}
		}
	})
	s.visitor().watch(seen)
	if n := s.events.count(session.EventMisused); n != 3 {
		p.fatalf("the observer heard of %d late changes, want 3", n)
	}
	if n := s.store.Calls(OpWrite); n != 1 {
		p.fatalf("the session was written %d times, want once", n)
	}
}

func streamReads(p *adapterProbe) {
	s, seen := p.events(func(ctx context.Context, s *session.Session) {
		if got := session.NewKey[string]("k").Get(s); got != "v" {
			p.errorf("in the stream the session's value is %q, want %q", got, "v")
		}
		if same, err := session.Get(ctx); err != nil || same != s {
			p.errorf("in the stream the request's context carries another session, or none: %v", err)
		}
		if err := ctx.Err(); err != nil {
			p.errorf("the request's context ended while the visitor was reading the stream: %v", err)
		}
	})
	s.visitor().watch(seen)
}

func failedStreamEnds(p *adapterProbe) {
	p.endless(func(c Call, send func(FlushWriter)) error { return c.Stream(send) }).ends()
}

// endlessSite streams until it hears that nobody listens.
type endlessSite struct {
	*site
	over chan struct{} // closed when the stream has ended
	told atomic.Bool   // that nobody listens
}

func (p *adapterProbe) endless(stream func(c Call, send func(FlushWriter)) error) *endlessSite {
	e := &endlessSite{over: make(chan struct{})}
	e.site = p.open(Route{"GET", "/endless", func(c Call) error {
		if err := set(c, "k", "after"); err != nil {
			return err
		}
		ctx := c.Context()
		return stream(c, func(w FlushWriter) {
			defer close(e.over)
			for start := time.Now(); time.Since(start) < 2*arrival; time.Sleep(time.Millisecond) {
				_, err := io.WriteString(w, "data\n")
				if err = errors.Join(err, w.Flush(), ctx.Err()); err != nil {
					e.told.Store(true)
					return
				}
			}
		})
	}})
	return e
}

// ends ends the case unless a failed commit ends the stream.
func (e *endlessSite) ends() {
	v := e.known()
	e.store.Before(OpWrite, -1, Fail)
	v.get("/endless").wantError(session.ErrUnavailable)
	select {
	case <-e.over:
		if !e.told.Load() {
			e.p.fatalf("the visitor had to wait for the error response until the handler gave up")
		}
	default:
	}
	e.p.await("the stream ends", e.over)
	if !e.told.Load() {
		e.p.fatalf("the handler was streaming for %v without any sign that nobody listens", 2*arrival)
	}
}
