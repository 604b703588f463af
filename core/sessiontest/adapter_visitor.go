package sessiontest

import (
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
)

// helpers are the routes that every case can use.
func helpers() []Route {
	return []Route{
		{"GET", "/set", func(c Call) error {
			if err := set(c, c.Query("key"), c.Query("value")); err != nil {
				return err
			}
			return done(c)
		}},
		{"GET", "/get", func(c Call) error {
			s, err := get(c)
			if err != nil {
				return err
			}
			_, err = c.WriteString(session.NewKey[string](c.Query("key")).Get(s))
			return err
		}},
		{"GET", "/plain", func(c Call) error {
			_, err := c.WriteString("plain")
			return err
		}},
	}
}

// get returns the session, or an error that is rendered with the status of its cause.
func get(c Call, mode ...session.Mode) (*session.Session, error) {
	s, err := c.Session(mode...)
	if err != nil {
		return nil, &StatusError{session.StatusCode(err), "no session"}
	}
	return s, nil
}

// done is the end of a handler.
func done(c Call) error {
	_, err := c.WriteString("done")
	return err
}

func set(c Call, key, value string) error {
	s, err := get(c)
	if err != nil {
		return err
	}
	return session.NewKey[string](key).Set(s, value)
}

// visitor is a browser: it keeps what it is told to keep. It makes one request at a time.
type visitor struct {
	*site
	token string
}

func (s *site) visitor() *visitor { return &visitor{site: s} }

// known returns a visitor whose session has a value under the key "k".
func (s *site) known() *visitor {
	v := s.visitor()
	v.set("k", "before")
	if v.token == "" {
		s.p.fatalf("a value was set, and the visitor got no token")
	}
	return v
}

func (v *visitor) set(key, value string) *answer {
	return v.get("/set?"+url.Values{"key": {key}, "value": {value}}.Encode()).want(http.StatusOK, "done")
}

// value returns what the visitor's session holds.
func (v *visitor) value(key string) string {
	a := v.get("/get?" + url.Values{"key": {key}}.Encode())
	a.want(http.StatusOK, a.body)
	return a.body
}

// holds ends the case unless the visitor's session has this value.
func (v *visitor) holds(when, key, value string) {
	if got := v.value(key); got != value {
		v.p.fatalf("%s: the session's value of %q is %q, want %q", when, key, got, value)
	}
}

func (v *visitor) get(path string, header ...string) *answer { return v.do("GET", path, header...) }

// do makes a request and reads the answer. header alternates names and values.
func (v *visitor) do(method, path string, header ...string) *answer {
	a, body := v.start(method, path, header...)
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		v.p.fatalf("%s: the body breaks off after %d bytes: %v", a.what, len(data), err)
	}
	a.body = string(data)
	return a
}

// start makes a request and returns when the header of the answer is there.
func (v *visitor) start(method, path string, header ...string) (*answer, io.ReadCloser) {
	req, err := http.NewRequestWithContext(v.p.ctx, method, "http://"+v.addr+path, nil)
	v.p.ok("making a request", err)
	if v.token != "" && v.managed.header != "" {
		req.Header.Set(v.managed.header, v.token)
	} else if v.token != "" {
		req.Header.Set("Cookie", "first=1; "+v.cookie+"="+v.token+"; last=1")
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	resp, err := v.client.Do(req)
	what := method + " " + strings.SplitN(path, "?", 2)[0]
	if err != nil {
		v.p.fatalf("%s: no answer: %v", what, err)
	}
	a := &answer{p: v.p, managed: v.managed, what: what, sent: v.token, status: resp.StatusCode, header: resp.Header}
	v.keep(a)
	return a, resp.Body
}

// keep does what a browser does with an answer's tokens.
func (v *visitor) keep(a *answer) {
	if v.managed.header != "" {
		if values, ok := a.header[v.managed.header]; ok {
			v.token = values[0]
		}
		return
	}
	for _, ck := range a.cookies() {
		if v.token = ck.Value; ck.MaxAge < 0 {
			v.token = ""
		}
	}
}

// sessionID is what the store knows a token's session by.
func (p *adapterProbe) sessionID(token string) session.ID {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) != sha256.Size {
		p.fatalf("the visitor got a token of %d characters that is not 32 bytes in base64url", len(token))
	}
	return sha256.Sum256(raw)
}

// dead ends the case unless the token names no session, neither in the store nor for a visitor who has kept it.
func (s *site) dead(what, token string) {
	rec, err := s.store.inner.Read(s.p.ctx, s.p.sessionID(token))
	if err == nil && rec.Successor.IsZero() {
		s.p.fatalf("%s is still in the store", what)
	}
	replay := &visitor{site: s, token: token}
	if got := replay.value("k"); got != "" {
		s.p.fatalf("%s was sent again and opened a session with the value %q", what, got)
	}
}
