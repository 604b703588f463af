package sessiontest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func connectionCases(h AdapterHarness) []adapterCase {
	cases := []adapterCase{
		{"connection/many-visitors", "Visitors who share a connection, as behind a proxy, do not share anything " +
			"else.", manyVisitors},
		{"connection/reused-buffers", "Keys and values that a handler takes from the request outlive it, although the " +
			"framework uses its memory again.", reusedBuffers},
		{"connection/hang-up", "A commit does not end with the visitor's connection.", hangUp},
		{"connection/shutdown", "A request that is running when the server shuts down can load and commit its " +
			"session.", shutdown},
	}
	if h.Writers > 0 {
		cases = append(cases, adapterCase{"connection/context-ends", "Where the framework ends the request's context when the " +
			"visitor hangs up, the adapter leaves it so.", visitorGone})
	}
	return cases
}

func manyVisitors(p *adapterProbe) {
	s := p.open()
	s.client.Transport.(*http.Transport).MaxConnsPerHost = 1
	var visitors []*visitor
	for i := range 20 {
		v := s.visitor()
		v.set("k", "visitor "+strconv.Itoa(i)).wantCookie()
		v.holds("on a shared connection", "k", "visitor "+strconv.Itoa(i))
		s.visitor().holds("without a cookie on a shared connection", "k", "")
		visitors = append(visitors, v)
	}
	for i, v := range slices.Backward(visitors) {
		v.holds("later on a shared connection", "k", "visitor "+strconv.Itoa(i))
	}
	if n := s.listener.accepted.Load(); n > 5 { // on a slow machine the client gives up a connection now and then
		p.fatalf("the requests took %d connections, want 1", n)
	}
}

func reusedBuffers(p *adapterProbe) {
	reused := make(chan struct{})
	var late sync.WaitGroup
	s := p.open(Route{"GET", "/alias", func(c Call) error {
		s, err := get(c)
		if err != nil {
			return err
		}
		key := session.NewKey[string](c.Query("key"))
		if _, ok := key.Lookup(s); ok {
			p.errorf("a new session has a value already")
		}
		late.Go(func() {
			<-reused
			if names := s.Names(); !slices.Equal(names, []string{"first-key"}) {
				p.errorf("after other requests the session's names are %q, want first-key", names)
			}
			if got := session.NewKey[string]("first-key").Get(s); got != "first-value" {
				p.errorf("after other requests the session's value is %q, want first-value", got)
			}
		})
		if err := key.Set(s, c.Query("value")); err != nil {
			return err
		}
		return done(c)
	}})
	s.client.Transport.(*http.Transport).MaxConnsPerHost = 1
	v := s.visitor()
	v.get("/alias?key=first-key&value=first-value").want(http.StatusOK, "done").wantCookie()
	for i := range 20 {
		s.visitor().get(fmt.Sprintf("/set?key=other-%03d&value=other-v-%03d", i, i))
	}
	close(reused)
	late.Wait()
	v.holds("after other requests", "first-key", "first-value")
}

// hang starts a request and cuts the connection when the handler runs.
func (v *visitor) hang(path string, running <-chan struct{}) {
	conn, err := net.Dial("tcp4", v.addr)
	v.p.ok("connecting", err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\nCookie: "+v.cookieHeader(v.token)+"\r\n\r\n")
	v.p.ok("sending a request", err)
	v.p.await("the handler runs", running)
}

// await ends the case unless done is closed in time.
func (p *adapterProbe) await(what string, done <-chan struct{}) {
	select {
	case <-done:
	case <-time.After(patience):
		p.fatalf("%s: not within %v", what, patience)
	}
}

func hangUp(p *adapterProbe) {
	running, gone := make(chan struct{}), make(chan struct{})
	s := p.open(Route{"GET", "/slow", func(c Call) error {
		err := set(c, "k", "after")
		close(running)
		<-gone
		if p.Writers > 0 {
			select { // the commit must not depend on it
			case <-c.Context().Done():
			case <-time.After(arrival):
			}
		}
		if err != nil {
			return err
		}
		return write(large())(p, c)
	}})
	v := s.known()
	written := make(chan struct{})
	s.store.After(OpWrite, 1, func(context.Context) error { close(written); return nil })
	v.hang("/slow", running)
	close(gone)
	p.await("the visitor hung up, the commit", written)
	v.holds("after the visitor hung up", "k", "after")
}

func visitorGone(p *adapterProbe) {
	running, ended := make(chan struct{}), make(chan struct{})
	s := p.open(Route{"GET", "/wait", func(c Call) error {
		defer close(ended)
		if _, err := get(c); err != nil {
			return err
		}
		close(running)
		p.await("the context ends", c.Context().Done())
		return nil
	}})
	s.known().hang("/wait", running)
	p.await("the handler ends", ended)
}

func shutdown(p *adapterProbe) {
	running, down := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(down) })
	s := p.open(Route{"GET", "/slow", func(c Call) error {
		close(running)
		<-down
		if err := set(c, "k", "after"); err != nil {
			return err
		}
		return write(small)(p, c)
	}})
	v := s.known()
	p.parallel(2, func(i int) {
		if i == 0 {
			v.get("/slow").want(http.StatusOK, small)
			return
		}
		defer release()
		p.await("the handler runs", running)
		ended := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(p.ctx, patience)
			defer cancel()
			ended <- s.shutdown(ctx)
		}()
		s.refuses()
		release()
		p.ok("shutdown", <-ended)
	})
	again := p.serve(s.managed, []Layer{{Sessions: s.Manager}})
	(&visitor{site: again, token: v.token}).holds("after the shutdown", "k", "after")
}

// refuses awaits that the server takes no connections any more.
func (s *site) refuses() {
	for start := time.Now(); time.Since(start) < patience; time.Sleep(time.Millisecond) {
		conn, err := net.Dial("tcp4", s.addr)
		if err != nil {
			time.Sleep(settle) // whatever else the beginning of the shutdown does
			return
		}
		_ = conn.Close()
	}
	s.p.fatalf("the server still takes connections %v after the shutdown began", patience)
}
