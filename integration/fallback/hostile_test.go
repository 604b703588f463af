package fallback_test

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// A logout wins against all requests that are in flight, on whatever node.
func TestLogoutAmongRequests(t *testing.T) {
	t.Parallel()
	const inFlight = 50
	most, until := 1000, time.Now().Add(while(6*time.Second))
	s := newSite(t, nil, nil)
	rounds := 0
	for ; rounds < most && time.Now().Before(until) || rounds == 0; rounds++ {
		token := s.login()
		var all sync.WaitGroup
		for i := range inFlight {
			all.Go(func() { s.nodes[i%3].get(fmt.Sprint("/add?word=", i), token) })
		}
		all.Go(func() {
			time.Sleep(time.Duration(rounds%10) * time.Millisecond)
			insist(t, "logout", func() bool {
				status, _, _, _ := s.nodes[rounds%3].get("/logout", token)
				return status == http.StatusOK
			})
		})
		all.Wait()
		for i, n := range s.nodes {
			var p page
			insist(t, "show", func() bool {
				var status int
				status, p, _, _ = n.get("/show", token)
				return status == http.StatusOK
			})
			if p.User != "" {
				t.Errorf("round %d, node %d: user %q after the logout", rounds, i, p.User)
			}
		}
	}
	t.Logf("%d logouts among %d requests each, none undone", rounds, inFlight)
}

// stored is how many keys Redis has, and how many rows MariaDB.
func (s *site) stored() (keys, rows int64) {
	s.t.Helper()
	keys, err := s.redis.Admin().DBSize(s.t.Context()).Result()
	s.must(err)
	s.must(s.maria.Admin().QueryRowContext(s.t.Context(), "SELECT COUNT(*) FROM sessions.nonstick_sessions").Scan(&rows))
	return keys, rows
}

// questions is how many statements MariaDB has run.
func (s *site) questions() int64 { return s.statements("Questions") }

// flood sends requests from several goroutines for some time, and returns how many.
func (s *site) flood(token func(i int64) string, paths ...string) int64 {
	var sent atomic.Int64
	var all sync.WaitGroup
	end := time.Now().Add(while(time.Second))
	for _, path := range paths {
		for _, n := range s.nodes {
			all.Go(func() {
				for time.Now().Before(end) {
					n.get(path, token(sent.Add(1)))
				}
			})
		}
	}
	all.Wait()
	return sent.Load()
}

// wellFormed is a token that nobody has made.
func wellFormed(int64) string {
	var b [32]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Tokens that are made up, malformed or missing leave nothing behind, while all is well and while MariaDB is away.
func TestFloodOfMadeUpTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	token := s.login()
	keys, rows := s.stored()
	for name, made := range map[string]func(int64) string{
		"made up":   wellFormed,
		"malformed": func(i int64) string { return fmt.Sprint("../../", i) },
		"missing":   func(int64) string { return "" },
	} {
		before := s.questions()
		sent := s.flood(made, "/show", "/add?word=x", "/logout")
		k, r := s.stored()
		if k != keys || r != rows {
			t.Errorf("%s: %d keys and %d rows more after %d requests", name, k-keys, r-rows, sent)
		}
		t.Logf("%s: %d requests, %d statements of MariaDB", name, sent, s.questions()-before)
	}
	s.maria.Kill()
	defer s.maria.Restart()
	for s.nodes[0].store.Status().DurableUp || s.nodes[1].store.Status().DurableUp || s.nodes[2].store.Status().DurableUp {
		time.Sleep(10 * time.Millisecond)
	}
	sent := s.flood(wellFormed, "/show", "/add?word=x")
	if k, err := s.redis.Admin().DBSize(t.Context()).Result(); err != nil || k > keys {
		t.Errorf("%d keys more after %d requests without MariaDB (%v)", k-keys, sent, err)
	}
	for i, n := range s.nodes {
		if status, p := n.answer("/show", token); status != http.StatusOK || p.User == "" {
			t.Errorf("node %d, a real visitor: status %d, user %q", i, status, p.User)
		}
	}
}

// Requests with tokens of sessions that have ended get nothing back and leave nothing, also in an outage of Redis, and others
// are served meanwhile.
func TestFloodOfEndedTokens(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	var ended []string
	for range 20 {
		token := s.login()
		if status, _ := s.nodes[1].answer("/logout", token); status != http.StatusOK {
			t.Fatalf("logout: status %d", status)
		}
		ended = append(ended, token)
	}
	s.redis.Kill()
	c := s.visit(5, false, 60*time.Millisecond, 0)
	c.enter("flood")
	before := s.questions()
	sent := s.flood(func(i int64) string { return ended[i%int64(len(ended))] }, "/show")
	t.Logf("%d requests with ended tokens without Redis, %d statements of MariaDB", sent, s.questions()-before)
	s.redis.Restart()
	s.settle()
	c.leave()
	s.agree(c)
	c.report()
	for _, token := range ended {
		for i, n := range s.nodes {
			if status, p := n.answer("/show", token); status != http.StatusOK || p.User != "" {
				t.Errorf("node %d: an ended token gives status %d, user %q", i, status, p.User)
			}
		}
	}
}

