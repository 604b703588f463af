package sessiontest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	caseLimit = 60 * time.Second // for one case, on a slow machine
	prompt    = 2 * time.Second  // what "promptly" allows on a busy machine
	life      = time.Hour        // of a session that is not meant to expire
	grace     = 30 * time.Millisecond
)

// probe is what a case works with. Its methods are safe for concurrent use.
type probe struct {
	*suite
	ctx context.Context

	mu    sync.Mutex
	text  []string
	close []io.Closer
	tick  uint64
	slow  time.Duration // the longest call that set a deadline which the case waits for
}

// run runs one case in a goroutine of its own and returns what it found wrong.
func (s *suite) run(ctx context.Context, c backendCase) []string {
	ctx, cancel := context.WithTimeout(ctx, caseLimit)
	defer cancel()
	p := &probe{suite: s, ctx: ctx, tick: uint64(time.Now().UnixMilli()) << 16}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer p.closeAll()
		defer p.caught()
		c.run(p)
	}()
	select {
	case <-done:
	case <-time.After(caseLimit + prompt):
		p.errorf("the case did not end: a call ignores its context")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.text)
}

// open opens the backend for the time of the case.
func (p *probe) open() session.Handler {
	h, err := p.Open(p.ctx)
	return p.opened(h, err)
}

func (p *probe) opened(h session.Handler, err error) session.Handler {
	if err != nil {
		p.fatalf("open: %v", err)
	}
	if c, ok := h.(io.Closer); ok {
		p.mu.Lock()
		p.close = append(p.close, c)
		p.mu.Unlock()
	}
	return h
}

// nodes opens the backend twice on the same store.
func (p *probe) nodes() [2]session.Handler {
	first := p.open()
	if p.Local {
		return [2]session.Handler{first, first}
	}
	return [2]session.Handler{first, p.open()}
}

func (p *probe) closeAll() {
	for _, c := range p.close {
		_ = c.Close() // closeCases look at the error
	}
}

func (p *probe) errorf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.text) < 5 { // of many goroutines with the same trouble
		p.text = append(p.text, fmt.Sprintf(format, args...))
	}
}

// fatalf ends the calling goroutine.
func (p *probe) fatalf(format string, args ...any) {
	p.errorf(format, args...)
	runtime.Goexit()
}

// caught turns a panic of the backend into a failure of the case.
func (p *probe) caught() {
	if v := recover(); v != nil {
		p.errorf("panic: %v\n%s", v, debug.Stack())
	}
}

// parallel runs do in n goroutines that start together, awaits them, and ends the case if one of them failed.
func (p *probe) parallel(n int, do func(i int)) {
	var wg, ready sync.WaitGroup
	ready.Add(n)
	for i := range n {
		wg.Go(func() {
			defer p.caught()
			ready.Done()
			ready.Wait()
			do(i)
		})
	}
	wg.Wait()
	p.mu.Lock()
	failed := len(p.text) > 0
	p.mu.Unlock()
	if failed {
		runtime.Goexit()
	}
}

// prompt runs a call that must not take long, and ends the case if it does.
func (p *probe) prompt(what string, call func() error) error {
	result := make(chan error, 1)
	go func() {
		defer p.caught()
		result <- call()
	}()
	select {
	case err := <-result:
		return err
	case <-time.After(prompt):
		p.fatalf("%s did not return %v after its context had ended", what, prompt)
		return nil
	}
}

// pause lets others in between two calls. It sleeps instead of yielding, so that time goes on in a synctest bubble.
func (p *probe) pause() { time.Sleep(time.Microsecond) }

// sleepUntil sleeps until t, and as long after it as a store may be late that counts a time to live from the arrival of
// a call.
func (p *probe) sleepUntil(t time.Time) {
	p.mu.Lock()
	t = t.Add(p.slow)
	p.mu.Unlock()
	time.Sleep(time.Until(t))
}

// id draws the id of a session that nobody has.
func (p *probe) id() (id session.ID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// version makes a version as core does: greater than all before it, and unique.
func (p *probe) version() (v session.Version) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tick++
	binary.BigEndian.PutUint64(v[:8], p.tick)
	_, _ = rand.Read(v[8:])
	return v
}

// record makes a record that is alive for a long time.
func (p *probe) record(payload string) session.Record {
	now := time.Now()
	return session.Record{Version: p.version(), Created: now, Seen: now, TTL: life, Payload: []byte(payload)}
}

// next makes the record that a change of rec writes.
func (p *probe) next(rec session.Record, payload string) session.Record {
	rec.Version, rec.Payload = p.version(), []byte(payload)
	return rec
}

// create stores rec under a new id.
func (p *probe) create(h session.Handler, rec session.Record) session.ID {
	id := p.id()
	p.ok("creating a session", h.Write(p.ctx, id, rec, session.Version{}))
	return id
}
