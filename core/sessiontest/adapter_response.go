package sessiontest

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// response is one way to answer a request. A session must be committed before it whichever it is, and a failed commit
// must replace all of it.
type response struct {
	name   string
	method string // default GET
	path   string // default /x, which has a route for GET and HEAD
	status int    // when all is well
	body   string // when all is well; "any" is any
	gzip   bool   // ask for a compressed answer
	file   bool   // there is a file to send
	// layers are around the router. Default: only the session's.
	layers func(m *managed) []Layer
	answer func(p *adapterProbe, c Call) error
}

const (
	anyBody = "any"
	small   = "handler-body"
)

func large() string { return strings.Repeat("handler-body of 25 bytes\n", 4<<10) }

// responses returns the ways that the framework has.
func (h AdapterHarness) responses() []response {
	all := []response{
		{name: "small", status: 200, body: small, answer: write(small)},
		{name: "large", status: 200, body: large(), answer: write(large())},
		{name: "string", status: 201, body: small, answer: func(_ *adapterProbe, c Call) error {
			c.Status(201)
			_, err := c.WriteString(small)
			return err
		}},
		{name: "sized", status: 200, body: small, answer: func(p *adapterProbe, c Call) error {
			c.SetHeader("Content-Length", strconv.Itoa(len(small)))
			return write(small)(p, c)
		}},
		{name: "pieces", status: 200, body: large(), answer: func(_ *adapterProbe, c Call) error {
			for line := range strings.Lines(large()) {
				if _, err := c.Write([]byte(line)); err != nil {
					return err
				}
			}
			return nil
		}},
		{name: "json", status: 200, body: anyBody, answer: func(_ *adapterProbe, c Call) error {
			return c.JSON(200, map[string]string{"text": small})
		}},
		{name: "no-content", status: 204, answer: func(_ *adapterProbe, c Call) error { c.Status(204); return nil }},
		{name: "nothing", status: 200, answer: func(*adapterProbe, Call) error { return nil }},
		{name: "redirect", status: 303, body: anyBody, answer: func(_ *adapterProbe, c Call) error {
			return c.Redirect(303, "/elsewhere")
		}},
		{name: "head", method: "HEAD", status: 200, answer: write(small)},
		{name: "file", status: 200, body: large(), file: true, answer: func(p *adapterProbe, c Call) error {
			return c.File(p.path)
		}},
		{name: "stream", status: 200, body: "1\n2\n3\n", answer: stream},
		{name: "error", status: 418, body: anyBody, answer: func(*adapterProbe, Call) error {
			return &StatusError{418, small}
		}},
		{name: "plain-error", status: 500, body: anyBody, answer: func(*adapterProbe, Call) error {
			return errors.New(small)
		}},
		{name: "recovered-panic", status: 500, body: anyBody, layers: with(Layer{Recover: true}),
			answer: func(*adapterProbe, Call) error { panic(small) }},
		{name: "not-found", path: "/nowhere", status: 404, body: anyBody},
		{name: "wrong-method", method: "POST", status: 405, body: anyBody},
	}
	if h.Gzip {
		all = append(all,
			response{name: "gzip-outside", status: 200, body: large(), gzip: true, answer: write(large()),
				layers: func(m *managed) []Layer { return []Layer{{Gzip: true}, {Sessions: m.Manager}} }},
			response{name: "gzip-inside", status: 200, body: large(), gzip: true, answer: write(large()),
				layers: with(Layer{Gzip: true})})
	}
	if h.Writers > 0 {
		all = append(all, writerResponses(h.Writers)...)
	}
	return all
}

// with puts a layer inside the session's.
func with(inner Layer) func(m *managed) []Layer {
	return func(m *managed) []Layer { return []Layer{{Sessions: m.Manager}, inner} }
}

func write(body string) func(*adapterProbe, Call) error {
	return func(_ *adapterProbe, c Call) error {
		_, err := c.Write([]byte(body))
		return err
	}
}

func stream(_ *adapterProbe, c Call) error {
	return c.Stream(func(w FlushWriter) {
		for _, event := range []string{"1\n", "2\n", "3\n"} {
			_, _ = io.WriteString(w, event) // a visitor who has gone is no concern here
			_ = w.Flush()
		}
	})
}

// respond serves the response behind a middleware of the application that does prepare first.
func (p *adapterProbe) respond(m *managed, r response, prepare func(c Call) error) *site {
	if r.file {
		p.makeFile()
	}
	layers := []Layer{{Sessions: m.Manager}}
	if r.layers != nil {
		layers = r.layers(m)
	}
	if r.answer == nil { // of the router: only a middleware can do anything before
		first := prepare
		r.answer, layers = write(small), append(layers, Layer{Handle: func(c Call, next func() error) error {
			if err := first(c); err != nil {
				return err
			}
			return next()
		}})
		prepare = func(Call) error { return nil }
	}
	handle := func(c Call) error {
		if err := prepare(c); err != nil {
			return err
		}
		return r.answer(p, c)
	}
	return p.serve(m, layers, Route{"GET", "/x", handle}, Route{"HEAD", "/x", handle})
}

// ask requests the response, and decodes what is compressed.
func (v *visitor) ask(r response) *answer {
	method, path := "GET", "/x"
	if r.method != "" {
		method = r.method
	}
	if r.path != "" {
		path = r.path
	}
	if !r.gzip {
		return v.do(method, path)
	}
	a := v.do(method, path, "Accept-Encoding", "gzip")
	if a.header.Get("Content-Encoding") != "gzip" {
		return a
	}
	in, err := gzip.NewReader(strings.NewReader(a.body))
	if err == nil {
		var plain bytes.Buffer
		_, err = plain.ReadFrom(in)
		a.body = plain.String()
	}
	if err != nil {
		v.p.fatalf("%s: Content-Encoding is gzip, the body is not: %v (%q)", a.what, err, brief(a.body))
	}
	a.header.Del("Content-Encoding")
	return a
}

// makeFile makes the file p.path, which holds large, for the time of the case.
func (p *adapterProbe) makeFile() {
	dir, err := os.MkdirTemp("", "sessiontest-")
	p.ok("making a folder", err)
	p.close = append(p.close, removeAll(dir))
	p.path = filepath.Join(dir, "file.txt")
	p.ok("writing a file", os.WriteFile(p.path, []byte(large()), 0o600))
}

type removeAll string

// Close removes the folder.
func (dir removeAll) Close() error { return os.RemoveAll(string(dir)) }

// disguise makes the response look like the handler's in every header that a failed commit must take back.
func disguise(c Call) {
	for name, value := range handlerHeaders() {
		c.SetHeader(name, value)
	}
	c.SetHeader("Access-Control-Allow-Origin", "https://example.com")
}

func handlerHeaders() map[string]string {
	return map[string]string{
		"Content-Type": "application/x-handler", "Location": "/handler", "Set-Cookie": "handler=1",
		"Content-Encoding": "x-handler", "Etag": `"handler"`,
		"Content-Disposition": "attachment", "Content-Language": "xx", "Last-Modified": "Mon, 02 Jan 2006 15:04:05 GMT",
		"Expires": "Mon, 02 Jan 2006 15:04:05 GMT", "Refresh": "1",
		"X-Accel-Redirect": "/secret", "X-Sendfile": "/secret", "Clear-Site-Data": `"cookies"`,
	}
}
