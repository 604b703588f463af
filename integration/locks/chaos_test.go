package locks_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/child"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

const (
	chaosNodes   = 3
	chaosWorkers = 4 // of each node
	chaosLease   = 600 * time.Millisecond
)

// runCounters raises, in several goroutines, the common counter of a session and one of its own in one request, by
// reading and setting, and says "ack OWN N" after each commit that succeeded.
func runCounters(m *session.Manager, cookie, name string, in *bufio.Scanner) {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for worker := range chaosWorkers {
		own := session.NewKey[int](fmt.Sprint("own:", name, ".", worker))
		wg.Go(func() {
			for ctx.Err() == nil {
				n := 0
				err := request(ctx, m, cookie, session.Exclusive, func(s *session.Session) {
					common := count.Get(s)
					n = own.Get(s) + 1
					if rand.IntN(60) == 0 {
						time.Sleep(chaosLease * 3 / 2)
					}
					_, _ = count.Set(s, common+1), own.Set(s, n)
				})
				if err == nil {
					fmt.Println("ack", own.Name(), n)
				} else {
					time.Sleep(10 * time.Millisecond)
				}
			}
		})
	}
	for in.Scan() {
	}
	cancel()
	wg.Wait()
}

// TestChaos kills, stops and cuts off nodes and the server at random while they count in one session, by reading and
// setting under a lock. In the end every increment that was acknowledged must be there, and none twice: the common counter is
// the sum of the workers' own, and no own counter is below what its worker was told, which no worker is told twice.
//
// NONSTICK_TEST_CHAOS is for how long, 15 seconds by default.
func TestChaos(t *testing.T) {
	t.Parallel()
	span := 15 * time.Second
	if text := os.Getenv("NONSTICK_TEST_CHAOS"); text != "" {
		var err error
		if span, err = time.ParseDuration(text); err != nil {
			t.Fatalf("NONSTICK_TEST_CHAOS: %v", err)
		}
	}
	r := servers.StartRedis(t, &servers.RedisOptions{Config: []string{"appendonly yes", "appendfsync always"}})
	m := manager(t, r, session.LockOptions{})
	cookie := newSession(t, m)
	acks := &ledger{told: make(map[string]int)}
	var nodes [chaosNodes]*child.Child
	started := 0
	launch := func(i int) {
		started++
		nodes[i] = startNode(t, r)
		nodes[i].Say("count %s %v n%d", cookie, chaosLease, started)
		acks.follow(t, nodes[i])
	}
	for i := range nodes {
		launch(i)
	}
	faults := map[string]int{}
	for end := time.Now().Add(span); time.Now().Before(end); {
		time.Sleep(time.Duration(100+rand.IntN(500)) * time.Millisecond)
		pause := time.Duration(100+rand.IntN(1200)) * time.Millisecond
		n := rand.IntN(chaosNodes)
		switch fault := rand.IntN(20); {
		case fault < 6:
			faults["node stopped"]++
			nodes[n].Signal(syscall.SIGSTOP)
			time.Sleep(pause)
			nodes[n].Signal(syscall.SIGCONT)
		case fault < 10:
			faults["node killed"]++
			nodes[n].Signal(syscall.SIGKILL)
			launch(n)
		case fault < 15:
			faults["server stopped"]++
			r.Stop()
			time.Sleep(pause)
			r.Continue()
		case fault < 18:
			faults["subscriptions cut"]++
			_ = r.Admin().ClientKillByFilter(t.Context(), "TYPE", "pubsub").Err()
		default:
			faults["server killed"]++
			r.Kill()
			r.Restart()
		}
	}
	for _, n := range nodes {
		n.EndInput() // they finish what they do
	}
	acks.wg.Wait()
	total, own := tally(t, m, cookie)
	sum := 0
	for _, n := range own {
		sum += n
	}
	t.Logf("%v, faults %v: %d increments acknowledged, %d stored", span, faults, acks.total, total)
	if total != sum {
		t.Errorf("the common counter is %d, the sum of the workers' counters %d", total, sum)
	}
	for name, told := range acks.told {
		if own[name] < told {
			t.Errorf("%s was told %d, and %d is stored", name, told, own[name])
		}
	}
	if total < acks.total || acks.total < 100 {
		t.Errorf("%d increments were acknowledged, %d are stored", acks.total, total)
	}
}

// ledger holds what workers were told.
type ledger struct {
	wg    sync.WaitGroup
	mu    sync.Mutex
	told  map[string]int // the last number of each
	total int
}

// follow reads what the workers of a node say until it ends.
func (l *ledger) follow(t *testing.T, n *child.Child) {
	l.wg.Go(func() {
		for line := range n.Lines {
			var name string
			var number int
			if _, err := fmt.Sscanf(line, "ack %s %d", &name, &number); err != nil {
				t.Errorf("a node says %q", line)
				continue
			}
			l.mu.Lock()
			if number <= l.told[name] {
				t.Errorf("%s was told %d after %d: an increment was lost", name, number, l.told[name])
			}
			l.told[name] = number
			l.total++
			l.mu.Unlock()
		}
	})
}

// tally returns the counters of a session.
func tally(t *testing.T, m *session.Manager, cookie string) (total int, own map[string]int) {
	t.Helper()
	own = make(map[string]int)
	var err error
	for range 20 { // the server may have to be connected to anew
		err = request(t.Context(), m, cookie, session.ReadOnly, func(s *session.Session) {
			total = count.Get(s)
			for _, name := range s.Names() {
				if strings.HasPrefix(name, "own:") {
					own[name] = session.NewKey[int](name).Get(s)
				}
			}
		})
		if err == nil {
			return total, own
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Fatal(err)
	return 0, nil
}
