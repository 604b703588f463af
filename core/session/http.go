package session

import (
	"errors"
	"net/http"
)

// Middleware gives the requests to next their sessions. Wrap the whole application with it: a request that does not ask
// for its session costs nothing.
//
//	http.ListenAndServe(addr, sessions.Middleware(mux))
//
// Against requests that another site makes a browser send (CSRF), net/http has what is needed, and the adapters use it too:
//
//	sessions.Middleware(http.NewCrossOriginProtection().Handler(mux))
//
// The session is committed when the response starts: at the first WriteHeader, Write, ReadFrom, Flush or Hijack, or
// when the handler returns. Informational responses such as 103 Early Hints pass without. If the commit fails, the
// response becomes Options.ErrorResponse and what the handler writes is dropped. If the handler panics, nothing is stored.
func (m *Manager) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rw, r := m.Wrap(w, r)
		defer rw.Close()
		next.ServeHTTP(rw, r)
		rw.Finish()
	})
}

// Wrap returns the request with a session to Get, and the writer that commits it; for adapters of frameworks that are
// built on net/http. After the handler, Finish commits a response that was not started, and Close, deferred, drops the
// changes of a handler that panicked:
//
//	rw, r := sessions.Wrap(w, r)
//	defer rw.Close()
//	next.ServeHTTP(rw, r)
//	rw.Finish()
func (m *Manager) Wrap(w http.ResponseWriter, r *http.Request) (*ResponseWriter, *http.Request) {
	rw := &ResponseWriter{inner: w}
	rw.x.begin(r.Context(), m, httpRequest{r})
	return rw, r.WithContext(rw.x.Context())
}

// httpRequest is a RequestHeader, a RequestLine and a RequestPeer.
type httpRequest struct{ r *http.Request }

func (h httpRequest) Values(name string) []string { return h.r.Header.Values(name) }

func (h httpRequest) RemoteAddr() string { return h.r.RemoteAddr }

func (h httpRequest) RequestLine() (method, path string) { return h.r.Method, h.r.URL.Path }

// plainResponse is the default of Options.ErrorResponse.
func plainResponse(err error) Response {
	status, why := StatusCode(err), "the session store does not answer, please try again"
	switch {
	case errors.Is(err, ErrNotFound):
		why = "the session has ended"
	case errors.Is(err, ErrTooManySessions):
		why = "there are too many sessions of this user, one must end first"
	case errors.Is(err, ErrClosed):
		why = "the server is shutting down"
	case errors.Is(err, ErrConflict):
		why = "the session was changed by another request, please try again"
	case errors.Is(err, ErrLocked), errors.Is(err, ErrLockLost):
		why = "the session is in use by another request, please try again"
	case errors.Is(err, ErrBot):
		why = "this page is for people"
	case status == http.StatusInternalServerError:
		why = "the session cannot be used"
	}
	text := http.StatusText(status) + ": " + why + "\n"
	return Response{Status: status, ContentType: "text/plain; charset=utf-8", Body: []byte(text)}
}
