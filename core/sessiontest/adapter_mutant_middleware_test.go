package sessiontest_test

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/nonstick-go/nonstick/core/session"
)

// mutantMiddleware is a session middleware with a defect.
type mutantMiddleware struct {
	defect
	sessions *session.Manager
	running  context.Context // ends when the server shuts down

	mu      sync.Mutex
	adopted map[string]string // the Cookie headers that stand for made-up ones
	last    map[string]string // the latest Cookie header of each connection
}

func (m *mutantMiddleware) wrap(next http.Handler) http.Handler {
	m.adopted, m.last = make(map[string]string), make(map[string]string)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.mistake(r); m.defect == "requests end with the server" {
			ctx, cancel := context.WithCancel(r.Context())
			defer cancel()
			defer context.AfterFunc(m.running, cancel)()
			r = r.WithContext(ctx)
		}
		mw := &mutantWriter{ResponseWriter: w, mutantMiddleware: m, r: r, x: m.sessions.Begin(r.Context(), m.header(r))}
		defer mw.close()
		switch m.defect {
		case "every request loads":
			_, _ = mw.x.Get(session.ReadOnly)
			r = r.WithContext(mw.x.Context())
		case "the context lacks the session":
		case "the context never ends":
			r = r.WithContext(context.WithoutCancel(mw.x.Context()))
		default:
			r = r.WithContext(mw.x.Context())
		}
		switch m.defect {
		case "the response is buffered":
			buffered := &bufferWriter{ResponseWriter: mw, status: http.StatusOK}
			next.ServeHTTP(buffered, r)
			mw.WriteHeader(buffered.status)
			_, _ = mw.Write(buffered.body.Bytes())
		case "Unwrap is missing":
			next.ServeHTTP(limitedWriter{mutantWriter: mw}, r)
		default:
			next.ServeHTTP(mw, r)
		}
		if m.defect != "an empty response is not committed" {
			mw.commit()
		}
		mw.replace()
	})
}

// close ends the exchange of a handler that panicked.
func (w *mutantWriter) close() {
	if w.defect == "a panic commits" {
		w.commit()
	}
	w.x.Abort()
	w.replace()
}

// mistake gives the request a wrong cookie.
func (m *mutantMiddleware) mistake(r *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	cookie := r.Header.Get("Cookie")
	switch m.defect {
	case "made-up tokens are adopted":
		if known := m.adopted[cookie]; known != "" {
			r.Header.Set("Cookie", known)
		}
	case "a connection has one visitor":
		if known := m.last[r.RemoteAddr]; cookie == "" && known != "" {
			r.Header.Set("Cookie", known)
		} else {
			m.last[r.RemoteAddr] = cookie
		}
	case "only the first cookie counts":
		if parts := strings.Split(cookie, "__Host-session="); len(parts) > 2 {
			r.Header.Set("Cookie", parts[0]+"__Host-session="+parts[1])
		}
	}
}

// spoil changes what the commit has made of the header.
func (w *mutantWriter) spoil(h, before http.Header) {
	restore := func(name string) {
		delete(h, name)
		if values := before[name]; values != nil {
			h[name] = values
		}
	}
	cookies, cookie := h["Set-Cookie"], w.r.Header.Get("Cookie")
	own := len(cookies) > len(before["Set-Cookie"]) // the session's
	switch w.defect {
	case "Vary is missing":
		restore("Vary")
	case "Vary of the handler is lost":
		if h["Vary"] != nil {
			h.Set("Vary", "Cookie")
		}
	case "Cache-Control is missing":
		restore("Cache-Control")
	case "Cache-Control of the handler is lost":
		if h["Vary"] != nil {
			h.Set("Cache-Control", "no-store")
		}
	case "Cache-Control of the handler counts":
		if before["Cache-Control"] != nil {
			restore("Cache-Control")
		}
	case "every response has Vary":
		h.Set("Vary", "Cookie")
	case "the cookie is sent always":
		if ck, err := w.r.Cookie("__Host-session"); err == nil && !own {
			h.Add("Set-Cookie", "__Host-session="+ck.Value+"; Path=/; Secure; HttpOnly; SameSite=Lax")
		}
	case "the cookie is sent twice":
		if own {
			h.Add("Set-Cookie", cookies[len(cookies)-1])
		}
	case "the cookie lacks Partitioned":
		for i := range cookies {
			cookies[i] = strings.Replace(cookies[i], "; Partitioned", "", 1)
		}
	case "cookies of the handler are lost":
		if own {
			h["Set-Cookie"] = cookies[len(cookies)-1:]
		}
	case "the deletion lacks Secure":
		if own && strings.Contains(cookies[len(cookies)-1], "Max-Age=0") {
			cookies[len(cookies)-1] = strings.Replace(cookies[len(cookies)-1], "; Secure", "", 1)
		}
	case "the deletion is not sent":
		if own && strings.Contains(cookies[len(cookies)-1], "Max-Age=0") {
			restore("Set-Cookie")
		}
	case "the token is echoed":
		if ck, err := w.r.Cookie("__Host-session"); err == nil {
			h.Set("X-Debug", ck.Value)
		}
	case "made-up tokens are adopted":
		if own && w.unknown && len(cookie) > len("__Host-session=") {
			w.mu.Lock()
			w.adopted[cookie] = strings.SplitN(cookies[len(cookies)-1], ";", 2)[0]
			w.mu.Unlock()
			restore("Set-Cookie")
		}
	}
}

// header is what the Manager sees of a request.
func (m *mutantMiddleware) header(r *http.Request) session.RequestHeader {
	switch m.defect {
	case "the request line is hidden":
		return peered{r.Header, r.RemoteAddr}
	case "the peer is hidden":
		return lined{peered{Header: r.Header}, r.Method, r.URL.Path}
	case "the query is shown":
		return lined{peered{r.Header, r.RemoteAddr}, r.Method, r.URL.String()}
	default:
		return lined{peered{r.Header, r.RemoteAddr}, r.Method, r.URL.Path}
	}
}

// peered is a session.RequestHeader and a session.RequestPeer.
type peered struct {
	http.Header
	addr string
}

func (p peered) RemoteAddr() string { return p.addr }

// lined is a session.RequestLine too.
type lined struct {
	peered
	method, path string
}

func (l lined) RequestLine() (method, path string) { return l.method, l.path }

// bufferWriter keeps a response until the handler has ended.
type bufferWriter struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (w *bufferWriter) WriteHeader(status int) { w.status = status }

func (w *bufferWriter) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *bufferWriter) Flush() {}

func (w *bufferWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
