package memstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// Options bounds what a Store takes. The zero value bounds nothing, nor does a number below 1.
type Options struct {
	// MaxBytes is the largest payload of one session, in bytes. A larger one is ErrTooLarge.
	MaxBytes int
	// MaxSessions is how many sessions may be stored at once. When there are that many, and none of them is expired,
	// a new one is refused with ErrUnavailable; nobody who is there loses a session to a newcomer.
	MaxSessions int
}

// Store is a session.Handler, session.Toucher, session.Locker, session.Pinger and io.Closer. It is safe for concurrent use.
type Store struct {
	opts   Options
	count  atomic.Int64 // of stored sessions, expired ones included
	closed atomic.Bool
	shards [64]shard
}

// New makes an empty Store. opts may be nil.
func New(opts *Options) *Store {
	s := &Store{}
	if opts != nil {
		s.opts = *opts
	}
	for i := range s.shards {
		s.shards[i].entries = make(map[session.ID]*entry)
	}
	return s
}

// Read implements session.Handler. It costs one allocation, the copy of the payload.
func (s *Store) Read(ctx context.Context, id session.ID) (session.Record, error) {
	sh, err := s.lock(ctx, id)
	if err != nil {
		return session.Record{}, err
	}
	e := sh.alive(id, time.Now())
	if e == nil {
		sh.Unlock()
		return session.Record{}, session.ErrNotFound
	}
	rec := e.rec
	sh.Unlock()
	return owned(rec), nil
}

// Write implements session.Handler.
func (s *Store) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	if prev.IsZero() && s.opts.MaxSessions > 0 && s.count.Load() >= int64(s.opts.MaxSessions) {
		if _, err := s.GC(ctx, len(s.shards)); err != nil {
			return err
		}
	}
	rec = owned(inMillis(rec))
	sh, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	err = s.write(sh, id, rec, prev)
	sh.Unlock()
	return ownedConflict(err)
}

// write applies the rules of session.Handler's Write to id, whose shard is locked.
func (s *Store) write(sh *shard, id session.ID, rec session.Record, prev session.Version) error {
	now := time.Now()
	stored := sh.alive(id, now)
	switch {
	case stored != nil && stored.rec.Version == rec.Version:
		return nil // applied before; the reply was lost
	case s.opts.MaxBytes > 0 && len(rec.Payload) > s.opts.MaxBytes:
		return fmt.Errorf("%w: %d bytes, the memory store takes %d", session.ErrTooLarge, len(rec.Payload), s.opts.MaxBytes)
	case !now.Before(rec.Deadline()):
		return session.ErrNotFound
	case stored == nil && !prev.IsZero():
		return session.ErrNotFound
	case stored == nil:
		return s.create(sh, id, rec)
	case prev.IsZero():
		return &session.ConflictError{Err: session.ErrExists, Newest: stored.rec}
	case stored.rec.Version != prev:
		return &session.ConflictError{Err: session.ErrConflict, Newest: stored.rec}
	}
	sh.update(stored, rec)
	return nil
}

// create stores the first record under id, whose shard is locked.
func (s *Store) create(sh *shard, id session.ID, rec session.Record) error {
	if expired := sh.entries[id]; expired != nil {
		expired.lock.end()
		expired.lock = nil
		sh.update(expired, rec)
		return nil
	}
	if n := s.count.Add(1); s.opts.MaxSessions > 0 && n > int64(s.opts.MaxSessions) {
		s.count.Add(-1)
		return fmt.Errorf("%w: the memory store holds %d sessions already", session.ErrUnavailable, s.opts.MaxSessions)
	}
	sh.add(id, rec)
	return nil
}

// Touch implements session.Toucher.
func (s *Store) Touch(ctx context.Context, id session.ID, rec session.Record) error {
	sh, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	defer sh.Unlock()
	e := sh.alive(id, time.Now())
	if e == nil {
		return session.ErrNotFound
	}
	if seen := inMillis(rec).Seen; e.rec.Version == rec.Version && seen.After(e.rec.Seen) {
		touched := e.rec
		touched.Seen = seen
		sh.update(e, touched)
	}
	return nil
}

