package fallback_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/session"
)

// kept is a Store that its Manager cannot close.
type kept struct{ *fallback.Store }

func (kept) Close() error { return nil }

// visit sends a request of a visitor, who keeps his cookie, to a node, and returns the status.
func visit(m *session.Manager, cookie *string, use func(*session.Session)) int {
	r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
	r.Header.Set("Cookie", *cookie)
	m.Middleware(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := session.Get(r.Context())
		if err != nil {
			w.WriteHeader(session.StatusCode(err))
			return
		}
		use(s)
	})).ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		*cookie = c.Name + "=" + c.Value
	}
	return w.Code
}

func sealings() map[string]session.Options {
	return map[string]session.Options{
		"none":  {},
		"gzip":  {Compression: session.Compression{Method: new(session.Gzip), Threshold: -1}},
		"key":   {Encryption: session.Encryption{Keys: []session.Secret{bytes.Repeat([]byte("k"), 32)}}},
		"token": {Encryption: session.Encryption{Keys: []session.Secret{bytes.Repeat([]byte("k"), 32)}, Token: true}},
	}
}

// Two nodes change one session while neither store answers. What they have made of it is merged key by key, compressed or
// encrypted as it is; where that takes the visitor's token, the later one is kept and the other is a dead letter. And no
// store ever has anything that can be read.
func TestSealedBranchesAreMerged(t *testing.T) {
	t.Parallel()
	for name, o := range sealings() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { mergeSealed(t, name, o) })
		})
	}
}

func mergeSealed(t *testing.T, name string, o session.Options) {
	s := newSite(t, fallback.Options{})
	defer s.close()
	o.Observer, o.ReadTimeout, o.CommitTimeout = session.Silent{}, time.Second, time.Second
	var nodes [2]*session.Manager
	for i := range nodes {
		m, err := session.New(kept{s.nodes[i]}, o)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		nodes[i] = m
	}
	cookie := ""
	text := func(name string) session.Key[string] { return session.NewKey[string](name) }
	set := func(node int, key, value string) {
		t.Helper()
		if status := visit(nodes[node], &cookie, func(s *session.Session) { _ = text(key).Set(s, value) }); status != http.StatusOK {
			t.Fatalf("node %d, %s: status %d", node, key, status)
		}
	}
	both := strings.Repeat("wonderland ", 20)
	set(0, "both", "first")
	for i := range nodes { // both have seen it
		visit(nodes[i], &cookie, func(*session.Session) {})
	}
	s.away(s.fast, s.durable)
	set(1, "both", "earlier "+both)
	set(1, "only1", both)
	time.Sleep(10 * time.Millisecond)
	set(0, "both", "later "+both)
	set(0, "only0", both)
	s.back()

	want := []string{"both", "only0", "only1"}
	if name == "token" {
		want = []string{"both", "only0"}
	}
	for i := range nodes {
		visit(nodes[i], &cookie, func(s *session.Session) {
			if names := s.Names(); !slices.Equal(names, want) || text("both").Get(s) != "later "+both || text("only0").Get(s) != both {
				t.Errorf("node %d: got %q, want %q and what is later of both", i, names, want)
			}
		})
	}
	set(1, "both", "at last")
	visit(nodes[0], &cookie, func(s *session.Session) {
		if got := text("both").Get(s); got != "at last" {
			t.Errorf("afterwards: got %q", got)
		}
	})
	letters := 0
	for _, n := range s.nodes {
		for letter, err := range n.DeadLetters(context.Background()) {
			letters++
			if readable := bytes.Contains(letter.Payload, []byte("earlier wonderland")); err != nil || readable != (name != "token") {
				t.Errorf("a dead letter says %.40q, error %v", letter.Payload, err)
			}
		}
	}
	if letters != 1 {
		t.Errorf("%d dead letters, want 1", letters)
	}
	if name != "none" && name != "gzip" {
		unreadable(t, s)
	}
}

// unreadable fails if the local stores show what is in a session.
func unreadable(t *testing.T, s *site) {
	t.Helper()
	records := 0
	for _, local := range s.local {
		for id, err := range local.List(context.Background()) {
			rec, err2 := local.Read(context.Background(), id)
			if err != nil || err2 != nil {
				continue
			}
			records++
			if bytes.Contains(rec.Payload, []byte("d29uZGVybGFuZ")) || bytes.Contains(rec.Payload, []byte("wonder")) {
				t.Error("a local store has something that can be read")
			}
		}
	}
	if records == 0 {
		t.Error("there is nothing to look at")
	}
}

// A node that has branches waits with them until there is a Manager that can open them.
func TestSealedBranchWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t, fallback.Options{})
		defer s.close()
		o := sealings()["key"]
		o.Observer = session.Silent{}
		envelope := func(i int) *session.Manager {
			m, err := session.New(kept{s.nodes[i]}, o)
			if err != nil {
				t.Fatal(err)
			}
			return m
		}
		first, second := envelope(0), envelope(1)
		cookie, key := "", session.NewKey[string]("key")
		set := func(m *session.Manager, value string) {
			visit(m, &cookie, func(s *session.Session) { _ = session.NewKey[string](value).Set(s, value) })
		}
		set(first, "root")
		visit(second, &cookie, func(s *session.Session) { key.Get(s) })
		s.away(s.fast, s.durable)
		set(second, "two")
		set(first, "one")
		_ = first.Close()
		_ = s.nodes[0].Close()
		s.back() // the other node carries its branch back
		s.start(0, fallback.Options{})
		time.Sleep(20 * time.Second) // without a Manager
		if open := s.nodes[0].Status().Open; open != 1 {
			t.Errorf("%d branches are left without a Manager, want 1", open)
		}
		first = envelope(0)
		time.Sleep(10 * time.Second)
		if open := s.nodes[0].Status().Open; open != 0 {
			t.Errorf("%d branches are left, want 0", open)
		}
		visit(second, &cookie, func(s *session.Session) {
			if names := s.Names(); !slices.Equal(names, []string{"one", "root", "two"}) {
				t.Errorf("got %q", names)
			}
		})
		_, _ = first.Close(), second.Close()
	})
}
