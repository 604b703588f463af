package locks_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9/logging"

	_ "github.com/nonstick-go/nonstick/backends/goredis" // redis://
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/child"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The keys of the sessions here.
var (
	count = session.NewKey[int]("count")
	word  = session.NewKey[string]("word")
)

// nodeVariable holds the URL of the store in the environment of a child that is a node.
const nodeVariable = "NONSTICK_TEST_LOCK_NODE"

func TestMain(m *testing.M) {
	logging.Disable() // go-redis would log each connection that these tests break
	if url := os.Getenv(nodeVariable); url != "" {
		if err := runNode(url); err != nil {
			fmt.Println("failed:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// newManager opens the store and makes a Manager with the lease.
func newManager(ctx context.Context, url string, lock session.LockOptions) (*session.Manager, error) {
	store, err := session.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	return session.New(store, session.Options{Lock: lock, Observer: session.Silent{}})
}

// request has the session of cookie for itself, uses it, and commits.
func request(ctx context.Context, m *session.Manager, cookie string, mode session.Mode, use func(*session.Session)) error {
	x := m.Begin(ctx, http.Header{"Cookie": {cookie}})
	defer x.Abort()
	s, err := x.Get(mode)
	if err != nil {
		return err
	}
	use(s)
	return x.Commit(http.Header{})
}

// newSession stores a session with count = 0 and returns its cookie.
func newSession(t testing.TB, m *session.Manager) string {
	t.Helper()
	x, answer := m.Begin(t.Context(), http.Header{}), http.Header{}
	s, err := x.Get()
	if err == nil {
		err = count.Set(s, 0)
	}
	if err == nil {
		err = x.Commit(answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	cookie, _, _ := strings.Cut(answer.Get("Set-Cookie"), ";")
	return cookie
}

// runNode is the life of a child. It obeys the lines that it reads:
//
//	hold COOKIE LEASE        has the session for itself, says "locked", sets word to the next line, and says how that ended
//	count COOKIE LEASE NAME  raises counters until its input ends, see counter
func runNode(url string) error {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		words := strings.Fields(in.Text())
		lease, err := time.ParseDuration(words[2])
		if err != nil {
			return err
		}
		m, err := newManager(context.Background(), url, session.LockOptions{Lease: lease, Node: strconv.Itoa(os.Getpid())})
		if err != nil {
			return err
		}
		switch words[0] {
		case "hold":
			err = request(context.Background(), m, words[1], session.Exclusive, func(s *session.Session) {
				fmt.Println("locked")
				in.Scan()
				_ = word.Set(s, in.Text())
			})
			fmt.Println(outcome(err))
		case "count":
			runCounters(m, words[1], words[3], in)
		}
		if err := m.Close(); err != nil {
			return err
		}
	}
	return in.Err()
}

func outcome(err error) string {
	switch {
	case err == nil:
		return "stored"
	case errors.Is(err, session.ErrLockLost):
		return "lost"
	default:
		return err.Error()
	}
}

// startNode starts a child on the store. It ends with the test.
func startNode(t testing.TB, r *servers.Redis) *child.Child {
	t.Helper()
	return child.Start(t, nodeVariable+"="+r.URL())
}
