package sessiongin

import (
	"bufio"
	"net"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/nonstick-go/nonstick/core/session"
)

// Middleware gives the handlers after it their sessions. Put it before those that answer, and recovery before it, so
// that a panic stores nothing.
func Middleware(sessions *session.Manager) gin.HandlerFunc {
	return func(c *gin.Context) {
		rw, r := sessions.Wrap(c.Writer, c.Request)
		defer rw.Close()
		c.Writer, c.Request = &writer{c.Writer, rw}, r
		c.Next()
		// gin starts empty responses, and its own 404 and 405, behind the middleware's back.
		rw.Finish()
	}
}

// Get returns the session of the request; see session.Get, which does the same with c.Request.Context().
func Get(c *gin.Context, mode ...session.Mode) (*session.Session, error) {
	return session.Get(c.Request.Context(), mode...)
}

// Fail answers with session.Options.ErrorResponse, for a handler whose session could not be had, and keeps the handlers
// behind it from running.
func Fail(c *gin.Context, sessions *session.Manager, err error) {
	sessions.Fail(c.Writer, err)
	c.Abort()
}

// writer commits the session where gin's writer starts the response. WriteHeader does not: gin only notes the status.
type writer struct {
	gin.ResponseWriter
	rw *session.ResponseWriter
}

func (w *writer) Write(p []byte) (int, error) { return w.rw.Write(p) }

func (w *writer) WriteString(s string) (int, error) { return w.rw.WriteString(s) }

func (w *writer) WriteHeaderNow() {
	if w.rw.Start() == nil {
		w.ResponseWriter.WriteHeaderNow()
	}
}

func (w *writer) Flush() { w.rw.Flush() }

// FlushError tells http.ResponseController that the commit failed.
func (w *writer) FlushError() error { return w.rw.FlushError() }

func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.rw.Hijack() }

// Unwrap returns gin's writer, for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// RequireFresh lets requests pass whose visitors were authenticated within the last maxAge, with each of the methods; see
// session.Session.Fresh. For the others denied runs, which should ask for the password or for what is missing, and no handler
// behind it. Without it they get 401 Unauthorized. It goes behind Middleware.
func RequireFresh(sessions *session.Manager, maxAge time.Duration, denied gin.HandlerFunc, methods ...string) gin.HandlerFunc {
	return func(c *gin.Context) {
		s, err := sessions.Get(c.Request.Context())
		switch {
		case err != nil:
			Fail(c, sessions, err)
		case s.Fresh(maxAge, methods...):
		case denied == nil:
			c.AbortWithStatus(http.StatusUnauthorized)
		default:
			denied(c)
			c.Abort()
		}
	}
}
