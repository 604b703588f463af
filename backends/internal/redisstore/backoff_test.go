package redisstore_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/storeurl"
)

// A program whose password is wrong tries once a second, whatever its load, and at once again when one attempt worked.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := fmt.Errorf("dial: %w", redisstore.ServerError("WRONGPASS invalid username-password pair"))
		var b redisstore.Backoff
		attempt := func(outcome error) (dialed bool) {
			err := b.Attempt()
			if err == nil {
				err = outcome
				dialed = true
			}
			b.Note(err)
			if outcome != nil && !errors.Is(err, outcome) {
				t.Fatalf("got %v, want %v", err, outcome)
			}
			return dialed
		}
		count := func(d time.Duration, outcome error) (n int) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if attempt(outcome) {
					n++
				}
			}
			return n
		}
		if n := count(10*time.Second, refused); n != 10 {
			t.Errorf("%d attempts in ten seconds", n)
		}
		time.Sleep(time.Second)
		if !attempt(nil) {
			t.Error("there is no attempt after a second")
		}
		if n := count(time.Second, nil); n != 1000 {
			t.Errorf("%d of 1000 connections are made when all is well", n)
		}
	})
}

// Only what would end every connection alike is a reason to wait.
func TestBackoffReasons(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		err  error
		wait bool
	}{
		{redisstore.ServerError("WRONGPASS invalid username-password pair or user is disabled."), true},
		{redisstore.ServerError("NOAUTH Authentication required."), true},
		{redisstore.ServerError("ERR AUTH <password> called without any password configured for the default user."), true},
		{redisstore.ServerError("ERR DB index is out of range"), true},
		{redisstore.ServerError("DENIED Redis is running in protected mode"), true},
		{&storeurl.PasswordError{Err: errors.New("gone")}, true},
		{&tls.CertificateVerificationError{Err: errors.New("expired")}, true},
		{fmt.Errorf("dial: %w", tls.RecordHeaderError{Msg: "not TLS"}), true},
		{fmt.Errorf("read: %w", &net.OpError{Op: "remote error", Err: errors.New("tls: certificate required")}), true},
		{&net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, false},
		{redisstore.ServerError("NOPERM this user has no permissions to run the 'publish' command"), false},
		{redisstore.ServerError("LOADING Redis is loading the dataset in memory"), false},
		{redisstore.ServerError("ERR max number of clients reached"), false},
		{errors.New("connection refused"), false},
	} {
		var b redisstore.Backoff
		b.Note(test.err)
		if blocked, attempt := b.Blocked() != nil, b.Attempt() != nil; blocked != test.wait || attempt != test.wait {
			t.Errorf("%v: waits %v and %v, want %v", test.err, blocked, attempt, test.wait)
		}
	}
}
