package session

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

const (
	noteAuth    = "\x00auth"    // when the visitor was authenticated: a varint of milliseconds since 1970
	noteMethods = "\x00methods" // how, see methods.note

	maxMethods     = 8
	maxMethodBytes = 32
)

// AuthenticatedAt returns when the visitor was last authenticated: at Bind or Authenticated. The zero time if never. With methods,
// it is since when all of them hold: the least recent of the times at which each was last used, zero if one never was.
func (s *Session) AuthenticatedAt(methods ...string) time.Time {
	s.lock()
	defer s.mu.Unlock()
	note := s.noted(noteAuth)
	if note == nil {
		return time.Time{}
	}
	d, _ := cutMillis(note)
	at := d.Milliseconds()
	used := parseMethods(s.noted(noteMethods))
	for _, name := range methods {
		i := used.index(name)
		if i < 0 {
			return time.Time{}
		}
		at = min(at, used[i].at)
	}
	return time.UnixMilli(at)
}

// Authenticated notes that the visitor has just been authenticated once more: AuthenticatedAt is now. It renews the session, and
// both its timers begin again (NIST SP 800-63B-4, 5.2). At a login use Bind, which does the same; without Bind the session
// is in no list.
//
// methods name how, for Fresh and RequireFresh to ask for: those of RFC 8176, such as "pwd", "otp" and "mfa", a level of
// assurance such as "aal2", or your own. Those that were used earlier are kept with their times, until the next Bind. So no session
// comes to a higher level but by an authentication that said so. A session keeps the 8 latest, of at most 32 bytes each.
//
// It is an error if there are more, or a longer or empty one; other errors are those of Key.Set.
func (s *Session) Authenticated(methods ...string) error {
	if err := checkMethods(methods); err != nil {
		return wrap("authenticated", err)
	}
	s.lock()
	defer s.mu.Unlock()
	if err := s.writable("authenticated", ""); err != nil {
		return err
	}
	s.authenticated(methods)
	return nil
}

// Fresh reports whether the visitor was authenticated within the last maxAge, for what needs more than a session: a change of
// the password, of the address, a payment (ASVS 7.5.1, 7.5.3). With methods it asks for each of them within maxAge; see
// Authenticated.
func (s *Session) Fresh(maxAge time.Duration, methods ...string) bool {
	at := s.AuthenticatedAt(methods...)
	return !at.IsZero() && time.Since(at) < maxAge
}

// RequireFresh lets requests pass whose visitors were authenticated within the last maxAge, with each of the methods; see
// Session.Fresh. The others get denied, which should ask for the password, or for what is missing. Without it they get 401
// Unauthorized. It goes inside of Middleware. If the session cannot be had the response is Options.ErrorResponse.
func (m *Manager) RequireFresh(maxAge time.Duration, denied http.Handler, methods ...string) func(next http.Handler) http.Handler {
	if denied == nil {
		denied = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "401 Unauthorized: please authenticate again", http.StatusUnauthorized)
		})
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch s, err := m.Get(r.Context()); {
			case err != nil:
				m.Fail(w, err)
			case s.Fresh(maxAge, methods...):
				next.ServeHTTP(w, r)
			default:
				denied.ServeHTTP(w, r)
			}
		})
	}
}

// authenticated notes an authentication, and makes the absolute lifetime count from it.
func (s *Session) authenticated(methods []string) {
	at := now()
	before := s.noted(noteAuth)
	s.renew = true
	s.note(noteAuth, appendMillis(nil, time.Duration(at.UnixMilli())*time.Millisecond))
	if len(methods) > 0 {
		s.note(noteMethods, parseMethods(s.noted(noteMethods)).use(methods, at.UnixMilli()).note())
	}
	if s.changes.index(noteLimits) >= 0 {
		return // SetLimits was called too
	}
	idle, end := s.limits()
	life := s.m.o.AbsoluteTimeout
	switch {
	case end < 0, end > 0 && before == nil:
		return
	case end > 0:
		since, _ := cutMillis(before)
		life = end - since
	}
	if life > 0 {
		s.note(noteLimits, appendMillis(appendMillis(nil, idle), time.Duration(at.UnixMilli())*time.Millisecond+life))
	}
}

// methods are how a visitor was authenticated, the latest last.
type methods []method

type method struct {
	name string
	at   int64 // milliseconds since 1970
}

func checkMethods(names []string) error {
	if len(names) > maxMethods {
		return fmt.Errorf("%d methods are more than %d", len(names), maxMethods)
	}
	for _, name := range names {
		if name == "" || len(name) > maxMethodBytes {
			return fmt.Errorf("a method has %d bytes, which is not within 1 and %d", len(name), maxMethodBytes)
		}
	}
	return nil
}

func parseMethods(note []byte) (used methods) {
	for len(note) > 0 && len(note) > int(note[0]) {
		end := 1 + int(note[0])
		name := string(note[1:end])
		var at time.Duration
		at, note = cutMillis(note[end:])
		used = append(used, method{name, at.Milliseconds()})
	}
	return used
}

func (used methods) index(name string) int {
	return slices.IndexFunc(used, func(m method) bool { return m.name == name })
}

// use adds methods that are used now, and drops the oldest ones of too many.
func (used methods) use(names []string, at int64) methods {
	used = slices.DeleteFunc(used, func(m method) bool { return slices.Contains(names, m.name) })
	for _, name := range names {
		if used.index(name) < 0 {
			used = append(used, method{name, at})
		}
	}
	return used[max(0, len(used)-maxMethods):]
}

// note encodes methods: for each the length of its name in a byte, the name, and when it was used, as in noteAuth.
func (used methods) note() (note []byte) {
	for _, m := range used {
		note = append(append(note, byte(len(m.name))), m.name...)
		note = appendMillis(note, time.Duration(m.at)*time.Millisecond)
	}
	return note
}
