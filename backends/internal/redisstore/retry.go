package redisstore

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// How long to wait before a command is tried again.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 320 * time.Millisecond
)

// Retry makes a call to one of several servers, and makes it again, while the deadline is not near, after errors which tell
// that the command was not run and that will not last: until a replica has taken over, say. Whatever goes wrong with a
// connection is a reason to lookAround, without waiting for what that brings: servers may have changed their roles.
func Retry(ctx context.Context, call func() error, lookAround func()) error {
	err := call()
	for pause := firstPause; err != nil; pause *= 2 {
		refused, again := passing(err)
		if refused && !again || errors.Is(err, session.ErrClosed) {
			return err
		}
		lookAround()
		if end, ok := ctx.Deadline(); !again || pause > lastPause || ok && time.Until(end) < 2*pause {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		err = call()
	}
	return nil
}

// passing reports whether err is a refusal of the server, and whether it will pass and the command was certainly not run.
func passing(err error) (refused, again bool) {
	if fromServer, ok := errors.AsType[serverError](err); ok {
		switch newRefusal(fromServer.Error()) {
		case "CLUSTERDOWN", "TRYAGAIN", "MASTERDOWN", "LOADING", "READONLY":
			return true, true
		}
		return true, false
	}
	network, ok := errors.AsType[*net.OpError](err)
	return false, ok && network.Op == "dial"
}
