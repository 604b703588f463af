package sessiontest

import (
	"net/http"
	"slices"
	"strings"
)

// answer is a response as the visitor got it.
type answer struct {
	p *adapterProbe
	*managed
	what   string
	sent   string // the token that the visitor had
	status int
	header http.Header
	body   string
}

// cookies returns the session cookies that the answer sets or deletes.
func (a *answer) cookies() []*http.Cookie {
	all := (&http.Response{Header: a.header}).Cookies()
	return slices.DeleteFunc(all, func(ck *http.Cookie) bool { return ck.Name != a.cookie })
}

// want ends the case unless the answer has this status and body.
func (a *answer) want(status int, body string) *answer {
	if a.status != status {
		a.p.fatalf("%s: status is %d, want %d (body %q)", a.what, a.status, status, brief(a.body))
	}
	if a.body != body {
		a.p.fatalf("%s: body is %q (%d bytes), want %q (%d bytes)", a.what, brief(a.body), len(a.body), brief(body), len(body))
	}
	return a
}

// wantError ends the case unless the answer is the error response for err.
func (a *answer) wantError(err error) *answer {
	response := a.ErrorResponse(err)
	return a.want(response.Status, string(response.Body))
}

// wantCookie ends the case unless the answer sets a session cookie.
func (a *answer) wantCookie() *http.Cookie {
	cookies := a.cookies()
	if len(cookies) == 0 || cookies[0].MaxAge < 0 || cookies[0].Value == "" {
		a.p.fatalf("%s: the session cookies are %v, want one that is not empty", a.what, attributes(cookies))
	}
	return cookies[0]
}

// wantNoCookie ends the case if the answer sets or deletes a session cookie.
func (a *answer) wantNoCookie() *answer {
	if cookies := a.cookies(); len(cookies) > 0 {
		a.p.fatalf("%s: unwanted session cookie %v", a.what, attributes(cookies))
	}
	return a
}

// wantSameToken ends the case if the answer takes the visitor's token away or gives another one.
func (a *answer) wantSameToken() *answer {
	for _, ck := range a.cookies() {
		if ck.MaxAge < 0 || ck.Value != a.sent {
			a.p.fatalf("%s: unwanted session cookie %v", a.what, attributes([]*http.Cookie{ck}))
		}
	}
	return a
}

// wantPrivate ends the case unless caches are told to keep away.
func (a *answer) wantPrivate() *answer {
	a.wantHeader("Cache-Control", "no-store")
	return a.wantVary("Cookie")
}

// wantHeader ends the case unless the header has one line with this value; "" is no line.
func (a *answer) wantHeader(name, value string) *answer {
	lines := a.header.Values(name)
	if got := strings.Join(lines, " | "); got != value {
		a.p.fatalf("%s: header %s is %q, want %q", a.what, name, got, value)
	}
	return a
}

// wantVary ends the case unless Vary names this header once.
func (a *answer) wantVary(name string) *answer {
	if n := a.vary(name); n != 1 {
		a.p.fatalf("%s: Vary is %q, want %s in it, once", a.what, a.header.Values("Vary"), name)
	}
	return a
}

func (a *answer) vary(name string) (n int) {
	for _, line := range a.header.Values("Vary") {
		for part := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(part), name) {
				n++
			}
		}
	}
	return n
}

// attributes describes cookies without their values.
func attributes(cookies []*http.Cookie) []string {
	texts := make([]string, len(cookies))
	for i, ck := range cookies {
		shown := *ck
		if shown.Value != "" {
			shown.Value = "..."
		}
		texts[i] = shown.String()
	}
	return texts
}

func brief(text string) string {
	if len(text) > 80 {
		return text[:80] + "..."
	}
	return text
}
