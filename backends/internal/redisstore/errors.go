package redisstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/nonstick-go/nonstick/core/backoff"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/storeurl"
)

// failed turns the error of a command into one of the contract.
func (s *Store) failed(ctx context.Context, err error) error {
	if errors.Is(err, session.ErrClosed) || s.closed.Load() { // Close has closed the connection too
		return session.ErrClosed
	}
	hopeless := misconfigured(err)
	fromServer, ok := errors.AsType[serverError](err)
	switch {
	case ok && strings.Contains(fromServer.Error(), "WRONGTYPE"): // before Redis 7 the error of a script only quotes it
		return fmt.Errorf("%w: the key holds no hash", session.ErrCorrupt)
	case ok:
		refused := newRefusal(fromServer.Error())
		if err = fmt.Errorf("server answered %w", refused); refused.hint() != "" {
			err = fmt.Errorf("%w (%s)", err, refused.hint())
		}
		if refused == "MOVED" && s.counted { // a client for clusters follows it
			hopeless, err = true, fmt.Errorf("%w: it is a node of a cluster, whose URL begins with redis+cluster:// or rediss+cluster://", err)
		}
	default:
		err = discreet(err)
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) { // a deadline surfaces as a timeout of the connection
		err = fmt.Errorf("%w: %w", ended, err)
	}
	if hopeless {
		err = fmt.Errorf("%w: %w", session.ErrMisconfigured, err)
	}
	return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
}

// misconfigured reports whether an error is a refusal that only an operator can end: of the password, of a certificate, of
// a missing permission.
func misconfigured(err error) bool {
	if fromServer, ok := errors.AsType[serverError](err); ok {
		return newRefusal(fromServer.Error()).hint() != ""
	}
	return noConnection(err)
}

// NewGate returns a gate for connections that are to log in. Refusals of the password or a certificate close it; commands
// that are refused do not. Note may be called with the errors of both.
func NewGate() *backoff.Gate { return backoff.New(noConnection) }

// noConnection reports whether it is one that ends every attempt to make a connection.
func noConnection(err error) bool {
	if fromServer, ok := errors.AsType[serverError](err); ok {
		switch newRefusal(fromServer.Error()) {
		case "WRONGPASS", "NOAUTH", noPassword, noDatabase, protectedMode:
			return true
		}
		return false
	}
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Op == "remote error" {
		return true // package tls says so of a server that refuses our certificate, version or name
	}
	return is[*storeurl.PasswordError](err) || is[*tls.CertificateVerificationError](err) || is[tls.RecordHeaderError](err)
}

func is[E error](err error) bool { _, ok := errors.AsType[E](err); return ok }

// The errors without a word of their own that an operator must tell apart, by their beginnings.
const (
	maxClients        = "ERR max number of clients reached"
	noDatabase        = "ERR DB index is out of range"
	noCommand         = "ERR unknown command"
	noPassword        = "ERR AUTH <password> called without any password configured"
	noPermission      = "ERR The user executing the script can't run this command" // Redis 7.0
	noPermissionLater = "ERR ACL failure in script"
	protectedMode     = "DENIED"
)

// refusal is what is kept of a server's error: the word that it begins with, such as OOM or NOPERM. Servers and proxies
// like to quote in the rest what they were sent, which may be a key, a record or a password.
type refusal string

func newRefusal(text string) refusal {
	for _, known := range []string{maxClients, noDatabase, noCommand, noPassword, noPermission, noPermissionLater} {
		if strings.HasPrefix(text, known) {
			return refusal(known)
		}
	}
	code, _, _ := strings.Cut(text, " ")
	if strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		code = "an error"
	}
	return refusal(code)
}

// hint tells an operator what is wrong, for refusals that only one can end.
func (r refusal) hint() string {
	switch r {
	case "WRONGPASS":
		return "the user or the password is wrong"
	case "NOAUTH":
		return "it wants a password"
	case noPassword:
		return "it has no password, and got one"
	case "NOPERM", noPermission, noPermissionLater:
		return "the user lacks a permission; see the package documentation"
	case noDatabase:
		return "it has fewer databases"
	case noCommand:
		return "it is too old, or the command was renamed"
	case protectedMode:
		return "it is in protected mode"
	}
	return ""
}

// Error returns the word.
func (r refusal) Error() string { return string(r) }

// RedisError makes it a redis.Error of go-redis, so that its HasErrorPrefix finds the word.
func (refusal) RedisError() {}

// discreet returns an error that is not the server's, or the beginning of its text if the rest quotes what the server
// said: go-redis does that with what it does not understand.
func discreet(err error) error {
	before, _, quotes := strings.Cut(err.Error(), `"`)
	if !quotes {
		return err
	}
	return errors.New(strings.TrimRight(before, " :=("))
}
