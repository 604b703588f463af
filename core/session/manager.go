package session

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"
)

// Manager gives the requests of a web application their sessions. Make one with New and add its middleware: Middleware
// for net/http, or that of an adapter package. It is safe for concurrent use.
type Manager struct {
	store    Handler
	locker   Locker        // the store, if it can lock
	replicas ReplicaReader // the store, if it has any
	o        Options
	codec    Codec
	plain    bool // the Codec is JSON
	envelope *Envelope
	carrier  carrier
	versions versions
	gates    gates
	turns    turns
	eras     eras
	logKey   []byte
	random   io.Reader
	alarms   sync.Pool // of budgets; the Manager's own, since timers and channels of a synctest bubble must stay in it

	mu     sync.RWMutex // held for reading during every store call, so that Close waits for them
	closed bool
	stop   context.CancelFunc
	done   chan struct{}
	tasks  sync.WaitGroup
}

// New returns a Manager that keeps its sessions in store, and takes the store over: Close closes it. The options are
// checked, and an error names the field that is wrong.
//
// A Manager runs one goroutine, which has the store remove expired sessions; Close ends it.
func New(store Handler, options Options) (*Manager, error) {
	if store == nil {
		return nil, &Error{"new", errors.New("the store is nil")}
	}
	o, err := options.withDefaults()
	if err != nil {
		return nil, &Error{"new", err}
	}
	if err := options.Lock.checkStore(store); err != nil {
		return nil, &Error{"new", err}
	}
	m := &Manager{store: store, o: o, codec: o.Codec, envelope: newEnvelope(&o), carrier: newCarrier(&o), logKey: slices.Clone(o.LogKey), random: rand.Reader}
	_, m.plain = o.Codec.(JSON)
	m.locker, _ = store.(Locker)
	m.replicas, _ = store.(ReplicaReader)
	var seed [40]byte
	if _, err := io.ReadFull(rand.Reader, seed[:]); err != nil {
		return nil, &Error{"new", err}
	}
	m.versions.node = binary.BigEndian.Uint64(seed[:])
	if len(m.logKey) == 0 {
		m.logKey = seed[8:]
	}
	ctx, stop := context.WithCancel(context.Background())
	if merger, ok := store.(Merger); ok {
		merger.UseEnvelope(m.envelope)
	}
	m.stop, m.done = stop, make(chan struct{})
	go m.collect(ctx)
	return m, nil
}

// Close ends the Manager's goroutine, waits for store calls in flight, and closes the store if it is an io.Closer.
// Later use of the Manager fails with ErrClosed. Closing twice is fine.
func (m *Manager) Close() error {
	m.stop()
	<-m.done
	m.mu.Lock()
	closed := m.closed
	m.closed = true
	m.mu.Unlock()
	if closed {
		return nil
	}
	m.tasks.Wait()
	if c, ok := m.store.(io.Closer); ok {
		return wrap("close", c.Close())
	}
	return nil
}

// Format writes a fixed text, so that a Manager's secrets cannot reach a log by accident.
func (m *Manager) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[session manager]") }

// Ping returns nil if the store would serve a session now, else ErrUnavailable with its cause; for readiness probes. It
// is bounded by ReadTimeout.
func (m *Manager) Ping(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, m.o.ReadTimeout)
	defer cancel()
	return wrap("ping", m.do(ctx, func() error {
		if p, ok := m.store.(Pinger); ok {
			if err := p.Ping(ctx); !errors.Is(err, errors.ErrUnsupported) {
				return err
			}
		}
		var id ID // not the hash of any token that can be found
		if _, err := m.store.Read(ctx, id); !answered(err, ErrNotFound) {
			return err
		}
		return nil
	}))
}

// ErrorResponse is the response for an error of this package; see Options.ErrorResponse and Fail.
func (m *Manager) ErrorResponse(err error) Response { return m.o.ErrorResponse(err) }

// collect runs GC until ctx ends.
func (m *Manager) collect(ctx context.Context) {
	defer close(m.done)
	if m.o.GCInterval < 0 {
		return
	}
	timer := time.NewTimer(jitter(m.o.GCInterval))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		for { // batches, so that no call is long
			var removed int
			err := m.do(ctx, func() (err error) {
				removed, err = m.store.GC(ctx, gcBatch)
				return err
			})
			if err != nil && ctx.Err() == nil {
				m.observe(ctx, Event{Kind: EventFailed, Op: "gc", Err: err})
			}
			if err != nil || removed < gcBatch || ctx.Err() != nil {
				break
			}
		}
		timer.Reset(jitter(m.o.GCInterval))
	}
}

const gcBatch = 1000

// jitter spreads the nodes of an application, which start together.
func jitter(d time.Duration) time.Duration {
	var b [2]byte
	_, _ = rand.Read(b[:])
	return d - d/10 + time.Duration(binary.BigEndian.Uint16(b[:]))*(d/5)/(1<<16)
}

func (m *Manager) observe(ctx context.Context, e Event) {
	e.logKey = m.logKey
	if e.Key != "" {
		e.Key = strings.Clone(e.Key) // it may alias a request's buffer
	}
	m.o.Observer.Observe(ctx, e)
}

// now is the application's clock in the resolution of a Record.
func now() time.Time { return time.UnixMilli(time.Now().UnixMilli()) }
