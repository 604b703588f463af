package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// sentinels are all of the package, with their status.
var sentinels = []struct {
	err    error
	status int
}{
	{session.ErrNotFound, http.StatusConflict},
	{session.ErrExists, http.StatusInternalServerError},
	{session.ErrConflict, http.StatusServiceUnavailable},
	{session.ErrUnavailable, http.StatusServiceUnavailable},
	{session.ErrTooLarge, http.StatusInternalServerError},
	{session.ErrCorrupt, http.StatusInternalServerError},
	{session.ErrClosed, http.StatusServiceUnavailable},
	{session.ErrReadOnly, http.StatusInternalServerError},
	{session.ErrCommitted, http.StatusInternalServerError},
	{session.ErrNoMiddleware, http.StatusInternalServerError},
}

func TestStatusCode(t *testing.T) {
	t.Parallel()
	if got := session.StatusCode(nil); got != http.StatusOK {
		t.Errorf("no error: %d", got)
	}
	cases := append(sentinels[:len(sentinels):len(sentinels)], []struct {
		err    error
		status int
	}{
		{context.Canceled, http.StatusServiceUnavailable},
		{context.DeadlineExceeded, http.StatusServiceUnavailable},
		{errors.New("anything"), http.StatusInternalServerError},
		{io.ErrUnexpectedEOF, http.StatusInternalServerError},
		{fmt.Errorf("%w: %w", session.ErrUnavailable, io.ErrUnexpectedEOF), http.StatusServiceUnavailable},
		{fmt.Errorf("%w: %w", session.ErrUnavailable, session.ErrCorrupt), http.StatusServiceUnavailable},
		{&session.ConflictError{Err: session.ErrConflict}, http.StatusServiceUnavailable},
		{&session.ConflictError{Err: session.ErrExists}, http.StatusInternalServerError},
	}...)
	for _, c := range cases {
		for _, err := range []error{
			c.err, &session.Error{Op: "commit", Err: c.err}, fmt.Errorf("handler: %w", &session.Error{Op: "read", Err: c.err}),
			errors.Join(errors.New("something else"), c.err),
		} {
			if got := session.StatusCode(err); got != c.status {
				t.Errorf("%v: %d, want %d", err, got, c.status)
			}
		}
	}
}

func TestErrorsUnwrap(t *testing.T) {
	t.Parallel()
	cause := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	for _, s := range sentinels {
		var err error = &session.Error{Op: "read", Err: fmt.Errorf("%w: %w", s.err, cause)}
		err = fmt.Errorf("profile: %w", err)
		for _, other := range sentinels {
			if errors.Is(err, other.err) != (other.err == s.err) {
				t.Errorf("errors.Is(%v, %v) is wrong", err, other.err)
			}
		}
		if e, ok := errors.AsType[*session.Error](err); !ok || e.Op != "read" {
			t.Errorf("%v is no *Error of read", err)
		}
		if got, ok := errors.AsType[*net.OpError](err); !ok || got != cause {
			t.Errorf("%v has lost its cause", err)
		}
		if want := "profile: session: read: " + s.err.Error() + ": dial tcp: connection refused"; err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for _, sentinel := range []error{session.ErrConflict, session.ErrExists} {
		err := &session.Error{Op: "commit", Err: &session.ConflictError{Err: sentinel, Newest: sampleRecord()}}
		if !errors.Is(err, sentinel) || errors.Is(err, session.ErrNotFound) {
			t.Errorf("%v is not its sentinel", err)
		}
		c, ok := errors.AsType[*session.ConflictError](err)
		if !ok || !equalRecords(c.Newest, sampleRecord()) {
			t.Errorf("%v has lost the record", err)
		}
		if want := "session: commit: " + sentinel.Error(); err.Error() != want || fmt.Sprintf("%+v", err) != want {
			t.Errorf("%+v, want %s", err, want)
		}
	}
}

// Whatever goes wrong, the error that the program gets names what was attempted, no id, and has the status that fits.
func TestErrorsOfAProgram(t *testing.T) {
	t.Parallel()
	store := &keyed{Store: memstore.New(nil)}
	m := newManager(t, store, session.Options{MaxBytes: 1000, ReadTimeout: time.Second})
	v := newVisitor(t, m)
	v.do(func(s *session.Session) { _ = user.Set(s, "alice") })
	_, token, _ := strings.Cut(v.cookie, "=")
	channel := session.NewKey[chan int]("channel")
	nameless, long := session.NewKey[int](""), session.NewKey[int](strings.Repeat("k", 256))
	for _, c := range []struct {
		name   string
		use    func(*session.Session) error // nil: the error of the commit
		mode   session.Mode
		op     string
		is     error
		status int
	}{
		{"not encodable", func(s *session.Session) error { return channel.Set(s, nil) }, session.Optimistic, "set", nil, 500},
		{"not encodable by Update", func(s *session.Session) error {
			return channel.Update(s, func(c chan int) chan int { return c })
		}, session.Optimistic, "update", nil, 500},
		{"no name", func(s *session.Session) error { return nameless.Set(s, 1) }, session.Optimistic, "set", nil, 500},
		{"long name", func(s *session.Session) error { return long.Set(s, 1) }, session.Optimistic, "set", nil, 500},
		{"read-only set", func(s *session.Session) error { return count.Set(s, 1) }, session.ReadOnly, "set", session.ErrReadOnly, 500},
		{"read-only renew", (*session.Session).Renew, session.ReadOnly, "renew", session.ErrReadOnly, 500},
		{"read-only destroy", (*session.Session).Destroy, session.ReadOnly, "destroy", session.ErrReadOnly, 500},
		{"too large", func(s *session.Session) error { return user.Set(s, strings.Repeat("x", 1000)) },
			session.Optimistic, "commit", session.ErrTooLarge, 500},
	} {
		var err error
		res := v.do(func(s *session.Session) { err = c.use(s) }, c.mode)
		if res.StatusCode != c.status {
			t.Errorf("%s: %s, want %d", c.name, res.Status, c.status)
		}
		if c.op == "commit" {
			if err != nil {
				t.Errorf("%s: %v before the commit", c.name, err)
			}
			continue
		}
		e, ok := errors.AsType[*session.Error](err)
		if !ok || e.Op != c.op || c.is != nil && !errors.Is(err, c.is) || session.StatusCode(err) != c.status {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, form := range append(idForms(store.ids[0]), token, "alice") {
			if strings.Contains(err.Error(), form) {
				t.Errorf("%s: %v shows %q", c.name, err, form)
			}
		}
	}
}
