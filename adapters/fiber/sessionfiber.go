package sessionfiber

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/valyala/fasthttp"
)

// Middleware gives the handlers after it their sessions. Put it before those that answer, and recovery before it, so
// that a panic stores nothing.
//
// Fiber buffers a response, so the commit follows the handler; a body stream is written after it.
func Middleware(sessions *session.Manager) fiber.Handler {
	return func(c *fiber.Ctx) error {
		// The user context, not fasthttp's: that one ends when a graceful shutdown begins.
		x := sessions.Begin(c.UserContext(), requestHeader{c})
		defer x.Abort()
		c.SetUserContext(x.Context())
		err := c.Next()
		if failed := x.Commit(responseHeader{&c.Response().Header}); failed != nil {
			replace(c, sessions.ErrorResponse(failed))
			return nil
		}
		if get, ok := errors.AsType[*session.Error](err); ok && session.StatusCode(get) == http.StatusServiceUnavailable {
			c.Set(fiber.HeaderRetryAfter, "1")
		}
		return err
	}
}

// Get returns the session of the request; see session.Get, which does the same with c.UserContext().
func Get(c *fiber.Ctx, mode ...session.Mode) (*session.Session, error) {
	s, err := session.Get(c.UserContext(), mode...)
	if errors.Is(err, session.ErrNoMiddleware) { // the programmer's to see, on the first try
		return nil, err
	}
	if err != nil {
		return nil, &statusError{fiber.NewError(session.StatusCode(err)), err}
	}
	return s, nil
}

// RequireFresh lets requests pass whose visitors were authenticated within the last maxAge, with each of the methods; see
// session.Session.Fresh. For the others denied runs, which should ask for the password or for what is missing. Without it they get
// 401 Unauthorized. It goes behind Middleware.
func RequireFresh(maxAge time.Duration, denied fiber.Handler, methods ...string) fiber.Handler {
	return func(c *fiber.Ctx) error {
		s, err := Get(c)
		switch {
		case err != nil:
			return err
		case s.Fresh(maxAge, methods...):
			return c.Next()
		case denied == nil:
			return fiber.ErrUnauthorized
		default:
			return denied(c)
		}
	}
}

// replace sends r instead of what the handler has prepared.
func replace(c *fiber.Ctx, r session.Response) {
	for _, name := range session.HandlerHeaders() {
		c.Response().Header.Del(name)
	}
	c.Set(fiber.HeaderCacheControl, "no-store")
	c.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	c.Set(fiber.HeaderContentType, r.ContentType)
	if r.Status == http.StatusServiceUnavailable {
		c.Set(fiber.HeaderRetryAfter, "1")
	}
	c.Context().Hijack(nil)
	c.Status(r.Status).Response().SetBody(r.Body)
}

// statusError is rendered by fiber as its status, and still is its cause.
type statusError struct {
	status *fiber.Error
	cause  error
}

func (e *statusError) Error() string { return e.status.Message }

func (e *statusError) Unwrap() []error { return []error{e.status, e.cause} }

// requestHeader copies what it reads: fiber's strings are overwritten by the next request.
type requestHeader struct{ c *fiber.Ctx }

func (h requestHeader) Values(name string) []string {
	lines := h.c.Request().Header.PeekAll(name)
	values := make([]string, len(lines))
	for i, line := range lines {
		values[i] = string(line)
	}
	return values
}

func (h requestHeader) RequestLine() (method, path string) {
	return strings.Clone(h.c.Method()), strings.Clone(h.c.Path())
}

func (h requestHeader) RemoteAddr() string { return h.c.Context().RemoteAddr().String() }

type responseHeader struct{ *fasthttp.ResponseHeader }

func (h responseHeader) Get(name string) string { return string(h.Peek(name)) }
