package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
)

// failed turns the error of a command into one of the contract.
func failed(ctx context.Context, err error) error {
	if errors.Is(err, session.ErrClosed) {
		return session.ErrClosed
	}
	fromServer, ok := errors.AsType[serverError](err)
	switch {
	case ok && strings.Contains(fromServer.Error(), "WRONGTYPE"): // before Redis 7 the error of a script only quotes it
		return fmt.Errorf("%w: the key holds no hash", session.ErrCorrupt)
	case ok:
		err = fmt.Errorf("server answered %w", newRefusal(fromServer.Error()))
	default:
		err = discreet(err)
	}
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) { // a deadline surfaces as a timeout of the connection
		err = fmt.Errorf("%w: %w", ended, err)
	}
	return fmt.Errorf("%w: %w", session.ErrUnavailable, err)
}

// refusal is what is kept of a server's error: the word that it begins with, such as OOM or NOPERM. Servers and proxies
// like to quote in the rest what they were sent, which may be a key, a record or a password.
type refusal string

func newRefusal(text string) refusal {
	// The errors without a word of their own that an operator must tell apart.
	for _, known := range []string{
		"ERR max number of clients reached",
		"ERR DB index is out of range",
		"ERR unknown command",
		"ERR The user executing the script can't run this command", // missing permission, Redis 7.0
		"ERR ACL failure in script",                                // the same, later
	} {
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
