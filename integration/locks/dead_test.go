package locks_test

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// TestKilledHolder kills a process that holds a lock while others wait: the next one gets it when the lease is over.
func TestKilledHolder(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	r := servers.StartRedis(t, nil)
	m := manager(t, r, session.LockOptions{Lease: lease, MaxWait: time.Minute})
	var waits []time.Duration
	for range 10 {
		cookie := newSession(t, m)
		holder := startNode(t, r)
		holder.Say("hold %s %v", cookie, lease)
		holder.Expect("locked")
		next := make(chan time.Time)
		go func() {
			err := request(t.Context(), m, cookie, session.Exclusive, func(s *session.Session) { _ = word.Set(s, "next") })
			if err != nil {
				t.Error(err)
			}
			next <- time.Now()
		}()
		time.Sleep(100 * time.Millisecond) // it waits in Redis now
		killed := time.Now()
		holder.Kill()
		waits = append(waits, (<-next).Sub(killed))
		if got := read(t, m, cookie); got != "next" {
			t.Errorf("word = %q", got)
		}
	}
	slices.Sort(waits)
	t.Logf("kill -9 of a holder with a lease of %v: the next one was served after %v (median), %v (worst)", lease, waits[len(waits)/2], waits[len(waits)-1])
	if worst := waits[len(waits)-1]; worst > lease+5*time.Second { // a bound for a machine that is busy
		t.Errorf("the next one waited for %v", worst)
	}
}

// TestStoppedHolder stops a process that holds a lock past its lease, lets another one take the lock and write, and
// lets the first go on: what it then writes is refused, each time.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	const lease, rounds = 200 * time.Millisecond, 100
	r := servers.StartRedis(t, nil)
	m := manager(t, r, session.LockOptions{MaxWait: time.Minute})
	holder := startNode(t, r)
	refused := 0
	for range rounds {
		cookie := newSession(t, m)
		holder.Say("hold %s %v", cookie, lease)
		holder.Expect("locked")
		holder.Signal(syscall.SIGSTOP)
		err := request(t.Context(), m, cookie, session.Exclusive, func(s *session.Session) { _ = word.Set(s, "taken over") })
		if err != nil {
			t.Fatal(err)
		}
		holder.Signal(syscall.SIGCONT)
		holder.Say("too late")
		if got := holder.Hears(); got == "lost" {
			refused++
		} else {
			t.Errorf("a former holder that writes hears %q", got)
		}
		if got := read(t, m, cookie); got != "taken over" {
			t.Errorf("word = %q", got)
		}
	}
	t.Logf("writes of former holders: %d of %d refused", refused, rounds)
}

// TestStoppedHolderNobodyWaits stops a process past its lease while nobody else wants the session: it may write.
func TestStoppedHolderNobodyWaits(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	m := manager(t, r, session.LockOptions{})
	cookie := newSession(t, m)
	holder := startNode(t, r)
	holder.Say("hold %s 200ms", cookie)
	holder.Expect("locked")
	holder.Signal(syscall.SIGSTOP)
	time.Sleep(500 * time.Millisecond)
	holder.Signal(syscall.SIGCONT)
	holder.Say("late, and alone")
	holder.Expect("stored")
	if got := read(t, m, cookie); got != "late, and alone" {
		t.Errorf("word = %q", got)
	}
}

func manager(t testing.TB, r *servers.Redis, lock session.LockOptions) *session.Manager {
	t.Helper()
	m, err := newManager(t.Context(), r.URL(), lock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// read returns the word of a session.
func read(t testing.TB, m *session.Manager, cookie string) (text string) {
	t.Helper()
	err := request(t.Context(), m, cookie, session.ReadOnly, func(s *session.Session) { text = word.Get(s) })
	if err != nil {
		t.Fatal(err)
	}
	return text
}
