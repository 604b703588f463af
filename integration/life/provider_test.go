package life_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// TestL14_EndProviderSessionRacesLogins ends a provider's session while devices log in from it and renew their sessions, on all
// nodes: not one of them lives afterwards, and those of another one do.
func TestL14_EndProviderSessionRacesLogins(t *testing.T) {
	t.Parallel()
	eachSubjectStore(t, session.Options{}, func(t *testing.T, nodes [3]*session.Manager) {
		const rounds, before, during = 8, 4, 8
		refused := 0
		for round := range rounds {
			from := func(d *device, sid string) {
				d.status = d.get(t.Context(), d.node, func(s *session.Session) {
					_ = s.Bind(session.Login{Subject: "ann", ProviderSession: sid}) // the commit fails with its error
					_ = account.Set(s, "ann")
				})
			}
			sid := fmt.Sprint("session ", round)
			other := &device{node: nodes[round%3]}
			from(other, sid+" of another browser")
			devices := make([]*device, before+during)
			var wg sync.WaitGroup
			for i := range devices {
				devices[i] = &device{node: nodes[i%3]}
				if i < before {
					wg.Go(func() { from(devices[i], sid) })
				}
			}
			wg.Wait()
			for i, d := range devices {
				wg.Go(func() {
					if i >= before {
						time.Sleep(rand.N(10 * time.Millisecond))
						from(d, sid)
						return
					}
					time.Sleep(rand.N(5 * time.Millisecond))
					d.get(t.Context(), d.node, func(s *session.Session) { _ = s.Renew() })
				})
			}
			time.Sleep(rand.N(10 * time.Millisecond))
			if err := nodes[1].EndProviderSession(t.Context(), sid); err != nil {
				t.Errorf("end: %v", err)
			}
			wg.Wait()
			for i, d := range devices {
				if d.alive(t, nodes) {
					t.Errorf("device %d lives, its login was answered with %d", i, d.status)
				}
				switch d.status {
				case http.StatusOK:
				case http.StatusConflict:
					refused++
				default:
					t.Errorf("login: status %d", d.status)
				}
			}
			if !other.alive(t, nodes) {
				t.Error("a session of another one has ended")
			}
		}
		t.Logf("%d logins were refused", refused)
	})
}
