package session

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// outcome is what a commit asks the carrier to tell the visitor.
type outcome struct {
	token   string        // a new token, if not empty
	life    time.Duration // what is left of the session's absolute life; 0 if it has none
	deleted bool          // the token that the visitor has is worth nothing any more
}

// commit stores what the request made of the session and seals it.
func (s *Session) commit() (outcome, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.seal()
	var out outcome
	for _, id := range s.ended {
		if err := s.m.destroy(s.ctx, id); err != nil {
			s.observe(Event{Kind: EventFailed, Op: "destroy", Err: err, id: id})
			return outcome{}, wrap("destroy", err)
		}
		s.observe(Event{Kind: EventDestroyed, id: id})
		out.deleted = true
	}
	err := s.err
	if err == nil {
		s.writing.start(s.ctx, s.m.o.CommitTimeout, true)
		err = s.save(&s.writing, &out)
		s.writing.release()
	}
	if err == nil {
		return out, nil
	}
	if errors.Is(err, ErrNotFound) {
		s.observe(Event{Kind: EventRefused, Err: err, id: s.id})
	} else {
		s.observe(Event{Kind: EventFailed, Op: "commit", Err: err, id: s.id})
	}
	return outcome{}, wrap("commit", err)
}

// save takes the shortest path that stores the changes.
func (s *Session) save(ctx context.Context, out *outcome) error {
	switch {
	case s.id.IsZero():
		payload, changed := s.changes.splice(nil)
		if !changed {
			return nil // nothing to keep: no session for this visitor
		}
		return s.create(ctx, payload, out)
	case s.renew:
		return s.move(ctx, out)
	case len(s.changes) == 0:
		return s.touch(ctx)
	default:
		return s.merge(ctx)
	}
}

// create stores a new session.
func (s *Session) create(ctx context.Context, payload []byte, out *outcome) error {
	rec := Record{Created: now(), Payload: payload}
	if life := s.m.o.AbsoluteTimeout; life > 0 {
		rec.Expires = rec.Created.Add(life)
	}
	token, err := s.put(ctx, &rec)
	if err != nil {
		return err
	}
	out.token, out.life = token, s.m.life(&rec)
	s.observe(Event{Kind: EventCreated, id: s.id})
	return nil
}

// put stores rec under a new id, which the session has from then on.
func (s *Session) put(ctx context.Context, rec *Record) (token string, err error) {
	for range 3 { // an id that is taken means that the random source repeats itself: never share it (ASVS 7.2.3)
		if token, err = newToken(s.m.random); err != nil {
			return "", err
		}
		id, _ := parseToken(token)
		if err = s.m.stamp(rec); err != nil {
			return "", err
		}
		if _, err = s.m.write(ctx, id, *rec, Version{}); err == nil {
			s.id, s.rec, s.changes = id, *rec, nil
			return token, nil
		}
		if !errors.Is(err, ErrExists) {
			return "", err
		}
	}
	return "", err
}

// stamp makes rec the next version of itself, seen now.
func (m *Manager) stamp(rec *Record) error {
	rec.Seen = now()
	rec.TTL = m.o.IdleTimeout
	if rec.TTL < 0 {
		rec.TTL = rec.Expires.Sub(rec.Seen)
	}
	rec.Version = m.versions.next(rec.Seen, rec.Version)
	if size := len(rec.Payload) + RecordOverhead; size > m.o.MaxBytes {
		return fmt.Errorf("%w: %d bytes are more than MaxBytes, %d", ErrTooLarge, size, m.o.MaxBytes)
	}
	return nil
}

// life is how long a cookie for rec may live.
func (m *Manager) life(rec *Record) time.Duration {
	if rec.Expires.IsZero() {
		return maxCookieAge
	}
	return min(time.Until(rec.Expires), maxCookieAge)
}

// touch keeps a session alive that was only read, seldom enough to cost next to nothing.
func (s *Session) touch(ctx context.Context) error {
	rec := s.rec
	rec.Seen = now()
	if s.m.o.IdleTimeout < 0 || rec.Seen.Sub(s.rec.Seen) < s.m.o.TouchInterval {
		return nil
	}
	err := s.m.touch(ctx, s.id, rec)
	if err != nil && !errors.Is(err, ErrNotFound) { // ended meanwhile: this request changed nothing, so nothing is lost
		s.observe(Event{Kind: EventFailed, Op: "touch", Err: err, id: s.id})
	} else if err == nil {
		s.rec.Seen = rec.Seen
		s.observe(Event{Kind: EventTouched, id: s.id})
	}
	return nil // the visitor has his page; the next request will try again
}

// merge lays the changes over the newest record until the store takes the result.
func (s *Session) merge(ctx context.Context) error {
	turn, err := s.m.gates.enter(ctx, s.id)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	defer s.m.gates.leave(s.id, turn)
	base, kind := s.rec, EventSaved
	if v := turn.newest.Version; string(v[:]) > string(base.Version[:]) {
		kind = EventMerged
		if base, err = s.rebase(turn.newest); err != nil {
			return err
		}
	}
	for tries := 0; ; tries++ {
		payload, changed := s.changes.splice(base.Payload)
		if !changed {
			s.rec, s.changes = base, nil
			return s.touch(ctx)
		}
		next := base
		next.Payload = payload
		if err := s.m.stamp(&next); err != nil {
			return err
		}
		repeated, err := s.m.write(ctx, s.id, next, base.Version)
		if err == nil {
			s.rec, s.changes, turn.newest = next, nil, next
			s.observe(Event{Kind: kind, Tries: tries, id: s.id})
			return nil
		}
		kind = EventMerged
		if base, err = s.yield(ctx, err, repeated, tries+1); err != nil {
			return err
		}
	}
}

// yield turns a refused write into the record to merge with.
func (s *Session) yield(ctx context.Context, refusal error, repeated bool, tries int) (Record, error) {
	if !errors.Is(refusal, ErrConflict) {
		return Record{}, refusal
	}
	s.observe(Event{Kind: EventConflict, Tries: tries, id: s.id})
	if repeated && s.changes.replays() {
		// The first call gave no answer. It may have been applied and then been built upon by somebody else: replaying
		// an Update could count it twice.
		return Record{}, fmt.Errorf("%w: it is unknown whether the change was stored", ErrUnavailable)
	}
	if ctx.Err() != nil {
		return Record{}, refusal
	}
	newest, err := s.m.newest(ctx, s.id, refusal)
	if err != nil {
		return Record{}, err
	}
	return s.rebase(newest)
}

// rebase prepares the changes for newest, which is not the record that the request read.
func (s *Session) rebase(newest Record) (Record, error) {
	if !newest.Successor.IsZero() {
		return newest, ErrNotFound // renewed: the old id is dead
	}
	if err := checkPayload(newest.Payload); err != nil {
		return newest, err
	}
	if key := s.changes.overwritten(s.rec.Payload, newest.Payload); key != "" {
		if s.m.o.RejectStale {
			return newest, fmt.Errorf("%w: key %q", ErrConflict, key)
		}
		s.observe(Event{Kind: EventOverwritten, Key: key, id: s.id})
	}
	return newest, s.changes.rebase(newest.Payload)
}
