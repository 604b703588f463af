package demo_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"testing"
	"time"
)

// visitor is somebody with a browser.
type visitor struct {
	t      *testing.T
	d      *demo
	client *http.Client
}

// answer is what the API says.
type answer struct {
	status int
	header http.Header
	took   time.Duration

	Node, Framework, User string
	Visits, Exclusive     int
	Values                map[string]string
	Error                 string
}

func (d *demo) visitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true} // a connection kept alive would delay the end of the balancer
	return &visitor{t, d, &http.Client{Jar: jar, Transport: transport, Timeout: startTime}}
}

// call sends a request to the API through the balancer. params are key, value, ...
func (v *visitor) call(method, path string, params ...string) answer {
	v.t.Helper()
	return v.callAt(v.d.base, method, path, params...)
}

// ok is call, and the test ends unless the answer is 200.
func (v *visitor) ok(method, path string, params ...string) answer {
	v.t.Helper()
	a := v.call(method, path, params...)
	if a.status != http.StatusOK {
		v.t.Fatalf("%s %s by %s: %d %s", method, path, a.header.Get("X-Node"), a.status, a.Error)
	}
	return a
}

// callAt sends a request to the API at a base URL. It may be called on any goroutine.
func (v *visitor) callAt(base, method, path string, params ...string) answer {
	v.t.Helper()
	begin := time.Now()
	resp, body := v.send(v.t.Context(), base, method, path, params...)
	a := answer{took: time.Since(begin)}
	if resp == nil {
		return a
	}
	a.status, a.header = resp.StatusCode, resp.Header
	if err := json.Unmarshal(body, &a); err != nil {
		v.t.Errorf("%s %s: the answer %q is no JSON: %v", method, path, body, err)
	}
	if a.status == http.StatusOK && (a.Node != a.header.Get("X-Node") || a.Node != "node-"+a.Framework || a.Values == nil) {
		v.t.Errorf("%s %s: node %q, framework %q, X-Node %q, values %v do not fit together",
			method, path, a.Node, a.Framework, a.header.Get("X-Node"), a.Values)
	}
	return a
}

// send sends a request; a nil response has failed the test.
func (v *visitor) send(ctx context.Context, base, method, path string, params ...string) (*http.Response, []byte) {
	v.t.Helper()
	query := url.Values{}
	for i := 0; i < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path+"?"+query.Encode(), nil)
	if err != nil {
		v.t.Error(err)
		return nil, nil
	}
	resp, err := v.client.Do(req)
	if err != nil {
		v.t.Errorf("%s %s: %v", method, path, err)
		return nil, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Errorf("%s %s: %v", method, path, err)
		return nil, nil
	}
	return resp, body
}

// token returns the visitor's cookie, "" if there is none. Cookies do not depend on the port, so the balancer and all
// nodes get the same.
func (v *visitor) token() string {
	v.t.Helper()
	u, err := url.Parse(v.d.base)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range v.client.Jar.Cookies(u) {
		if c.Name == "session" {
			return c.Value
		}
	}
	return ""
}

// setToken gives the visitor a cookie.
func (v *visitor) setToken(token string) {
	v.t.Helper()
	u, err := url.Parse(v.d.base)
	if err != nil {
		v.t.Fatal(err)
	}
	v.client.Jar.SetCookies(u, []*http.Cookie{{Name: "session", Value: token, Path: "/"}})
}
