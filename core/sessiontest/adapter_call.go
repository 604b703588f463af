package sessiontest

import (
	"context"
	"io"
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

// Call is a request and its response as a handler of the framework sees them. Each method does what the framework's own
// does, without help for the adapter.
type Call interface {
	// Session is the adapter's Get.
	Session(mode ...session.Mode) (*session.Session, error)
	// Context is the context that a handler gives to what it calls.
	Context() context.Context
	// Query returns a parameter of the URL as the framework gives it, without a copy.
	Query(name string) string

	// SetHeader sets a header of the response.
	SetHeader(name, value string)
	// Status sets the status of the response, before the body if there is one.
	Status(code int)
	// Write and WriteString append to the body.
	io.Writer
	io.StringWriter

	// JSON answers with a value.
	JSON(status int, value any) error
	// Redirect answers with a Location.
	Redirect(status int, location string) error
	// File answers with a file, or a range of it.
	File(path string) error
	// Stream answers with a body that send writes piece by piece, each Flush sending what was written. send may run after
	// the handler has returned.
	Stream(send func(w FlushWriter)) error
}

// FlushWriter is the body of a response that is sent piece by piece; *bufio.Writer is one.
type FlushWriter interface {
	io.Writer
	Flush() error
}

// HTTPCaller is a Call of a framework that is built on net/http.
type HTTPCaller interface {
	Call
	// Writers returns the http.ResponseWriters that a handler can lay hands on, the usual one first.
	Writers() []http.ResponseWriter
}

// EarlyHinter is a Call that can send informational responses.
type EarlyHinter interface {
	Call
	// EarlyHints sends a response 103 with a Link.
	EarlyHints(link string) error
}

// Upgrader is a Call that can hand its connection over, as websockets do.
type Upgrader interface {
	Call
	// Upgrade answers with 101 and the response's headers, and has talk use the connection, which is closed
	// afterwards. talk may run after the handler has returned.
	Upgrade(talk func(conn io.ReadWriter)) error
}
