package fallback

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Options are the settings of a Store. The zero value is ready to use.
type Options struct {
	// Logger gets a line when a store goes away or comes back, and when the nodes stop or begin to believe the fast one.
	// Default: slog.Default.
	Logger *slog.Logger
}

// Store is a session.Handler, session.Toucher, session.Locker, session.Pinger and io.Closer. It is safe for concurrent use.
type Store struct {
	*engine
	stop context.CancelFunc
	done chan struct{}
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
	logger := o.Logger
	report := func(ev event) { ev.log(cmp.Or(logger, slog.Default())) }
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{engine: newEngine(fast, durable, wallClock{}, rand.Reader, report), stop: stop, done: make(chan struct{})}
	go s.run(ctx)
	return s, nil
}

// wallClock is the clock of this machine: differences between its readings are those of a clock that nobody sets.
type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

// run calls tick until ctx ends.
func (s *Store) run(ctx context.Context) {
	defer close(s.done)
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

// Close ends the Store's goroutine and closes both stores, if they are io.Closers. Every call after it is
// session.ErrClosed. Closing twice does no harm.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	s.stop()
	<-s.done
	var errs []error
	for _, h := range []session.Handler{s.fast, s.durable} {
		if c, ok := h.(io.Closer); ok {
			errs = append(errs, c.Close())
		}
	}
	return errors.Join(errs...)
}

// GC removes expired sessions of the durable store, and tells how many; and copies of the fast one.
func (s *Store) GC(ctx context.Context, limit int) (removed int, err error) {
	if s.fastHealth.up() {
		_ = s.onFast(ctx, func() error { _, err := s.fast.GC(ctx, limit); return err })
	}
	err = s.onDurable(ctx, func() (err error) { removed, err = s.durable.GC(ctx, limit); return err })
	return removed, err
}

// Ping returns nil if the durable store takes sessions. Without the fast one they are served too.
func (s *Store) Ping(ctx context.Context) error {
	return s.onDurable(ctx, func() error {
		if p, ok := s.durable.(session.Pinger); ok {
			if err := p.Ping(ctx); !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
		}
		_, err := s.look(ctx)
		return err
	})
}

// Status is what a node knows of the stores.
type Status struct {
	// FastUp and DurableUp tell which stores are asked. One that has failed three calls in a row is not, until probes have
	// worked.
	FastUp, DurableUp bool
	// Believed tells that sessions are read from the fast store.
	Believed bool
	// Past is how many nodes store sessions without the fast store, as far as this node has heard.
	Past int
}

// Status returns what this node knows now. It makes no call.
func (s *Store) Status() Status {
	v := s.current()
	up := s.fastHealth.up()
	return Status{up, s.durableHealth.up(), up && v.reliable(s.clock.Now()), len(v.Past)}
}
