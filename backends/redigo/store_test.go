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
