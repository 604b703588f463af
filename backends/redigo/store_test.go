package redigo_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
)

var (
	_ session.Handler = (*redigo.Store)(nil)
	_ session.Toucher = (*redigo.Store)(nil)
	_ session.Locker  = (*redigo.Store)(nil)
	_ session.Pinger  = (*redigo.Store)(nil)
)

// nobody is an address where nobody listens.
const nobody = "127.0.0.1:1"

func dialNobody() (redis.Conn, error) { return redis.Dial("tcp", nobody) }

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := &redis.Pool{Dial: dialNobody}
	for name, c := range map[string]struct {
		pool redigo.Pool
		opts *redigo.Options
		want string // in the error; "" for none
	}{
		"good":      {good, nil, ""},
		"no pool":   {nil, nil, "the pool is nil"},
		"nil pool":  {(*redis.Pool)(nil), nil, "cannot dial"},
		"no dial":   {&redis.Pool{}, nil, "cannot dial"},
		"hash tag":  {good, &redigo.Options{Prefix: "{a}"}, "must not hold braces"},
		"MaxBytes":  {good, &redigo.Options{MaxBytes: -1}, "MaxBytes must be between"},
		"too large": {good, &redigo.Options{MaxBytes: 1 << 30}, "MaxBytes must be between"},
	} {
		s, err := redigo.New(c.pool, c.opts)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v and error %v, want %q", name, s, err, c.want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"redis://:S3CRET@h?unknown=S3CRET":  "unknown parameter unknown; known are",
		"redis://:S3CRET@h?prefix={S3CRET}": "must not hold braces",
		"redis+cluster://:S3CRET@h/1":       "no database but 0",
		"redis+sentinel://:S3CRET@h":        "name by which the sentinels know the master",
		"redis://:S3/CRET@h":                "cannot be parsed",
		"memory://":                         "no backend is registered",
	} {
		s, err := redigo.Open(rawURL)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: got %v and error %v, want %q", rawURL, s, err, want)
		}
	}
}

// A Store that cannot reach its server says so, whatever there should be, in time, and is closed in the end.
func TestWithoutServer(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func() (*redigo.Store, error){
		"one server": func() (*redigo.Store, error) { return redigo.Open("redis://" + nobody) },
		"cluster":    func() (*redigo.Store, error) { return redigo.Open("redis+cluster://" + nobody + ",127.0.0.1:2") },
		"sentinel":   func() (*redigo.Store, error) { return redigo.Open("redis+sentinel://" + nobody + "/main") },
		"unix":       func() (*redigo.Store, error) { return redigo.Open("redis+unix:///no/such/socket") },
		"pool":       func() (*redigo.Store, error) { return redigo.New(&redis.Pool{Dial: dialNobody}, nil) },
	} {
		s, err := open()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rec := session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		calls := func() map[string]error {
			ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
			defer cancel()
			_, read := s.Read(ctx, session.ID{1})
			_, late := s.Read(cancelled, session.ID{1})
			_, lock := s.Acquire(ctx, session.ID{1}, session.LockRequest{Token: session.LockToken{1}, Lease: time.Minute, Wait: time.Minute})
			return map[string]error{
				"read": read, "cancelled": late, "acquire": lock, "write": s.Write(ctx, session.ID{1}, rec, session.Version{}),
				"touch": s.Touch(ctx, session.ID{1}, rec), "destroy": s.Destroy(ctx, session.ID{1}), "ping": s.Ping(ctx),
			}
		}
		for op, err := range calls() {
			if !errors.Is(err, session.ErrUnavailable) || errors.Is(err, session.ErrMisconfigured) {
				t.Errorf("%s, %s: got error %v, want %v", name, op, err, session.ErrUnavailable)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
		for op, err := range calls() {
			if !errors.Is(err, session.ErrClosed) {
				t.Errorf("%s, %s after Close: got error %v, want %v", name, op, err, session.ErrClosed)
			}
		}
	}
}

func TestRedirection(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct{ kind, to string }{
		"MOVED 3999 127.0.0.1:6381":   {"MOVED", "127.0.0.1:6381"},
		"ASK 3999 node.example.com:1": {"ASK", "node.example.com:1"},
		"MOVED 3999 ::1:6381":         {"MOVED", "[::1]:6381"},
		"MOVED 3999 [::1]:6381":       {"MOVED", "[::1]:6381"},
		"MOVED 3999 :6381":            {"MOVED", "10.0.0.1:6381"}, // the node does not know its own name
		"MOVED 3999":                  {},
		"MOVED 3999 127.0.0.1":        {},
		"MOVED 3999 127.0.0.1:x":      {},
		"MOVED 3999 127.0.0.1:99999":  {},
		"MOVED 3999 :":                {},
		"CLUSTERDOWN a b":             {},
		"":                            {},
	} {
		kind, to, ok := redigo.Redirection(text, "10.0.0.1:7000")
		if kind != want.kind || to != want.to || ok != (want.kind != "") {
			t.Errorf("%q: got %q, %q, %v, want %q, %q", text, kind, to, ok, want.kind, want.to)
		}
	}
}

// FuzzRedirection looks for a panic.
func FuzzRedirection(f *testing.F) {
	f.Add("MOVED 1 a:1", "b:2")
	f.Add("ASK 1 :1", "[::1]:2")
	f.Fuzz(func(t *testing.T, text, from string) {
		if !strings.Contains(from, ":") {
			return // our own addresses all have ports
		}
		if _, to, ok := redigo.Redirection(text, from); ok && !strings.Contains(to, ":") {
			t.Errorf("%q leads to %q", text, to)
		}
	})
}

// The values are those of the specification of Redis Cluster, and of CLUSTER KEYSLOT.
func TestSlot(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]int{"123456789": 0x31C3 % 16384, "": 0, "foo": 12182, "bar": 5061, "hello": 866} {
		if got := redigo.Slot(key); got != want {
			t.Errorf("%q: got slot %d, want %d", key, got, want)
		}
	}
}
