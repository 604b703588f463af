package sessiontest_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// defect is what is wrong with a middleware for net/http that is right otherwise.
type defect string

// adapterHarness serves applications behind the middleware with the defect.
func adapterHarness(d defect) sessiontest.AdapterHarness {
	return sessiontest.AdapterHarness{
		Writers: 1, EarlyHints: true, Upgrade: true, Protect: true,
		Serve: func(l net.Listener, app sessiontest.App) (func(context.Context) error, error) {
			running, stop := context.WithCancel(context.Background())
			mux := http.NewServeMux()
			for _, route := range app.Routes {
				mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
					render(w, route.Handle(mutantCall{sessiontest.HTTPCall{W: w, R: r}, d}))
				})
			}
			handler := http.Handler(mux)
			for _, layer := range slices.Backward(app.Layers) {
				handler = wrapLayer(running, d, layer, handler)
			}
			shutdown, err := sessiontest.ServeHTTP(l, handler)
			return func(ctx context.Context) error { stop(); return shutdown(ctx) }, err
		},
	}
}

func wrapLayer(running context.Context, d defect, layer sessiontest.Layer, next http.Handler) http.Handler {
	switch {
	case layer.Sessions != nil:
		return (&mutantMiddleware{defect: d, sessions: layer.Sessions, running: running}).wrap(next)
	case layer.Protect:
		if d == "cross-origin requests pass" {
			return next
		}
		return http.NewCrossOriginProtection().Handler(next)
	case layer.Recover:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer func() {
				if recover() != nil {
					w.WriteHeader(http.StatusInternalServerError)
				}
			}()
			next.ServeHTTP(w, r)
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call := mutantCall{sessiontest.HTTPCall{W: w, R: r}, d}
		render(w, layer.Handle(call, func() error { next.ServeHTTP(w, r); return nil }))
	})
}

func render(w http.ResponseWriter, err error) {
	if status, ok := errors.AsType[*sessiontest.StatusError](err); ok {
		http.Error(w, status.Text, status.Code)
	} else if err != nil {
		http.Error(w, "failed", http.StatusInternalServerError)
	}
}

// mutantCall finds its session without help of the request's context.
type mutantCall struct {
	sessiontest.HTTPCall
	defect
}

func (c mutantCall) Session(mode ...session.Mode) (*session.Session, error) {
	w := c.writer()
	switch {
	case w == nil && c.defect == "a missing middleware is not told":
		return nil, errors.New("session is nil")
	case w == nil:
		return nil, &session.Error{Op: "get", Err: session.ErrNoMiddleware}
	case c.defect == "the mode is ignored":
		mode = nil
	case c.defect == "the first mode counts":
		w.modes = append(w.modes, mode)
		mode = w.modes[0]
	case c.defect == "every Get has its own session" && w.asked:
		w.x = w.sessions.Begin(c.R.Context(), w.r.Header)
	}
	w.asked = true
	s, err := w.x.Get(mode...)
	switch {
	case err == nil:
		w.unknown = w.unknown || s.IsNew()
	case c.defect == "load error deletes the cookie" && errors.Is(err, session.ErrUnavailable):
		c.W.Header().Set("Set-Cookie", "__Host-session=; Path=/; Max-Age=0")
	case c.defect == "load error gives an anonymous session" && errors.Is(err, session.ErrUnavailable):
		w.x = w.sessions.Begin(c.R.Context(), http.Header{})
		return w.x.Get(mode...)
	}
	return s, err
}

func (c mutantCall) writer() *mutantWriter {
	for w := c.W; ; {
		switch inner := w.(type) {
		case *mutantWriter:
			return inner
		case limitedWriter:
			return inner.mutantWriter
		case interface{ Unwrap() http.ResponseWriter }:
			w = inner.Unwrap()
		default:
			return nil
		}
	}
}

// mutantWriter is the writer of the middleware.
type mutantWriter struct {
	http.ResponseWriter
	*mutantMiddleware
	r       *http.Request
	x       *session.Exchange
	asked   bool
	modes   [][]session.Mode
	unknown bool // the visitor's token is none of ours
	started bool
	err     error
	sent    bool
}

