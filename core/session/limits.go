package session

import (
	"errors"
	"fmt"
	"time"
)

// Limits are how long one session lives, instead of what Options say. Zero leaves a limit as it is, a negative one
// removes it; one of the two must be limited.
type Limits struct {
	// Idle ends the session that was not used for so long; within Options.MinTimeout and Options.MaxTimeout.
	Idle time.Duration
	// Absolute ends the session so long after SetLimits, whatever its use; at most Options.MaxTimeout. A login that
	// sets it makes it count from the authentication (ASVS 7.3.2).
	Absolute time.Duration
}

// SetLimits gives the session limits of its own, from the commit on: shorter ones for an administrator, longer ones for
// somebody who wants to stay logged in. They survive Renew, and take the place of Options.FirstTimeout. A session that
// is not stored yet keeps them with its first value. Errors are those of Key.Set, and of limits that contradict each
// other or Options.
func (s *Session) SetLimits(l Limits) error {
	s.lock()
	defer s.mu.Unlock()
	if err := s.writable("limits", ""); err != nil {
		return err
	}
	idle, end := s.limits()
	switch {
	case l.Idle < 0:
		idle = unlimited
	case l.Idle > 0:
		idle = l.Idle
	}
	switch {
	case l.Absolute < 0:
		end = unlimited
	case l.Absolute > 0:
		end = time.Duration(min(now().UnixMilli()+l.Absolute.Milliseconds(), maxMillis)) * time.Millisecond
	}
	if err := s.m.o.checkLimits(l, idle, end); err != nil {
		return s.failed("limits", err)
	}
	s.note(noteLimits, appendMillis(appendMillis(nil, idle), end))
	return nil
}

const unlimited = -time.Millisecond

// limits are what SetLimits has set: zero for what is as Options say, and negative for no limit. The end is a time since
// 1970.
func (s *Session) limits() (idle, end time.Duration) {
	if i := s.changes.index(noteLimits); i >= 0 {
		return cutLimits(s.changes[i].value)
	}
	note, _ := find(s.rec.Payload, noteLimits)
	return cutLimits(note)
}

func cutLimits(note []byte) (idle, end time.Duration) {
	idle, note = cutMillis(note)
	end, _ = cutMillis(note)
	return idle, end
}

// checkLimits tells what is wrong with l, of which idle and end would be the outcome.
func (o *Options) checkLimits(l Limits, idle, end time.Duration) error {
	if idle == 0 {
		idle = o.IdleTimeout
	}
	switch {
	case l.Idle > 0 && l.Idle < time.Millisecond, l.Absolute > 0 && l.Absolute < time.Millisecond:
		return errors.New("a limit must be at least 1 ms; a negative one means none")
	case l.Idle > 0 && l.Idle < o.MinTimeout:
		return fmt.Errorf("Limits.Idle: %v is below Options.MinTimeout, %v", l.Idle, o.MinTimeout)
	case o.MaxTimeout > 0 && max(l.Idle, l.Absolute) > o.MaxTimeout:
		return fmt.Errorf("Limits: %v is above Options.MaxTimeout, %v", max(l.Idle, l.Absolute), o.MaxTimeout)
	case idle < 0 && (end < 0 || end == 0 && o.AbsoluteTimeout < 0):
		return errors.New("neither Idle nor Absolute would be limited: the session would never end")
	}
	return nil
}

// stamp makes rec the next version of itself, seen now, with the life that it has from now on.
func (m *Manager) stamp(rec *Record) {
	rec.Seen = now()
	note, limited := find(rec.Payload, noteLimits)
	idle, end := cutLimits(note)
	switch {
	case end < 0:
		rec.Expires = time.Time{}
	case end > 0:
		rec.Expires = fromMillis(uint64(end.Milliseconds()))
	case rec.Expires.IsZero() && m.o.AbsoluteTimeout > 0: // new, or stored before there was a limit
		rec.Expires = rec.Created.Add(m.o.AbsoluteTimeout)
	}
	if idle == 0 {
		idle = m.o.IdleTimeout
	}
	if !limited {
		idle = m.early(idle, rec.Payload)
	}
	if rec.TTL = m.o.bound(idle); rec.TTL < 0 {
		rec.TTL = rec.Expires.Sub(rec.Seen)
	}
	rec.Version = m.versions.next(rec.Seen, rec.Version)
}

// early is the idle timeout of a session that was written once or twice; later it is idle.
func (m *Manager) early(idle time.Duration, payload []byte) time.Duration {
	first := m.o.FirstTimeout
	if m.o.Bots.Classifier != nil {
		if verdict, _ := find(payload, noteBot); string(verdict) == "1" {
			first = m.o.Bots.FirstTimeout
			if limit := m.o.Bots.Timeout; idle < 0 || limit < idle {
				idle = limit
			}
		}
	}
	if first <= 0 {
		return idle
	}
	writes, ok := find(payload, noteWrites)
	switch {
	case !ok:
		return idle
	case string(writes) != "1":
		first *= 2
	}
	if idle > 0 {
		return min(first, idle)
	}
	return first
}

// bound keeps an idle timeout, negative for none, within MinTimeout and MaxTimeout.
func (o *Options) bound(idle time.Duration) time.Duration {
	if o.MaxTimeout > 0 && (idle < 0 || idle > o.MaxTimeout) {
		return o.MaxTimeout
	}
	if idle > 0 {
		return max(idle, o.MinTimeout)
	}
	return idle
}

// touchInterval is how long after it was last seen a session that is only read is to be kept alive, or negative: never.
func (m *Manager) touchInterval(rec *Record) time.Duration {
	set := m.o.TouchInterval
	switch {
	case set < 0 || rec.TTL == m.o.IdleTimeout:
		return set
	case !rec.Expires.IsZero() && !rec.Seen.Add(rec.TTL).Before(rec.Expires): // it lives until then, used or not
		return -1
	case set == 0:
		return touchInterval(rec.TTL)
	default: // its own limit may be shorter
		return min(set, rec.TTL/4)
	}
}

// touchInterval is the default for an idle timeout.
func touchInterval(idle time.Duration) time.Duration {
	return min(max(time.Minute, idle/20), idle/4)
}