// Destroy implements session.Handler.
func (s *Store) Destroy(ctx context.Context, id session.ID) error {
	sh, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	defer sh.Unlock()
	if e := sh.entries[id]; e != nil {
		sh.remove(e)
		s.count.Add(-1)
	}
	return nil
}

// DestroyVersion is Destroy for a session that still has a certain version. If it has another one, the error is a
// session.ConflictError, and if it is not there, session.ErrNotFound.
func (s *Store) DestroyVersion(ctx context.Context, id session.ID, version session.Version) error {
	sh, err := s.lock(ctx, id)
	if err != nil {
		return err
	}
	e := sh.alive(id, time.Now())
	switch {
	case e == nil:
		err = session.ErrNotFound
	case e.rec.Version != version:
		err = &session.ConflictError{Err: session.ErrConflict, Newest: e.rec}
	default:
		sh.remove(e)
		s.count.Add(-1)
	}
	sh.Unlock()
	return ownedConflict(err)
}

// GC implements session.Handler. When nothing is expired it costs one comparison for each of the 64 parts. Beyond
// that it looks at the sessions that are expired, and once at each session that was kept alive since it was last looked
// at, at the cost of one heap operation each; no part is locked for more than 64 of them at a time.
func (s *Store) GC(ctx context.Context, limit int) (removed int, err error) {
	start := rand.IntN(len(s.shards)) // so that a small limit serves every part in the long run
	for i := range s.shards {
		sh := &s.shards[(start+i)%len(s.shards)]
		for more := true; more; {
			if err := s.acquire(ctx, sh); err != nil {
				return removed, err
			}
			var n int
			n, more = sh.sweep(time.Now(), limit-removed)
			sh.Unlock()
			s.count.Add(int64(-n))
			removed += n
		}
		if removed >= limit {
			break
		}
	}
	return removed, nil
}

// List implements session.Lister.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		for i := range s.shards {
			sh := &s.shards[i]
			if err := s.acquire(ctx, sh); err != nil {
				yield(session.ID{}, err)
				return
			}
			ids := slices.Collect(maps.Keys(sh.entries))
			sh.Unlock()
			for _, id := range ids {
				if !yield(id, nil) {
					return
				}
			}
		}
	}
}

// Ping implements session.Pinger.
func (s *Store) Ping(ctx context.Context) error {
	sh := &s.shards[0]
	if err := s.acquire(ctx, sh); err != nil {
		return err
	}
	sh.Unlock()
	return nil
}

// Close forgets all sessions. It waits for the calls that are running; later ones return session.ErrClosed.
func (s *Store) Close() error {
	s.closed.Store(true)
	for i := range s.shards {
		sh := &s.shards[i]
		sh.Lock()
		sh.entries, sh.queue = nil, nil
		sh.Unlock()
	}
	return nil
}

func (s *Store) lock(ctx context.Context, id session.ID) (*shard, error) {
	sh := &s.shards[int(id[0])%len(s.shards)] // an ID is a hash
	return sh, s.acquire(ctx, sh)
}

// acquire locks sh, or returns why the call may not go on.
func (s *Store) acquire(ctx context.Context, sh *shard) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
	}
	sh.Lock()
	if s.closed.Load() { // under the lock: nothing is stored after Close has cleared the shard
		sh.Unlock()
		return session.ErrClosed
	}
	return nil
}

// owned returns rec with a payload of its own.
func owned(rec session.Record) session.Record {
	rec.Payload = slices.Clone(rec.Payload)
	return rec
}

// ownedConflict gives the record that comes with a conflict a payload of its own.
func ownedConflict(err error) error {
	if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
		conflict.Newest = owned(conflict.Newest)
	}
	return err
}

// inMillis returns rec with the resolution that every store has.
func inMillis(rec session.Record) session.Record {
	rec.Created = rec.Created.Truncate(time.Millisecond)
	rec.Seen = rec.Seen.Truncate(time.Millisecond)
	rec.Expires = rec.Expires.Truncate(time.Millisecond)
	rec.TTL = rec.TTL.Truncate(time.Millisecond)
	return rec
}
