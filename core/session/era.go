package session

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"
)

// An era ends when all sessions are ended at once. Each session has the number of the one that it was created in, if that is
// not zero, and ends with it. So no clocks are compared, and a node that has not heard of the new era yet makes sessions of
// the old one.
type eras struct {
	mu     sync.Mutex // held while the era is read
	number uint64
	at     time.Time // when the last read of it began; zero if it was never read
	asking bool
	known  sync.Mutex // guards the three above; mu may be held for long
}

const (
	noteEra = "\x00era" // an uvarint; without it, 0

	// eraLasts is for how long the number is kept; it is written anew with each end.
	eraLasts = 10 * 365 * 24 * time.Hour
	leastEra = 100 * time.Millisecond
)

func (o *Options) checkEra() error {
	if o.EraInterval != 0 && o.EraInterval < leastEra {
		return fmt.Errorf("EraInterval: %v must be at least %v, or zero", o.EraInterval, leastEra)
	}
	return nil
}

// eraID is where the number is kept: the hash of no token.
func eraID() (id ID) {
	copy(id[:], "nonstick: era of all the sessions")
	return id
}

// EndEverything ends all sessions of all visitors, on all nodes (ASVS 7.4.5): after a break-in, say. When it returns no node
// serves a session that was created before it was called, logins that are on their way are refused as with EndAllSessions, and
// what remembers users (package core/remember) has ended too. That takes Options.EraInterval, which every node must have set;
// without it EndEverything is errors.ErrUnsupported. Other errors are those of the store; then the sessions may live on.
//
// What is stored of the sessions stays until it expires.
func (m *Manager) EndEverything(ctx context.Context) error {
	if m.o.EraInterval <= 0 {
		return &Error{"end", fmt.Errorf("%w: Options.EraInterval is not set", errors.ErrUnsupported)}
	}
	call, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.o.CommitTimeout)
	defer cancel()
	if err := m.nextEra(call); err != nil {
		m.observe(ctx, Event{Kind: EventFailed, Op: "end", Err: withoutRecord(err)})
		return wrap("end", err)
	}
	if !sleep(ctx, m.o.EraInterval) { // no node believes what it knows for longer
		return &Error{"end", fmt.Errorf("all sessions end, but not at once: %w", ctx.Err())}
	}
	return nil
}

func (m *Manager) nextEra(ctx context.Context) error {
	for {
		number, version, err := m.readEra(ctx)
		if err != nil {
			return err
		}
		rec := Record{Created: now(), Seen: now(), TTL: eraLasts, Payload: appendFrame(nil, noteEra, binary.AppendUvarint(nil, number+1))}
		rec.Version = m.versions.next(rec.Seen, version)
		if _, err = m.write(ctx, eraID(), nil, rec, version); err == nil {
			m.eras.learn(number+1, time.Time{})
			return nil
		}
		if !answered(err, ErrConflict) && !answered(err, ErrExists) && !answered(err, ErrNotFound) || ctx.Err() != nil {
			return err
		}
	}
}

func (m *Manager) readEra(ctx context.Context) (number uint64, version Version, err error) {
	begin := time.Now()
	rec, err := m.read(ctx, eraID())
	if err != nil && !answered(err, ErrNotFound) {
		return 0, version, err
	}
	if err == nil {
		if _, err := m.envelope.open(eraID(), nil, &rec); err != nil {
			return 0, version, err
		}
		if number = eraOf(&rec); number == 0 {
			return 0, version, fmt.Errorf("%w: what is kept of EndEverything is corrupt", ErrUnavailable)
		}
	}
	return m.eras.learn(number, begin), rec.Version, nil
}

// learn notes a number that was read, and returns the greatest known one. It never goes back.
func (e *eras) learn(number uint64, at time.Time) uint64 {
	e.known.Lock()
	defer e.known.Unlock()
	e.number = max(e.number, number)
	if at.After(e.at) {
		e.at = at
	}
	return e.number
}

// Era tells the times before and after EndEverything apart, for what has to end with the sessions: note the number in what
// begins, and take it for ended when Era is greater. It is 0 without Options.EraInterval, and never older than that. Errors are
// those of the store.
func (m *Manager) Era(ctx context.Context) (uint64, error) {
	number, err := m.era(ctx)
	return number, wrap("era", err)
}

// epoch is the one that a subject's sessions are in: it ends with that of the index, and with the era.
func (m *Manager) epoch(ctx context.Context, x *subjectIndex) (Epoch, error) {
	era, err := m.era(ctx)
	epoch := x.now()
	binary.BigEndian.PutUint64(epoch[8:], binary.BigEndian.Uint64(epoch[8:])^era) // two ends differ in the first half
	return epoch, err
}

// current returns the number as far as it is known, and its age.
func (e *eras) current() (number uint64, age time.Duration, known bool) {
	e.known.Lock()
	defer e.known.Unlock()
	return e.number, time.Since(e.at), !e.at.IsZero()
}

// era returns the number of the era, which was read within EraInterval. Requests wait for it only when none came for that long;
// before that it is read in the background.
func (m *Manager) era(ctx context.Context) (uint64, error) {
	interval := m.o.EraInterval
	if interval <= 0 {
		return 0, nil
	}
	number, age, known := m.eras.current()
	if known && age < interval/2 {
		return number, nil
	}
	if known && age < interval {
		m.eras.known.Lock()
		asked := m.eras.asking
		m.eras.asking = true
		m.eras.known.Unlock()
		if !asked {
			m.later(func(ctx context.Context) error {
				defer func() {
					m.eras.known.Lock()
					m.eras.asking = false
					m.eras.known.Unlock()
				}()
				_, _, err := m.readEra(ctx)
				return err
			})
		}
		return number, nil
	}
	m.eras.mu.Lock()
	defer m.eras.mu.Unlock()
	if number, age, known = m.eras.current(); known && age < interval {
		return number, nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.o.ReadTimeout)
	defer cancel()
	number, _, err := m.readEra(ctx)
	return number, err
}

// outdated reports whether a session is of an era that has ended.
func (m *Manager) outdated(ctx context.Context, rec *Record) (bool, error) {
	era, err := m.era(ctx)
	return err == nil && eraOf(rec) < era, err
}

func eraOf(rec *Record) uint64 {
	note, _ := find(rec.Payload, noteEra)
	number, _ := binary.Uvarint(note)
	return number
}

// noteEra notes the era that a new session is created in.
func (s *Session) noteEra(ctx context.Context) error {
	number, err := s.m.era(ctx)
	if err == nil && number > 0 {
		s.note(noteEra, binary.AppendUvarint(nil, number))
	}
	return err
}
