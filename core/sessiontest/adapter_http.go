package sessiontest

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

// ServeHTTP serves h on l; for the Serve of frameworks that are built on net/http.
func ServeHTTP(l net.Listener, h http.Handler) (shutdown func(ctx context.Context) error, err error) {
	server := &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = server.Serve(l) }() // returns when shutdown has closed l
	return server.Shutdown, nil
}

// HTTPCall is a Call of a plain http.Handler, with all abilities. Harnesses of frameworks that are built on net/http embed
// it and put the framework's own ways in the place of its methods.
type HTTPCall struct {
	W http.ResponseWriter
	R *http.Request
}

// Session calls session.Get.
func (c HTTPCall) Session(mode ...session.Mode) (*session.Session, error) {
	return session.Get(c.R.Context(), mode...)
}

// Context returns the request's context.
func (c HTTPCall) Context() context.Context { return c.R.Context() }

// Query returns a parameter of the URL.
func (c HTTPCall) Query(name string) string { return c.R.URL.Query().Get(name) }

// SetHeader sets a header.
func (c HTTPCall) SetHeader(name, value string) { c.W.Header().Set(name, value) }

// Status calls WriteHeader.
func (c HTTPCall) Status(code int) { c.W.WriteHeader(code) }

// Write writes.
func (c HTTPCall) Write(p []byte) (int, error) { return c.W.Write(p) }

// WriteString calls io.WriteString.
func (c HTTPCall) WriteString(s string) (int, error) { return io.WriteString(c.W, s) }

// JSON encodes value.
func (c HTTPCall) JSON(status int, value any) error {
	c.W.Header().Set("Content-Type", "application/json")
	c.W.WriteHeader(status)
	return json.NewEncoder(c.W).Encode(value)
}

// Redirect calls http.Redirect.
func (c HTTPCall) Redirect(status int, location string) error {
	http.Redirect(c.W, c.R, location, status)
	return nil
}

// File calls http.ServeFile.
func (c HTTPCall) File(path string) error {
	http.ServeFile(c.W, c.R, path)
	return nil
}

// Stream writes to W and flushes it with an http.ResponseController.
func (c HTTPCall) Stream(send func(w FlushWriter)) error {
	send(flushWriter{c.W})
	return nil
}

type flushWriter struct{ http.ResponseWriter }

func (w flushWriter) Flush() error { return http.NewResponseController(w.ResponseWriter).Flush() }

// Writers returns W.
func (c HTTPCall) Writers() []http.ResponseWriter { return []http.ResponseWriter{c.W} }

// EarlyHints calls WriteHeader with 103.
func (c HTTPCall) EarlyHints(link string) error {
	c.W.Header().Set("Link", link)
	c.W.WriteHeader(http.StatusEarlyHints)
	return nil
}

// Upgrade hijacks the connection.
func (c HTTPCall) Upgrade(talk func(conn io.ReadWriter)) error {
	conn, rw, err := http.NewResponseController(c.W).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\n")
	_ = c.W.Header().Write(rw)
	fmt.Fprint(rw, "\r\n")
	if err := rw.Flush(); err != nil {
		return err
	}
	talk(struct {
		io.Reader
		io.Writer
	}{rw, conn})
	return nil
}
