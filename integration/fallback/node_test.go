package fallback_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/child"
)

// childVariable has the stores of a child in its environment: the URLs of Redis and MariaDB, and its local folder.
const childVariable = "NONSTICK_TEST_PAIR_NODE"

// runChild is the life of a child. It obeys the lines that it reads:
//
//	add TOKEN        adds words to the session until its input ends, and says each that was acknowledged
//	hold TOKEN LEASE has the session for itself, says "locked", adds the next line, and says how that ended
func runChild(stores string) error {
	urls := strings.Fields(stores)
	n := &node{name: fmt.Sprint(os.Getpid()), dir: urls[2]}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		order := strings.Fields(in.Text())
		var lock session.LockOptions
		if len(order) > 2 {
			lease, err := time.ParseDuration(order[2])
			if err != nil {
				return err
			}
			lock.Lease = lease
		}
		if err := n.start(urls[0], urls[1], lock, os.Stderr); err != nil {
			return err
		}
		switch order[0] {
		case "add":
			n.addForEver(order[1])
		case "hold":
			err := n.use(context.Background(), order[1], session.Exclusive, func(s *session.Session) error {
				fmt.Println("locked")
				in.Scan()
				return appendWord(s, in.Text())
			})
			fmt.Println(outcome(err))
		}
		if err := errors.Join(n.manager.Close(), n.store.Close()); err != nil {
			return err
		}
	}
	return in.Err()
}

// addForEver adds words, from two goroutines, each with a name of its own.
func (n *node) addForEver(token string) {
	for tab := range 2 {
		go func() {
			for i := 0; ; i++ {
				word := fmt.Sprint(n.name, ".", tab, ".", i)
				if n.use(context.Background(), token, session.Optimistic, func(s *session.Session) error { return appendWord(s, word) }) == nil {
					fmt.Println(word)
				}
			}
		}()
	}
	select {} // it is killed
}

// use changes a session without a request.
func (n *node) use(ctx context.Context, token string, mode session.Mode, do func(*session.Session) error) error {
	h := http.Header{}
	h.Set(header, token)
	x := n.manager.Begin(ctx, h)
	defer x.Abort()
	s, err := x.Get(mode)
	if err == nil {
		err = do(s)
	}
	if err == nil {
		err = x.Commit(http.Header{})
	}
	return err
}

func appendWord(s *session.Session, word string) error {
	return words.Update(s, func(all []string) []string { return append(all, word) })
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "stored"
	case errors.Is(err, session.ErrLockLost), errors.Is(err, session.ErrConflict):
		return "refused"
	default:
		return err.Error()
	}
}

// child starts a node as a process of its own.
func (s *site) child(dir string) *child.Child {
	s.t.Helper()
	return child.Start(s.t, fmt.Sprintf("%s=%s %s %s", childVariable, s.redis.URL(), s.maria.URL(), dir))
}

// insist does something until it works: a machine that is busy with other tests lets calls time out.
func insist(t testing.TB, what string, do func() (works bool)) {
	t.Helper()
	for begin := time.Now(); !do(); time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Errorf("%s does not work", what) // also in goroutines that are not the test's own
			return
		}
	}
}

// login returns the token of a visitor.
func (s *site) login() (token string) {
	s.t.Helper()
	insist(s.t, "login", func() bool {
		var status int
		status, _, token, _ = s.nodes[0].get("/login", "")
		return status == http.StatusOK && token != ""
	})
	return token
}

// persist is use, as often as the stores are unavailable. What was done without an answer may be done again, so do has to bear that.
func (n *node) persist(t testing.TB, token string, mode session.Mode, do func(*session.Session) error) {
	t.Helper()
	insist(t, "a change", func() bool {
		err := n.use(t.Context(), token, mode, do)
		if err != nil && !errors.Is(err, session.ErrUnavailable) {
			t.Fatal(err)
		}
		return err == nil
	})
}

// appendOnce adds a word that is not there.
func appendOnce(s *session.Session, word string) error {
	if slices.Contains(words.Get(s), word) {
		return nil
	}
	return appendWord(s, word)
}

// show returns the words that all nodes show, which must be the same.
func (s *site) show(token string) []string {
	s.t.Helper()
	var first []string
	for i, n := range s.nodes {
		var status int
		var p page
		insist(s.t, "reading", func() bool { status, p, _, _ = n.get("/show", token); return status == http.StatusOK })
		switch {
		case p.User == "":
			s.t.Fatalf("node %d: status %d, user %q", i, status, p.User)
		case i > 0 && !slices.Equal(p.Words, first):
			s.t.Errorf("node %d shows %d words, node 0 %d", i, len(p.Words), len(first))
		}
		first = p.Words
	}
	return first
}

