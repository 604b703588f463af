package redisstore_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"testing"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
	"github.com/nonstick-go/nonstick/core/storeurl"
)

// Only what would end every connection alike is a reason to wait.
func TestGate(t *testing.T) {
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
		g := redisstore.NewGate()
		g.Note(test.err)
		if blocked, attempt := g.Blocked() != nil, g.Attempt() != nil; blocked != test.wait || attempt != test.wait {
			t.Errorf("%v: waits %v and %v, want %v", test.err, blocked, attempt, test.wait)
		}
	}
}
