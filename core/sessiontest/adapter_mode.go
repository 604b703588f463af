package sessiontest

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func modeCases() []adapterCase {
	return []adapterCase{
		{"mode/read-only", "With ReadOnly a change is ErrReadOnly, and nothing is stored.", readOnly},
		{"mode/read-only-ignored", "A change that was refused and whose error the handler ignored fails the commit: " +
			"it is no silent loss.", readOnlyIgnored},
		{"mode/upgrade", "A session that a middleware has asked for with ReadOnly can be changed by a handler that " +
			"asks for it without.", modeUpgrade},
		{"mode/exclusive", "Requests that ask for a session with Exclusive run one after the other; each sees what the " +
			"one before has stored.", exclusiveRequests},
		{"mode/exclusive-refused", "A request that cannot have a session for itself is answered with 503, and learns the " +
			"method and the path of the one that has it, without the query.", exclusiveRefused},
	}
}

func readOnly(p *adapterProbe) {
	s := p.open(Route{"GET", "/read", func(c Call) error {
		s, err := get(c, session.ReadOnly)
		if err != nil {
			return err
		}
		_, err = c.WriteString(session.NewKey[string]("k").Get(s))
		return err
	}}, Route{"GET", "/refused", func(c Call) error {
		s, err := get(c, session.ReadOnly)
		if err != nil {
			return err
		}
		if err := session.NewKey[string]("k").Set(s, "after"); !errors.Is(err, session.ErrReadOnly) {
			p.errorf("Set with ReadOnly: got error %v, want %q", err, session.ErrReadOnly)
		}
		return &StatusError{http.StatusForbidden, "refused"}
	}})
	v := s.known()
	writes := s.store.Calls(OpWrite)
	v.get("/read").want(http.StatusOK, "before")
	v.get("/refused").wantSameToken()
	if n := s.store.Calls(OpWrite) - writes; n != 0 {
		p.fatalf("requests with ReadOnly cost %d writes", n)
	}
	v.holds("after the refused change", "k", "before")
}

func readOnlyIgnored(p *adapterProbe) {
	s := p.open(Route{"GET", "/careless", func(c Call) error {
		s, err := get(c, session.ReadOnly)
		if err != nil {
			return err
		}
		_ = session.NewKey[string]("k").Set(s, "after")
		return write(small)(p, c)
	}})
	v := s.known()
	v.get("/careless").wantError(session.ErrReadOnly).wantSameToken()
	v.holds("after the refused change", "k", "before")
}

func modeUpgrade(p *adapterProbe) {
	m := p.manager(session.Options{})
	look := Layer{Handle: func(c Call, next func() error) error {
		if _, err := get(c, session.ReadOnly); err != nil {
			return err
		}
		return next()
	}}
	s := p.serve(m, []Layer{{Sessions: m.Manager}, look})
	v := s.known()
	v.set("k", "after").wantSameToken()
	v.holds("after the change", "k", "after")
	if reads := m.store.Calls(OpRead); reads != 2 {
		p.fatalf("two requests of a known visitor cost %d reads, want 2", reads)
	}
}

func exclusiveRequests(p *adapterProbe) {
	const n = 12
	key := session.NewKey[int]("n")
	var inside, overlaps atomic.Int32
	s := p.open(Route{"POST", "/count", func(c Call) error {
		s, err := get(c, session.Exclusive.MaxWait(patience))
		if err != nil {
			return err
		}
		if inside.Add(1) > 1 {
			overlaps.Add(1)
		}
		seen := key.Get(s)
		time.Sleep(2 * time.Millisecond)
		inside.Add(-1)
		if err := key.Set(s, seen+1); err != nil {
			return err
		}
		return done(c)
	}}, total(key))
	v := s.known()
	p.parallel(n, func(int) {
		mine := *v
		mine.do("POST", "/count").want(http.StatusOK, "done").wantSameToken()
	})
	if overlaps.Load() > 0 {
		p.errorf("%d requests ran while another had the session", overlaps.Load())
	}
	v.get("/total").want(http.StatusOK, strconv.Itoa(n))
}

func exclusiveRefused(p *adapterProbe) {
	running, finish := make(chan struct{}), make(chan struct{})
	s := p.open(Route{"POST", "/hold", func(c Call) error {
		if _, err := get(c, session.Exclusive); err != nil {
			return err
		}
		close(running)
		<-finish
		return done(c)
	}}, Route{"GET", "/try", func(c Call) error {
		_, err := c.Session(session.Exclusive.MaxWait(0))
		locked, ok := errors.AsType[*session.LockedError](err)
		if !ok {
			p.errorf("a session that another request has: got error %v, want a *session.LockedError", err)
			return done(c)
		}
		if h := locked.Holder; h.Method != "POST" || h.Path != "/hold" {
			p.errorf("the session is held by POST /hold?secret=1, and Holder is %q %q", h.Method, h.Path)
		}
		return &StatusError{session.StatusCode(err), "no session"}
	}})
	v := s.known()
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(finish)
	wg.Go(func() {
		defer p.caught()
		mine := *v
		mine.do("POST", "/hold?secret=1").want(http.StatusOK, "done")
	})
	p.await("the request that holds the session", running)
	if a := v.get("/try"); a.status != http.StatusServiceUnavailable {
		p.fatalf("GET /try: status is %d, want 503", a.status)
	}
}
