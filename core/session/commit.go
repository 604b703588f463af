package session

import (
	"context"
	"fmt"
	"time"
)

// outcome is what a commit asks the carrier to tell the visitor.
type outcome struct {
	token   string        // a new token, if not empty
	life    time.Duration // what is left of the session's absolute life; 0 if it has none
	deleted bool          // the token that the visitor has is worth nothing any more
}

// commit stores what the request made of the session and seals it, once.
func (s *Session) commit() (outcome, error) {
	if s.sealed {
		return s.outcome, s.result
	}
	s.result = errUnfinished // unless it returns
	defer s.drop()
	defer s.seal()
	s.outcome, s.result = s.conclude()
	return s.outcome, s.result
}

func (s *Session) conclude() (outcome, error) {
	var out outcome
	if !s.ended.IsZero() {
		if err := s.m.end(s.ctx, s.ended, s.endedAt, s.named.ids); err != nil {
			s.observe(Event{Kind: EventFailed, Op: "destroy", Err: err, id: s.ended})
			return outcome{}, wrap("destroy", err)
		}
		s.released() // with the session
		s.observe(Event{Kind: EventDestroyed, id: s.ended})
		s.leaveSubject(s.endedAs)
		out.deleted = true
	}
	err := s.err
	if err == nil {
		ctx := s.writing.start(s.ctx, s.m, s.m.o.CommitTimeout, true)
		defer ctx.release()
		err = s.save(ctx, &out)
	}
	if err == nil {
		return out, nil
	}
	err = withoutRecord(err)
	switch {
	case answered(err, ErrNotFound):
		s.observe(Event{Kind: EventRefused, Err: err, id: s.id})
	case answered(err, ErrLockLost):
		s.observe(Event{Kind: EventLockLost, Op: "commit", Err: err, id: s.id})
	default:
		s.observe(Event{Kind: EventFailed, Op: "commit", Err: err, id: s.id})
	}
	return outcome{}, wrap("commit", err)
}

// save takes the shortest path that stores the changes.
func (s *Session) save(ctx context.Context, out *outcome) error {
	if s.passing {
		return nil
	}
	if s.unbound != nil && s.changes.plain() {
		return s.unbound
	}
	s.annotate()
	switch {
	case s.id.IsZero():
		if len(s.changes) > 0 {
			if err := s.noteEra(ctx); err != nil {
				return err
			}
		}
		payload, changed := s.changes.splice(nil)
		if !changed {
			return nil // nothing to keep: no session for this visitor
		}
		return s.create(ctx, payload, out)
	case s.renew:
		return s.move(ctx, out, s.m.tombstone)
	case s.due():
		if done, err := s.rotate(ctx, out); done {
			return err
		}
	}
	switch {
	case len(s.changes) == 0:
		return s.touch(ctx)
	case s.changes.index(noteLimits) >= 0:
		if err := s.prolong(ctx); err != nil {
			return err
		}
	}
	return s.merge(ctx)
}

// create stores a new session.
func (s *Session) create(ctx context.Context, payload []byte, out *outcome) error {
	rec := Record{Created: now(), Payload: payload}
	if err := s.m.fits(payload); err != nil {
		return err
	}
	token, id, err := s.m.put(ctx, &rec)
	if err != nil {
		return err
	}
	if err := s.enroll(ctx, &rec, id); err != nil {
		_ = s.m.remove(ctx, id) // nobody has its token
		return err
	}
	s.id, s.rec = id, rec
	out.token, out.life = token, s.m.life(&rec)
	s.observe(Event{Kind: EventCreated, id: id})
	return nil
}

// put stores rec under a new id.
func (m *Manager) put(ctx context.Context, rec *Record) (token string, id ID, err error) {
	for range 3 { // an id that is taken means that the random source repeats itself: never share it (ASVS 7.2.3)
		if token, err = m.o.TokenMAC.newToken(m.random); err != nil {
			return "", ID{}, err
		}
		secret := m.secret(token)
		id = secret.id()
		m.stamp(rec)
		if _, err = m.write(ctx, id, secret, *rec, Version{}); !answered(err, ErrExists) {
			return token, id, err
		}
	}
	return "", ID{}, err
}

// secret is that of a token that was just made.
func (m *Manager) secret(token string) *secret {
	s, _ := m.o.TokenMAC.parse(token)
	return &s
}

// fits is ErrTooLarge when the record of payload would exceed Options.MaxBytes.
func (m *Manager) fits(payload []byte) error {
	if size := len(payload) + m.envelope.overhead() + RecordOverhead; size > m.o.MaxBytes {
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
	if interval := s.m.touchInterval(&s.rec); interval < 0 || rec.Seen.Sub(s.rec.Seen) < interval {
		return nil
	}
	err := s.m.touch(ctx, s.id, s.named.secret(s.id), rec, s.old)
	if err != nil && !answered(err, ErrNotFound) { // ended meanwhile: this request changed nothing, so nothing is lost
		s.observe(Event{Kind: EventFailed, Op: "touch", Err: err, id: s.id})
	} else if err == nil {
		s.rec.Seen = rec.Seen
		s.observe(Event{Kind: EventTouched, id: s.id})
	}
	return nil // the visitor has his page; the next request will try again
}
