package sessionecho

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/nonstick-go/nonstick/core/session"
)

// Middleware gives the handlers after it their sessions. Put it before those that answer, and recovery before it, so
// that a panic stores nothing.
func Middleware(sessions *session.Manager) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			// echo's Before hooks miss responses that are empty, flushed first, hijacked or written to the raw writer.
			// The writer below echo's Response sees them all.
			response := c.Response()
			rw, r := sessions.Wrap(response.Writer, c.Request())
			defer rw.Close()
			response.Writer = rw
			c.SetRequest(r)
			err := next(c)
			if failed := rw.Start(); failed != nil { // keep the error handler and the log from taking it for a success
				response.Committed, response.Status = true, sessions.ErrorResponse(failed).Status
			} else if get, ok := errors.AsType[*session.Error](err); ok && session.StatusCode(get) == http.StatusServiceUnavailable {
				response.Header().Set(echo.HeaderRetryAfter, "1") // after the start of a response it is too late, and does no harm
			}
			return err
		}
	}
}

// Get returns the session of the request; see session.Get, which does the same with c.Request().Context().
func Get(c echo.Context, mode ...session.Mode) (*session.Session, error) {
	s, err := session.Get(c.Request().Context(), mode...)
	if err != nil {
		return nil, echo.NewHTTPError(session.StatusCode(err)).SetInternal(err)
	}
	return s, nil
}

// RequireFresh lets requests pass whose visitors were authenticated within the last maxAge, with each of the methods; see
// session.Session.Fresh. For the others denied runs, which should ask for the password or for what is missing. Without it they get
// 401 Unauthorized. It goes behind Middleware.
func RequireFresh(maxAge time.Duration, denied echo.HandlerFunc, methods ...string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			s, err := Get(c)
			switch {
			case err != nil:
				return err
			case s.Fresh(maxAge, methods...):
				return next(c)
			case denied == nil:
				return echo.ErrUnauthorized
			default:
				return denied(c)
			}
		}
	}
}