// A process that is killed with the lock of a session keeps others waiting no longer than its lease, and nothing is lost.
func TestKilledHolder(t *testing.T) {
	t.Parallel()
	const lease = time.Second
	s := newSite(t, nil, nil)
	var worst time.Duration
	for range 3 {
		token := s.login()
		holder := s.child(t.TempDir())
		holder.Say("hold %s %v", token, lease)
		holder.Expect("locked")
		holder.Kill()
		begin := time.Now()
		s.nodes[1].persist(t, token, session.Exclusive, func(s *session.Session) error { return appendOnce(s, "next") })
		worst = max(worst, time.Since(begin))
		if got := s.show(token); !slices.Equal(got, []string{"next"}) {
			t.Errorf("words = %q", got)
		}
	}
	t.Logf("the next one was served %v after the kill at the latest; the lease is %v", worst.Round(time.Millisecond), lease)
}

// A process that stands still with a lock until its lease is over, and then writes, is refused: others' changes stay.
func TestStoppedHolder(t *testing.T) {
	t.Parallel()
	rounds := 10
	if soak() > 0 {
		rounds = 100
	}
	s := newSite(t, nil, nil)
	holder := s.child(t.TempDir())
	for range rounds {
		token := s.login()
		holder.Say("hold %s 200ms", token)
		holder.Expect("locked")
		holder.Signal(syscall.SIGSTOP)
		s.nodes[1].persist(t, token, session.Exclusive, func(s *session.Session) error { return appendOnce(s, "taken over") })
		holder.Signal(syscall.SIGCONT)
		holder.Say("late")
		holder.Expect("refused")
		if got := s.show(token); !slices.Equal(got, []string{"taken over"}) {
			t.Errorf("words = %q", got)
		}
	}
	t.Logf("%d of %d late writes were refused", rounds, rounds)
}

// Processes are killed in the middle of their writes at random moments, while MariaDB is there and while it is away, and start
// again with the same local store. All that they have said to be stored is there once.
func TestKilledWriters(t *testing.T) {
	t.Parallel()
	for _, away := range []bool{false, true} {
		t.Run(fmt.Sprintf("MariaDB away: %t", away), func(t *testing.T) {
			t.Parallel()
			s := newSite(t, nil, nil)
			s.killWriters(away)
		})
	}
}

func (s *site) killWriters(away bool) {
	rounds := 6
	if soak() > 0 {
		rounds = 60
	}
	dir, token := s.t.TempDir(), s.login()
	var acked []string
	for round := range rounds {
		c := s.child(dir)
		c.Say("add %s", token)
		acked = append(acked, c.Hears()) // it is at work
		if away {
			s.maria.Kill()
		}
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		acked = append(acked, killed(c)...)
		if away {
			s.maria.Restart()
		}
		if round%3 == 2 { // a new session, so that it does not grow too large
			s.restarted(dir)
			s.check(token, acked)
			token, acked = s.login(), nil
		}
	}
}

// killed kills a child and returns what it had said.
func killed(c *child.Child) (said []string) {
	c.Signal(syscall.SIGKILL)
	for line := range c.Lines {
		said = append(said, line)
	}
	c.Kill()
	return said
}

// restarted runs a node on a dead one's local store until it has carried all back.
func (s *site) restarted(dir string) {
	s.t.Helper()
	n := &node{name: "again", dir: dir}
	s.must(n.start(s.redis.URL(), s.maria.URL(), session.LockOptions{}, s.t.Output()))
	for begin := time.Now(); n.store.Status().Open > 0 || !n.store.Status().Believed; time.Sleep(10 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			s.t.Fatalf("it does not carry back: %+v", n.store.Status())
		}
	}
	n.shut(s.t)
	s.settle()
}

// check fails unless all words are there once.
func (s *site) check(token string, acked []string) {
	s.t.Helper()
	count := make(map[string]int)
	for _, w := range s.show(token) {
		if count[w]++; count[w] > 1 {
			s.t.Errorf("%s is there twice", w)
		}
	}
	for _, w := range acked {
		if count[w] == 0 {
			s.t.Errorf("%s is lost", w)
		}
	}
	s.t.Logf("%d words acknowledged, %d there", len(acked), len(count))
}