// What somebody has put into the stores is no session and no panic: a copy in Redis is read from MariaDB again, a session that
// is corrupt in MariaDB is a new one, and a local file is looked over.
func TestCorruptRecords(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	garbage := []string{"", "N", "garbage", strings.Repeat("\x00", 200), strings.Repeat("N\x01", 1<<16), `{"rec":"AAAA"}`}
	token := s.login()
	s.must(s.nodes[0].use(t.Context(), token, session.Optimistic, func(x *session.Session) error { return appendWord(x, "kept") }))
	for _, g := range garbage {
		s.plant(g)
		if got := s.show(token); len(got) != 1 || got[0] != "kept" {
			t.Errorf("with %d bytes of garbage in Redis: words %q", len(g), got)
		}
	}
	for _, g := range garbage {
		var known string // ids of the rows that are there
		s.must(s.maria.Admin().QueryRowContext(t.Context(), "SELECT GROUP_CONCAT(CONCAT('0x', HEX(id))) FROM sessions.nonstick_sessions").Scan(&known))
		token := s.login()
		s.maria.Exec(fmt.Sprintf("UPDATE sessions.nonstick_sessions SET record = X'%x' WHERE id NOT IN (%s)", g, known))
		s.plant(g)
		for i, n := range s.nodes {
			if status, _ := n.answer("/show", token); status != http.StatusOK {
				t.Errorf("node %d, with %d bytes of garbage in both: status %d", i, len(g), status)
			}
		}
	}
	s.corruptFiles(token, garbage)
}

// plant puts garbage into all sessions that Redis has.
func (s *site) plant(garbage string) {
	s.t.Helper()
	keys := s.redis.Admin().Scan(s.t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(s.t.Context()) {
		s.must(s.redis.Admin().HSet(s.t.Context(), keys.Val(), "r", garbage).Err())
	}
	s.must(keys.Err())
}

// corruptFiles has a session changed without MariaDB, and the local files of all nodes overwritten.
func (s *site) corruptFiles(token string, garbage []string) {
	s.t.Helper()
	s.maria.Kill()
	for try := 0; ; try++ {
		if s.nodes[0].use(s.t.Context(), token, session.Optimistic, func(x *session.Session) error { return appendWord(x, "away") }) == nil {
			break
		}
		if try > 1000 {
			s.t.Fatal("nothing can be changed without MariaDB")
		}
		time.Sleep(10 * time.Millisecond)
	}
	files := 0
	for i, n := range s.nodes {
		s.must(filepath.WalkDir(n.dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || d.Name()[0] == '.' {
				return err
			}
			if info, err := d.Info(); err != nil || info.Size() == 0 {
				return err // a lock
			}
			files++
			return os.WriteFile(path, []byte(garbage[i%len(garbage)]), 0o600)
		}))
	}
	if files == 0 {
		s.t.Error("there are no local files")
	}
	s.maria.Restart()
	for begin := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		status, p, _, _ := s.nodes[1].get("/show", token)
		if status == http.StatusOK && len(p.Words) == 2 {
			return
		}
		if time.Since(begin) > time.Minute {
			s.t.Fatalf("with corrupt local files, and Redis as it was: status %d, words %q", status, p.Words)
		}
	}
}

// A session that is too large is refused before it is sent anywhere, and stays what it was.
func TestGiantSessions(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil, nil)
	token, n := s.login(), s.nodes[0]
	for _, size := range []int{64 << 10, 512 << 10, 1 << 20, 8 << 20, 64 << 20} {
		toMaria, _ := n.maria.Bytes()
		toRedis, _ := n.redis.Bytes()
		err := n.use(t.Context(), token, session.Optimistic, func(x *session.Session) error { return user.Set(x, strings.Repeat("x", size)) })
		m, _ := n.maria.Bytes()
		r, _ := n.redis.Bytes()
		sent := max(m-toMaria, r-toRedis)
		switch fits := size < 1<<20; {
		case fits && err != nil:
			t.Errorf("%d KiB: %v", size>>10, err)
		case !fits && !errors.Is(err, session.ErrTooLarge):
			t.Errorf("%d KiB: got %v, want %v", size>>10, err, session.ErrTooLarge)
		case !fits && sent > 100<<10:
			t.Errorf("%d KiB: refused after %d KiB were sent", size>>10, sent>>10)
		}
	}
	for i, n := range s.nodes {
		if status, p := n.answer("/show", token); status != http.StatusOK || len(p.User) != 512<<10 {
			t.Errorf("node %d: status %d, %d bytes", i, status, len(p.User))
		}
	}
}