func (w *mutantWriter) WriteHeader(status int) {
	if status < 200 && status != 101 && w.defect != "103 starts the response" {
		w.ResponseWriter.WriteHeader(status)
		return
	}
	if w.defect != "only Write commits" {
		w.start()
	}
	if w.err == nil || w.defect == "failed commit does not drop the status" {
		w.ResponseWriter.WriteHeader(status)
	}
}

func (w *mutantWriter) Write(p []byte) (int, error) {
	if w.start(); w.err != nil && w.defect != "failed commit does not drop the body" {
		return len(p), nil
	}
	return w.ResponseWriter.Write(p)
}

func (w *mutantWriter) ReadFrom(src io.Reader) (int64, error) {
	if w.defect == "ReadFrom is hidden" {
		return io.Copy(struct{ io.Writer }{w}, src)
	}
	if w.defect != "ReadFrom does not commit" {
		w.start()
	}
	if w.err != nil {
		return io.Copy(io.Discard, src)
	}
	return io.Copy(w.ResponseWriter, src)
}

func (w *mutantWriter) Flush() { _ = w.FlushError() }

func (w *mutantWriter) FlushError() error {
	control := http.NewResponseController(w.ResponseWriter)
	switch w.defect {
	case "Flush is dropped":
		return nil
	case "Flush does not commit", "only Write commits":
		return control.Flush()
	}
	if w.start(); w.err != nil && w.defect == "failed stream is not ended" {
		return nil
	} else if w.err != nil {
		w.Header().Set("Connection", "close")
		w.replace()
		return errors.Join(w.err, control.Flush())
	}
	return control.Flush()
}

func (w *mutantWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if w.defect != "Hijack does not commit" {
		w.start()
	}
	if w.err != nil && w.defect != "Hijack ignores a failed commit" {
		return nil, nil, w.err
	}
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

func (w *mutantWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// limitedWriter has no Unwrap.
type limitedWriter struct {
	*mutantWriter
	Unwrap struct{}
}

// start commits the session.
func (w *mutantWriter) start() {
	if w.started || w.defect == "commit follows the handler" {
		return
	}
	w.commit()
}

func (w *mutantWriter) commit() {
	if w.started {
		return
	}
	w.started = true
	if w.defect == "commit ends with the connection" && w.r.Context().Err() != nil {
		w.x.Abort()
		return
	}
	h := w.Header()
	before := h.Clone()
	w.err = w.x.Commit(h)
	w.spoil(h, before)
	if w.err != nil {
		w.clean(h)
	}
}

// clean removes what the handler has said about its response.
func (w *mutantWriter) clean(h http.Header) {
	kept := map[defect]string{
		"failed commit keeps Location": "Location", "failed commit keeps Set-Cookie": "Set-Cookie",
		"failed commit keeps Content-Encoding": "Content-Encoding", "failed commit keeps ETag": "Etag",
		"failed commit keeps Content-Length": "Content-Length",
	}[w.defect]
	for _, name := range session.HandlerHeaders() {
		if name != kept {
			h.Del(name)
		}
	}
	if w.defect == "failed commit drops CORS" {
		h.Del("Access-Control-Allow-Origin")
	}
}

// replace sends the error response.
func (w *mutantWriter) replace() {
	if w.sent || w.err == nil {
		return
	}
	w.sent = true
	response := w.sessions.ErrorResponse(w.err)
	if w.defect == "failed commit is always 500" {
		response.Status = http.StatusInternalServerError
	}
	if w.defect == "failed commit ignores ErrorResponse" {
		response = session.Response{Status: session.StatusCode(w.err), ContentType: "text/plain", Body: []byte("sorry")}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	if w.defect != "failed commit keeps Content-Type" {
		h.Set("Content-Type", response.ContentType)
	}
	if w.defect != "failed commit keeps Content-Length" {
		h.Set("Content-Length", strconv.Itoa(len(response.Body)))
	}
	if response.Status == http.StatusServiceUnavailable && w.defect != "failed commit has no Retry-After" {
		h.Set("Retry-After", "1")
	}
	w.ResponseWriter.WriteHeader(response.Status)
	_, _ = io.Copy(w.ResponseWriter, strings.NewReader(string(response.Body)))
}
