package session

import (
	"net/http"
	"time"
)

// AuthenticatedAt returns when the visitor was last authenticated: at Bind or Authenticated. The zero time if never.
func (s *Session) AuthenticatedAt() time.Time {
	s.lock()
	defer s.mu.Unlock()
	note := s.noted(noteAuth)
	if note == nil {
		return time.Time{}
	}
	at, _ := cutMillis(note)
	return time.UnixMilli(at.Milliseconds())
}

// Authenticated notes that the visitor has just been authenticated once more, by a password or another factor: AuthenticatedAt is
// now. It renews the session, and both its timers begin again (NIST SP 800-63B-4, 5.2). At a login use Bind, which does the
// same; without Bind the session is in no list. Errors are those of Key.Set.
func (s *Session) Authenticated() error {
	s.lock()
	defer s.mu.Unlock()
	if err := s.writable("authenticated", ""); err != nil {
		return err
	}
	s.authenticated()
	return nil
}

// Fresh reports whether the visitor was authenticated within the last maxAge, for what needs more than a session: a change of
// the password, of the address, a payment (ASVS 7.5.1, 7.5.3).
func (s *Session) Fresh(maxAge time.Duration) bool {
	at := s.AuthenticatedAt()
	return !at.IsZero() && time.Since(at) < maxAge
}

// RequireFresh lets requests pass whose visitors were authenticated within the last maxAge; see Session.Fresh. The others get
// denied, which should ask for the password again. Without it they get 401 Unauthorized. It goes inside of Middleware. If the
// session cannot be had the response is Options.ErrorResponse.
func (m *Manager) RequireFresh(maxAge time.Duration, denied http.Handler) func(next http.Handler) http.Handler {
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
			case s.Fresh(maxAge):
				next.ServeHTTP(w, r)
			default:
				denied.ServeHTTP(w, r)
			}
		})
	}
}
