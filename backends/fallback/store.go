package fallback

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Options are the settings of a Store. The zero value is ready to use.
type Options struct {
	// Mode is which store has the sessions while all is well. Default: Mirrored. All nodes must have the same.
	Mode Mode
	// Logger gets a line when a store goes away or comes back, and when the nodes stop or begin to believe the fast one.
	// Default: slog.Default.
	Logger *slog.Logger
	// Local is where this node keeps what it changes while the durable store is away, until that is back: usually a
	// filestore in a folder of the node's own, on a disk that outlives the process. Without one such changes are refused.
	// The Store takes it over.
	Local Local
	// Observe hears of changes of state, one call after the other. A Store that is being closed waits for it.
	Observe func(Event)
	// RequireShared refuses changes of which this node alone would know, because neither of the other stores answers. With
	// it, a node that is lost for ever takes nothing with it unless the fast store is lost too.
	RequireShared bool
	// ServeUnverified lets Standby serve sessions of the fast store while the durable one cannot tell whether they have
	// ended: when the fast one has restarted meanwhile, or this node has. Default: they are unavailable.
	ServeUnverified bool
}

// Mode is which store has the sessions while all is well.
type Mode uint8

// The modes.
const (
	// Mirrored keeps every session in the durable store, and reads it from the fast one.
	Mirrored Mode = iota
	// Standby keeps sessions in the fast store alone. The durable one is told of the ends of sessions, and takes the place of the
	// fast one for nodes that do not reach it, with what they have seen in the last five minutes. It must be a
	// session.Lister, and there is no local store.
	Standby
)

// Store is a session.Handler, session.Toucher, session.Locker, session.Pinger and io.Closer. It is safe for concurrent use.
type Store struct {
	protocol
	engine *engine
	stop   context.CancelFunc
	loops  sync.WaitGroup
	events chan Event
}

// New returns a Store that keeps sessions in durable and reads them from fast, and takes both over: Close closes them. Nil
// opts mean the zero value. It makes no call yet, so a program starts while either is away.
//
// All nodes of an application must have the same two stores. Nobody else may write sessions to either: what is in them
// already is served from durable, and ignored in fast.
//
// A call waits for fast before it asks durable, so the timeouts of fast should leave it the time: the defaults of the
// Redis backends do.
func New(fast, durable session.Handler, opts *Options) (*Store, error) {
	if fast == nil || durable == nil {
		return nil, errors.New("fallback: it takes two stores, and one is nil")
	}
	var o Options
	if opts != nil {
		o = *opts
	}
	s := &Store{events: make(chan Event, eventsMost)}
	s.engine = newEngine(fast, durable, o.Local, wallClock{}, rand.Reader, s.report)
	s.engine.requireShared = o.RequireShared
	s.protocol = s.engine
	if o.Mode == Standby {
		box, ok := durable.(listed)
		if !ok || o.Local != nil || o.RequireShared {
			return nil, errors.New("fallback: Standby takes a durable store that can list its sessions, like mysqlstore, and neither Local nor RequireShared")
		}
		s.protocol = newStandby(s.engine, box, o.ServeUnverified)
	}
	ctx, stop := context.WithCancel(context.Background())
	if s.engine.journal != nil {
		if err := s.engine.journal.load(ctx); err != nil {
			stop()
			return nil, fmt.Errorf("fallback: the local store cannot be listed: %w", err)
		}
	}
	s.stop = stop
	s.loops.Go(func() { s.tellEvents(ctx, cmp.Or(o.Logger, slog.Default()), o.Observe) })
	s.loops.Go(func() { s.run(ctx) })
	s.loops.Go(func() { s.carryBack(ctx) })
	return s, nil
}

// wallClock is the clock of this machine: differences between its readings are those of a clock that nobody sets.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// run calls tick until ctx ends.
func (s *Store) run(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		limited, cancel := context.WithTimeout(ctx, trust/2)
		s.tick(limited)
		cancel()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

const (
	// carriers is how many sessions are carried back at a time.
	carriers = 8
	// reload is how often the local store is looked through for branches that this process has not written: another one
	// may have the same folder for a moment, when a program is replaced.
	reload = 10 * time.Second
)

// carryBack tells the durable store what has become of sessions without it.
func (s *Store) carryBack(ctx context.Context) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for loaded := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if j := s.engine.journal; j != nil && time.Since(loaded) > reload {
			_ = j.load(ctx) // else the next time
			loaded = time.Now()
		}
		s.drain(ctx, carriers)
	}
}

