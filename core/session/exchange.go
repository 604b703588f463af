package session

import (
	"context"
	"errors"
	"sync"
	"time"
)

// RequestHeader is the header of a request, such as http.Header.
type RequestHeader interface {
	// Values returns the values of a field by its canonical name.
	Values(name string) []string
}

// RequestLine is what a RequestHeader may have too: what others see of the request while it holds a session with
// Exclusive.
type RequestLine interface {
	// RequestLine returns the method, and the path without the query.
	RequestLine() (method, path string)
}

// ResponseHeader is the header of a response, such as http.Header.
type ResponseHeader interface {
	Get(name string) string
	Set(name, value string)
	Add(name, value string)
}

// Exchange is one request and its response, as the Manager sees them: the bridge between an adapter and the Manager.
// Applications do not need it. An adapter
//
//   - calls Begin before the handler runs, and gives the handler Context;
//   - calls Commit before the first byte of the response leaves, at the latest when the handler has returned, and
//     replaces the response by ErrorResponse if that fails;
//   - calls Abort instead when the handler panicked.
//
// A request that never asks for its session costs no I/O and sends no header.
type Exchange struct {
	m   *Manager
	ctx exchangeContext

	mu   sync.Mutex
	in   RequestHeader // dropped at the end: it may belong to a pooled request
	s    *Session
	err  error
	used bool
	over bool

	lockErr error // of the first try to lock the session that was not had
}

// Begin starts the exchange of a request. ctx is the request's context: when it has ended, the store is not read, and
// waiting for a lock ends; commits go on. in is read when the session is first asked for, and never after Commit or Abort.
func (m *Manager) Begin(ctx context.Context, in RequestHeader) *Exchange {
	x := new(Exchange)
	x.begin(ctx, m, in)
	return x
}

func (x *Exchange) begin(ctx context.Context, m *Manager, in RequestHeader) {
	x.m, x.in = m, in
	x.ctx = exchangeContext{ctx, x}
}

// Context returns the request's context with the exchange in it, for Get.
func (x *Exchange) Context() context.Context { return &x.ctx }

// exchangeContext is context.WithValue without its allocations: it answers for any Manager, and for this one.
type exchangeContext struct {
	context.Context
	x *Exchange
}

type exchangeKey struct{}

func (c *exchangeContext) Value(key any) any {
	if key == (exchangeKey{}) || key == any(c.x.m) {
		return c.x
	}
	return c.Context.Value(key)
}

// Get returns the session of the request that ctx belongs to. The first call reads the store, if the visitor has a
// session; every later one returns the same Session, or the same error. A visitor without a session gets a new one,
// which is stored with its first value.
//
// An error means that it is not known who the visitor is: ErrUnavailable when the store gave no answer (answer 503, see
// StatusCode), ErrCommitted when the response has started, ErrNoMiddleware, ErrClosed.
//
// With ReadOnly the session cannot be changed, unless somebody else in the same request asks for it without.
//
// With Exclusive it is this request's alone: Get waits for others that have it so. ErrLocked says that the wait was in
// vain (a *LockedError tells for whom), errors.ErrUnsupported that the store cannot lock. After ErrLocked every other try of
// the request fails too, but it can still have the session in another mode. A request that has the session otherwise
// already gets it locked and read anew: what it has seen before may have changed. Asking again for a session that is
// locked already costs nothing.
func Get(ctx context.Context, mode ...Mode) (*Session, error) {
	x, _ := ctx.Value(exchangeKey{}).(*Exchange)
	if x == nil {
		return nil, &Error{"get", ErrNoMiddleware}
	}
	return x.Get(mode...)
}

// Get is the function Get for applications in which several Managers have a middleware on the same route: it returns
// this one's session.
func (m *Manager) Get(ctx context.Context, mode ...Mode) (*Session, error) {
	x, _ := ctx.Value(m).(*Exchange)
	if x == nil {
		return nil, &Error{"get", ErrNoMiddleware}
	}
	return x.Get(mode...)
}

