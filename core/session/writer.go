package session

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strconv"
)

// ResponseWriter commits the session before the first byte of the response leaves. It passes every optional interface
// of the writer below on: Flusher, Hijacker, Pusher, io.ReaderFrom (and with it sendfile), and those that
// http.ResponseController finds through Unwrap.
//
// Like any http.ResponseWriter it belongs to the goroutine of its handler.
type ResponseWriter struct {
	inner   http.ResponseWriter
	x       Exchange
	started bool
	err     error // of the commit: the handler's response is dropped

	values [2]string // of headers, which would be allocated one by one
	used   int       // of them
}

// writerHeader is the header of a ResponseWriter, asked for only when it is needed: net/http copies it afterwards.
type writerHeader ResponseWriter

func (w *writerHeader) Get(name string) string { return w.inner.Header().Get(name) }

// Set is that of http.Header for names that are canonical.
func (w *writerHeader) Set(name, value string) {
	if w.used == len(w.values) {
		w.inner.Header().Set(name, value)
		return
	}
	i := w.used
	w.used++
	w.values[i] = value
	w.inner.Header()[name] = w.values[i : i+1 : i+1]
}

func (w *writerHeader) Add(name, value string) {
	if h := w.inner.Header(); len(h[name]) > 0 {
		h.Add(name, value)
	} else {
		w.Set(name, value)
	}
}

// Header returns the header of the response.
func (w *ResponseWriter) Header() http.Header { return w.inner.Header() }

// WriteHeader commits the session and sends the header.
func (w *ResponseWriter) WriteHeader(status int) {
	if status >= 100 && status < 200 && status != http.StatusSwitchingProtocols {
		w.inner.WriteHeader(status)
		return
	}
	if w.Start() == nil {
		w.inner.WriteHeader(status)
	}
}

// Write commits the session if that was not done, and writes p. After a failed commit it drops p and returns the error of
// the commit, as a broken connection would: a handler that streams learns that nobody listens.
func (w *ResponseWriter) Write(p []byte) (int, error) {
	if err := w.Start(); err != nil {
		return 0, err
	}
	return w.inner.Write(p)
}

// WriteString is Write for a string.
func (w *ResponseWriter) WriteString(s string) (int, error) {
	if err := w.Start(); err != nil {
		return 0, err
	}
	return io.WriteString(w.inner, s)
}

// ReadFrom is Write for all of src, with sendfile where the writer below has it.
func (w *ResponseWriter) ReadFrom(src io.Reader) (int64, error) {
	if err := w.Start(); err != nil {
		return 0, err
	}
	return io.Copy(w.inner, src)
}

// Flush is FlushError for those who ignore the error.
func (w *ResponseWriter) Flush() { _ = w.FlushError() }

// FlushError commits the session and sends what was written so far.
func (w *ResponseWriter) FlushError() error {
	if err := w.Start(); err != nil {
		return err
	}
	return http.NewResponseController(w.inner).Flush()
}

// Hijack commits the session and lets the handler take the connection over. The session's headers are in Header then;
// a protocol that writes its own response sends them itself.
func (w *ResponseWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	if err := w.Start(); err != nil {
		return nil, nil, err
	}
	return http.NewResponseController(w.inner).Hijack()
}

// Push initiates an HTTP/2 server push where the writer below can.
func (w *ResponseWriter) Push(target string, opts *http.PushOptions) error {
	if p, ok := w.inner.(http.Pusher); ok {
		return p.Push(target, opts)
	}
	return http.ErrNotSupported
}

// Unwrap returns the writer below, for http.ResponseController.
func (w *ResponseWriter) Unwrap() http.ResponseWriter { return w.inner }

// Start commits the session, once. After an error, which every later call returns too, the error response is sent
// and the handler's must be dropped.
func (w *ResponseWriter) Start() error {
	if w.started {
		return w.err
	}
	w.started = true
	w.err = errUnfinished // unless it returns
	defer func() {
		if w.err != nil {
			w.x.m.Fail(w.inner, w.err)
			_ = http.NewResponseController(w.inner).Flush() // the handler may stream for a long time yet
		}
	}()
	w.err = w.x.Commit((*writerHeader)(w))
	return w.err
}

// Fail answers with Options.ErrorResponse, for a handler whose session could not be had:
//
//	s, err := session.Get(r.Context())
//	if err != nil {
//		sessions.Fail(w, err)
//		return
//	}
func (m *Manager) Fail(w http.ResponseWriter, err error) {
	r, h := m.ErrorResponse(err), w.Header()
	for _, name := range HandlerHeaders() {
		h.Del(name)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", r.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(r.Body)))
	if r.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	w.WriteHeader(r.Status)
	_, _ = w.Write(r.Body)
}

// HandlerHeaders are the response headers that describe what the handler wanted to say, or say it. An adapter removes
// them when it replaces the response after a failed commit; others, such as those of CORS, stay.
func HandlerHeaders() []string {
	return []string{
		"Content-Length", "Content-Encoding", "Content-Range", "Content-Disposition", "Content-Language", "Content-Location",
		"Content-Digest", "Repr-Digest", "Digest", "Accept-Ranges", "Transfer-Encoding", "Trailer", "Etag", "Last-Modified",
		"Cdn-Cache-Control", "Surrogate-Control", "Cloudflare-Cdn-Cache-Control", "Expires", "Location", "Refresh", "Link", "Set-Cookie", "Clear-Site-Data", "Upgrade", "Sec-Websocket-Accept",
		// A proxy in front would send the file that they name instead of the error.
		"X-Accel-Redirect", "X-Sendfile", "X-Lighttpd-Send-File", "X-Reproxy-Url",
	}
}

// Finish commits the session of a handler that has returned without starting a response.
func (w *ResponseWriter) Finish() { _ = w.Start() }

// Close ends the exchange. Without a commit before, the handler has panicked and its changes are dropped.
func (w *ResponseWriter) Close() { w.x.Abort() }