// stores are all that the Store has taken over.
func (s *Store) stores() []session.Handler {
	e := s.engine
	if e.journal == nil {
		return []session.Handler{e.fast, e.durable}
	}
	return []session.Handler{e.fast, e.durable, e.journal.local}
}

// Close ends the Store's goroutines and closes its stores, if they are io.Closers. Every call after it is
// session.ErrClosed. Closing twice does no harm.
func (s *Store) Close() error {
	if s.engine.closed.Swap(true) {
		return nil
	}
	s.stop()
	s.loops.Wait()
	var errs []error
	for _, h := range s.stores() {
		if c, ok := h.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// GC removes expired sessions of the store that has the sessions, and tells how many; and what has expired in the others.
func (s *Store) GC(ctx context.Context, limit int) (removed int, err error) {
	e := s.engine
	health, _ := s.main()
	if e.journal != nil {
		_, _ = e.journal.local.GC(ctx, limit)
	}
	var ofFast int
	errFast := e.onFast(ctx, func() (err error) { ofFast, err = e.fast.GC(ctx, limit); return err })
	err = e.onDurable(ctx, func() (err error) { removed, err = e.durable.GC(ctx, limit); return err })
	if health == &e.fastHealth {
		return ofFast, errFast
	}
	return removed, err
}

// Ping returns nil if the store that has the sessions takes them, or in Standby the durable one in its place.
func (s *Store) Ping(ctx context.Context) error {
	health, main := s.main()
	return s.engine.guarded(ctx, health, func() error {
		if p, ok := main.(session.Pinger); ok {
			if err := p.Ping(ctx); !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
		}
		_, err := main.Read(ctx, stateID())
		return unless(err, session.ErrNotFound)
	})
}

// Status is what a node knows of the stores.
type Status struct {
	// Serves tells that sessions are served and changed, be it without one store or another.
	Serves bool `json:"serves"`
	// FastUp and DurableUp tell which stores are asked. One that has failed three calls in a row is not, until probes have
	// worked.
	FastUp    bool `json:"fast_up"`
	DurableUp bool `json:"durable_up"`
	// Believed tells that sessions are read from the fast store.
	Believed bool `json:"believed"`
	// Past is how many nodes store sessions without the fast store, as far as this node has heard.
	Past int `json:"past"`
	// Open is how many sessions this node has changed without the durable store, in Standby without the fast one, and not
	// yet carried back.
	Open int `json:"open"`
	// Lag is for how long the first of them has waited; of what was there when the program began, since its last change. Zero if
	// Open is. JSON has nanoseconds.
	Lag time.Duration `json:"lag_ns"`
	// Conflicts is how often this node has met two nodes' changes of one session, neither of which knew of the other, since the
	// program began. They were merged key by key. Of one key that both had changed, one change is a dead letter, or, if nobody had been
	// told of it yet, made again. A conflict that was met again because a store failed counts again.
	Conflicts int64 `json:"conflicts"`
	// DeadLetters is how many records have lost something to a merge since the program began. See Store.DeadLetters.
	DeadLetters int64 `json:"dead_letters"`
}

// Status returns what this node knows now. It makes no call.
func (s *Store) Status() Status {
	e := s.engine
	v := e.current()
	var lag time.Duration
	if since := s.oldest(); !since.IsZero() {
		lag = max(0, e.clock.Now().Sub(since))
	}
	return Status{
		Serves: !e.closed.Load() && s.serves(v),
		FastUp: e.fastHealth.up(), DurableUp: e.durableHealth.up(),
		Believed: s.believed(v), Past: len(v.Past),
		Open: s.opened(), Lag: lag, Conflicts: e.conflicts.Load(), DeadLetters: e.letters.Load(),
	}
}

// DeadLetters yields the records that have lost something to a merge, as the local store has them, in Standby the durable one:
// for a week. A payload has what was lost among what was not. It is opened if the Store has an Envelope (see
// session.Merger) that can.
func (s *Store) DeadLetters(ctx context.Context) iter.Seq2[session.Record, error] {
	return letters(ctx, s.engine.letterbox, s.engine.open)
}