// Get returns the session of the exchange; see the function Get.
func (x *Exchange) Get(mode ...Mode) (*Session, error) {
	wanted := Optimistic
	if len(mode) > 0 {
		wanted = mode[len(mode)-1]
	}
	if wanted.kind() == Exclusive && x.m.o.Lock.Disabled {
		wanted = Optimistic
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if wanted.kind() == Exclusive && x.s != nil && x.s.unlocked() {
		wanted = Optimistic
	}
	switch {
	case x.err != nil:
		return nil, x.err
	case x.s == nil && x.over:
		return nil, &Error{"get", ErrCommitted}
	case x.s == nil && wanted.kind() == Exclusive && x.lockErr != nil:
		return nil, x.lockErr
	case x.s == nil:
		x.used = true
		x.load(wanted)
		if answered(x.err, ErrLocked) { // the session can still be had in another mode
			x.lockErr, x.err = x.err, nil
			return nil, x.lockErr
		}
		return x.s, x.err
	case wanted.kind() == Exclusive:
		if x.lockErr == nil {
			x.lockErr = wrap("lock", x.s.upgrade(wanted, x.holder()))
		}
		if x.lockErr != nil {
			return nil, x.lockErr
		}
	case wanted.kind() == Optimistic && x.s.Mode() == ReadOnly:
		if err := x.s.refresh(); err != nil {
			return nil, wrap("read", err)
		}
		x.s.setMode(Optimistic)
	}
	return x.s, nil
}

func (x *Exchange) load(mode Mode) {
	s := &Session{m: x.m, ctx: x.ctx.Context, mode: mode.kind()}
	defer s.reading.release()
	defer func() {
		if x.s == nil {
			s.drop() // the Observer panicked: nobody else knows of this lock
		}
	}()
	if x.m.o.Bots.Classifier != nil {
		var done bool
		if mode, done, x.err = x.admit(s, mode); done {
			if x.err = wrap("get", x.err); x.err == nil {
				x.s = s
			}
			return
		}
	}
	if x.err = x.find(s, mode); x.err == nil {
		if x.m.o.Bots.Classifier != nil {
			x.judge(s)
		}
		x.s = s
	}
}

// Commit stores what the request changed, seals the session, and writes the headers that follow from it: the token if it is new, the
// deletion of a dead one, Vary and Cache-Control. It does so once; later calls return the same error. After an error
// the response must be ErrorResponse, and nothing of the handler's.
func (x *Exchange) Commit(out ResponseHeader) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		if x.s == nil {
			return nil // the handler has seen the error of the load
		}
		return x.err
	}
	x.over, x.in = true, nil
	var result outcome
	if x.s != nil {
		x.err = errUnfinished // unless it returns
		x.s.mu.Lock()
		defer x.s.mu.Unlock()
		result, x.err = x.s.commit()
	}
	if x.used {
		x.m.carrier.answer(out, result)
	}
	if x.s == nil {
		return nil
	}
	return x.err
}

// errUnfinished is the outcome of a commit that panicked.
var errUnfinished = &Error{"commit", errors.New("the commit panicked")}

// Abort ends the exchange without storing anything: the handler panicked, and half of its changes are worse than none.
func (x *Exchange) Abort() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over {
		return
	}
	x.over, x.in = true, nil
	if x.s != nil {
		x.s.mu.Lock()
		defer x.s.mu.Unlock()
		x.s.seal()
		x.s.drop()
	}
}

// find finds the session of a request's tokens. It tries each that is well-formed until the store knows one.
func (x *Exchange) find(s *Session, mode Mode) error {
	s.named = s.m.carrier.named(s.oneNamed[:0], x.in)
	if x.m.o.Binding.on() {
		s.origin = x.m.o.Binding.of(x.in).note()
	}
	for range s.named.malformed {
		s.observe(Event{Kind: EventMalformed})
	}
	for range s.named.forged {
		s.observe(Event{Kind: EventForged})
	}
	for _, id := range s.named.ids {
		id, rec, err := x.fetch(s, id, mode)
		if err == nil && rec.Successor.IsZero() {
			if !time.Now().Before(rec.Deadline()) {
				s.observe(Event{Kind: EventExpired, id: id})
				s.drop()
				continue
			}
			if !s.copied {
				s.old, err = s.m.envelope.open(id, s.named.secret(id), &rec)
			}
			over := false
			if err == nil {
				over, err = s.m.outdated(s.ctx, &rec)
			}
			if over {
				s.observe(Event{Kind: EventExpired, id: id})
			}
			if over || err == nil && x.m.o.Binding.on() && !x.bound(s, id, rec) {
				s.drop()
				continue
			}
			if err == nil {
				s.observe(Event{Kind: EventLoaded, id: id})
				s.id, s.rec = id, rec
				return nil
			}
		}
		s.drop()
		switch {
		case err == nil || answered(err, ErrNotFound):
			s.observe(Event{Kind: EventUnknown, id: id})
		case answered(err, ErrCorrupt) && !s.m.o.RejectCorrupt:
			s.observe(Event{Kind: EventUndecodable, Err: err, id: id})
		case answered(err, ErrLocked):
			return wrap("lock", err)
		default:
			op := "read"
			if mode.kind() == Exclusive {
				op = "lock"
			}
			if !errors.Is(err, context.Canceled) { // a visitor who hung up is no failure
				s.observe(Event{Kind: EventFailed, Op: op, Err: err, id: id})
			}
			return wrap(op, err)
		}
	}
	return nil
}

// fetch reads a session, and locks it if it is to be exclusive. What it returns may have another id, if that is an alias.
func (x *Exchange) fetch(s *Session, id ID, mode Mode) (_ ID, rec Record, err error) {
	if mode.kind() != Exclusive {
		if s.reading.end.IsZero() { // one budget for all tokens of the request
			s.reading.start(s.ctx, s.m, s.m.o.ReadTimeout, false)
		}
		return s.look(&s.reading, id, mode)
	}
	limits := s.m.o.Lock.limits(mode)
	id, rec, s.hold, err = s.seizeThrough(id, x.holder(), limits)
	if limits.orReadOnly && errors.Is(err, errWaited) {
		s.mode, s.waited = ReadOnly, true
		ctx := s.reading.start(s.ctx, s.m, s.m.o.ReadTimeout, false)
		defer ctx.release()
		return s.m.readThrough(ctx, id)
	}
	return id, rec, err
}

// look reads a session without its lock.
func (s *Session) look(ctx context.Context, id ID, mode Mode) (_ ID, rec Record, err error) {
	if mode.kind() == ReadOnly {
		if rec, old, ok := s.m.readReplica(ctx, id, s.named.secret(id)); ok {
			s.old, s.copied = old, true // and opened
			return id, rec, nil
		}
		s.copied = false
	}
	return s.m.readThrough(ctx, id)
}
