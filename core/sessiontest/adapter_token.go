package sessiontest

import (
	"bufio"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

func tokenCases() []adapterCase {
	return []adapterCase{
		{"token/unknown", "An id that the store does not know is never adopted: the session gets a new one.", unknownToken},
		{"token/malformed", "A malformed token reaches no store, crashes nothing, and is not repeated in the " +
			"response.", malformedToken},
		{"token/several", "Of several cookies with the session's name the one that the store knows counts, wherever it " +
			"stands.", severalTokens},
		{"token/too-many", "A request names at most four sessions that the store is asked for.", tooManyTokens},
		{"token/other-names", "Cookies whose name is only similar are not the session's.", otherNames},
	}
}

// madeUp returns a well-formed token that nobody was given.
func madeUp() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(raw[:])
}

func unknownToken(p *adapterProbe) {
	s := p.open()
	chosen := madeUp()
	v := &visitor{site: s, token: chosen}
	v.get("/get?key=k").want(http.StatusOK, "")
	v.set("k", "v").wantCookie()
	if v.token == chosen {
		p.fatalf("the visitor got the session id that he chose himself")
	}
	s.dead("the id that a visitor has made up", chosen)
	v.holds("under the new id", "k", "v")
}

func malformedToken(p *adapterProbe) {
	s := p.open()
	good := madeUp()
	for what, token := range map[string]string{
		"too short":           good[1:],
		"too long":            good + "A",
		"oversized":           strings.Repeat("A", 3<<10), // fasthttp takes a header of 4 KiB
		"padded":              good[:42] + "=",
		"standard alphabet":   "++++" + good[4:],
		"not canonical":       good[:42] + "B",
		"path":                "../../../../../../../../../../../etc/passwd"[:43],
		"wildcard":            strings.Repeat("*", 43),
		"percent":             "%00%2e%2e%2f" + good[12:],
		"quoted":              `"` + good[2:] + `"`,
		"inner spaces":        "a b c" + good[5:],
		"not ASCII":           "äöü" + good[6:],
		"NUL":                 "ab\x00cd" + good[5:],
		"control characters":  "ab\x01\x7f" + good[4:],
		"script":              "<script>alert(1)</script>" + good[25:],
		"line break, encoded": "a%0d%0aSet-Cookie:%20evil=1" + good[27:],
	} {
		got := s.raw("GET /get?key=k HTTP/1.1\r\nHost: x\r\nConnection: close\r\nCookie: " + s.cookieHeader(token) + "\r\n\r\n")
		resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
		if err != nil {
			p.errorf("%s token: no answer: %v", what, err)
			continue
		}
		if resp.StatusCode != http.StatusOK && (resp.StatusCode < 400 || resp.StatusCode > 499) {
			p.errorf("%s token: status is %d, want 200, as for anybody, or 4xx of the server", what, resp.StatusCode)
		}
		if strings.Contains(got, token) || resp.Header.Get("Set-Cookie") != "" {
			p.errorf("%s token: the response repeats it or sets a cookie", what)
		}
		if n := s.calls(); n != 0 {
			p.fatalf("%s token: it reached the store in %d calls", what, n)
		}
	}
	v := s.known()
	v.holds("after all the malformed tokens", "k", "before")
}

// raw sends bytes on a connection of its own and returns what comes back until the server closes it.
func (s *site) raw(request string) string {
	conn, err := net.Dial("tcp4", s.addr)
	s.p.ok("connecting", err)
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	_, err = io.WriteString(conn, request)
	s.p.ok("sending a request", err)
	answer, err := io.ReadAll(conn)
	if err != nil && len(answer) == 0 {
		s.p.fatalf("reading an answer: %v", err)
	}
	return string(answer)
}

// cookieHeader is a Cookie header with these values, all under the session's name.
func (s *site) cookieHeader(tokens ...string) string {
	pairs := make([]string, len(tokens))
	for i, token := range tokens {
		pairs[i] = s.cookie + "=" + token
	}
	return strings.Join(pairs, "; ")
}

func severalTokens(p *adapterProbe) {
	s := p.open()
	good := s.known().token
	for what, lines := range map[string][]string{
		"first":               {s.cookieHeader(good, madeUp(), "x")},
		"last":                {s.cookieHeader("x", madeUp(), madeUp(), good)},
		"repeated":            {s.cookieHeader(madeUp(), good, good)},
		"after empty ones":    {s.cookieHeader("", "", "", "", "", "", good)},
		"in a second header":  {s.cookieHeader(madeUp()), s.cookieHeader(good)},
		"without a space":     {strings.ReplaceAll(s.cookieHeader(madeUp(), good), "; ", ";")},
		"with other cookies":  {"a=b; c; =d; ; " + s.cookieHeader(good) + "; e=f=g"},
		"with odd separators": {"; ;" + s.cookieHeader(good) + " ;"},
	} {
		var header []string
		for _, line := range lines {
			header = append(header, "Cookie", line)
		}
		if a := s.visitor().get("/get?key=k", header...); a.status != http.StatusOK || a.body != "before" {
			p.errorf("the good cookie is %s: status %d and value %q, want 200 and %q", what, a.status, brief(a.body), "before")
		}
	}
}

func tooManyTokens(p *adapterProbe) {
	s := p.open()
	reads := s.store.Calls(OpRead)
	var tokens []string
	for range 30 {
		tokens = append(tokens, madeUp())
	}
	s.visitor().get("/get?key=k", "Cookie", s.cookieHeader(tokens...)).want(http.StatusOK, "")
	if n := s.store.Calls(OpRead) - reads; n > 4 {
		p.fatalf("30 made-up cookies cost %d reads", n)
	}
}

func otherNames(p *adapterProbe) {
	s := p.open(Route{"GET", "/new", func(c Call) error {
		s, err := c.Session()
		if err == nil && !s.IsNew() {
			err = errors.New("somebody's")
		}
		if err != nil {
			return &StatusError{http.StatusConflict, fmt.Sprint(err)}
		}
		return write("new")(p, c)
	}})
	token := s.known().token
	calls := s.calls()
	for _, name := range []string{"session", s.cookie + "2", "x" + s.cookie, strings.ToUpper(s.cookie), "a " + s.cookie} {
		s.visitor().get("/new", "Cookie", name+"="+token).want(http.StatusOK, "new")
	}
	s.visitor().get("/new", "X-Session", token, "Authorization", "Bearer "+token).want(http.StatusOK, "new")
	s.visitor().get("/new?"+s.cookie+"="+token).want(http.StatusOK, "new")
	if n := s.calls() - calls; n != 0 {
		p.fatalf("cookies of other names cost %d store calls", n)
	}
}
