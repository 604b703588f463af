package sessiontest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// ok ends the case unless err is nil.
func (p *probe) ok(what string, err error) {
	if err != nil {
		p.fatalf("%s: got error %q, want none", what, err)
	}
}

// want ends the case unless err is the given answer of the contract, and no other one at the same time.
func (p *probe) want(what string, err, answer error) {
	if err == nil {
		p.fatalf("%s: got no error, want %q", what, answer)
	}
	if !errors.Is(err, answer) {
		p.fatalf("%s: got error %q, want %q", what, err, answer)
	}
	for _, other := range answers() {
		if other != answer && errors.Is(err, other) {
			p.fatalf("%s: the error %q is both %q and %q", what, err, answer, other)
		}
	}
}

// refused ends the case unless err is want, and what comes with it, if anything, is the stored record.
func (p *probe) refused(what string, err, answer error, stored session.Record) {
	p.want(what, err, answer)
	if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
		if diff := difference(conflict.Newest, stored); diff != "" {
			p.fatalf("%s: ConflictError.Newest is not what is stored: %s", what, diff)
		}
	}
}

// stored ends the case unless Read returns want.
func (p *probe) stored(h session.Handler, id session.ID, want session.Record) {
	got, err := h.Read(p.ctx, id)
	p.ok("Read", err)
	if diff := difference(got, want); diff != "" {
		p.fatalf("Read: %s", diff)
	}
}

// gone ends the case unless the session is absent.
func (p *probe) gone(when string, h session.Handler, id session.ID) {
	_, err := h.Read(p.ctx, id)
	p.want("Read "+when, err, session.ErrNotFound)
}

// touch calls Touch. A Handler without it is the business of the case "capabilities".
func (p *probe) touch(ctx context.Context, h session.Handler, id session.ID, rec session.Record) error {
	if t, ok := h.(session.Toucher); ok {
		return t.Touch(ctx, id, rec)
	}
	return fmt.Errorf("the Handler is no Toucher: %w", errors.ErrUnsupported)
}

// inTime runs try with a growing span of time until try reports that the machine was fast enough for its result to
// mean something.
func (p *probe) inTime(try func(span time.Duration) bool) {
	for span := 150 * time.Millisecond; span < 10*time.Second; span *= 2 {
		if try(span) {
			return
		}
	}
	p.fatalf("calls take too long to tell whether deadlines are kept")
}

// answers returns the errors that have a meaning in the contract.
func answers() []error {
	return []error{session.ErrNotFound, session.ErrExists, session.ErrConflict, session.ErrUnavailable, session.ErrTooLarge,
		session.ErrCorrupt, session.ErrClosed, session.ErrLocked, session.ErrLockLost}
}

// difference describes how got differs from want, or returns "". It shows no payload, which may be a megabyte.
func difference(got, want session.Record) string {
	switch {
	case got.Version != want.Version:
		return fmt.Sprintf("version is %x, want %x", got.Version, want.Version)
	case !sameMilli(got.Created, want.Created):
		return fmt.Sprintf("Created is %v, want %v", got.Created, want.Created)
	case !sameMilli(got.Seen, want.Seen):
		return fmt.Sprintf("Seen is %v, want %v", got.Seen, want.Seen)
	case !sameMilli(got.Expires, want.Expires):
		return fmt.Sprintf("Expires is %v, want %v", got.Expires, want.Expires)
	case got.TTL.Milliseconds() != want.TTL.Milliseconds():
		return fmt.Sprintf("TTL is %v, want %v", got.TTL, want.TTL)
	case got.Successor != want.Successor:
		return "Successor is another one"
	case !bytes.Equal(got.Payload, want.Payload):
		return fmt.Sprintf("payload (%d bytes) is not the expected one (%d bytes)", len(got.Payload), len(want.Payload))
	}
	return ""
}

// sameMilli compares times as records keep them. The zero time is only like itself.
func sameMilli(a, b time.Time) bool {
	return a.IsZero() == b.IsZero() && a.UnixMilli() == b.UnixMilli()
}
