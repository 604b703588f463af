package balancer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/examples/loadbalanced/balancer"
)

// node is a server in this process.
type node struct {
	name string
	mu   sync.Mutex
	addr string
	old  string // the address while it is down
}

func (n *node) Name() string { return n.name }

func (n *node) Address() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.addr
}

func (n *node) Start(context.Context) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.addr == "" && n.old == "" {
		return errors.New("cannot start")
	}
	if n.addr == "" {
		n.addr, n.old = n.old, ""
	}
	return nil
}

func (n *node) Stop() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.addr != "" {
		n.addr, n.old = "", n.addr
	}
}

// startNode starts a server that names itself in X-Node before it handles.
func startNode(t *testing.T, name string, handle http.HandlerFunc) *node {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Node", name)
		handle(w, r)
	}))
	t.Cleanup(s.Close)
	return &node{name: name, addr: s.Listener.Addr().String()}
}

// deadNode is a node that refuses connections but counts as up.
func deadNode(t *testing.T, name string) *node {
	t.Helper()
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	return &node{name: name, addr: s.Listener.Addr().String()}
}

func startBalancer(t *testing.T, nodes ...balancer.Node) string {
	t.Helper()
	s := httptest.NewServer(balancer.New(nodes...))
	t.Cleanup(s.Close)
	return s.URL
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL, r.Host, body)
}

func do(t *testing.T, method, url, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestBalancerTakesTurns(t *testing.T) {
	t.Parallel()
	a, b, c := startNode(t, "a", echo), startNode(t, "b", echo), startNode(t, "c", echo)
	url := startBalancer(t, a, b, c)
	var got []string
	for range 6 {
		resp, text := do(t, "POST", url+"/x?y=1", "body")
		got = append(got, resp.Header.Get("X-Node"))
		if want := "POST /x?y=1 " + strings.TrimPrefix(url, "http://") + " body"; text != want {
			t.Fatalf("the node saw %q, want %q", text, want)
		}
	}
	if want := []string{"a", "b", "c", "a", "b", "c"}; !slices.Equal(got, want) {
		t.Errorf("answered: %v, want %v", got, want)
	}
}

func TestBalancerSkipsNodesThatAreDown(t *testing.T) {
	t.Parallel()
	up, stopped := startNode(t, "up", echo), startNode(t, "stopped", echo)
	stopped.Stop()
	url := startBalancer(t, deadNode(t, "refuses"), stopped, up)
	for range 6 {
		resp, text := do(t, "POST", url+"/", "body")
		if resp.StatusCode != http.StatusOK || resp.Header.Get("X-Node") != "up" || !strings.HasSuffix(text, "body") {
			t.Fatalf("answer: %d by %q: %q, want 200 by up with the body", resp.StatusCode, resp.Header.Get("X-Node"), text)
		}
	}
}

func TestBalancerNeverSendsTwice(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	count := 0
	hangUp := func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		count++
		mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	url := startBalancer(t, startNode(t, "a", hangUp), startNode(t, "b", hangUp))
	resp, text := do(t, "GET", url+"/", "")
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(text, `"error"`) {
		t.Errorf("answer: %d %q, want 502 with an error", resp.StatusCode, text)
	}
	mu.Lock()
	defer mu.Unlock()
	if count != 1 {
		t.Errorf("the request was sent %d times, want once", count)
	}
}

func TestBalancerWithoutNodes(t *testing.T) {
	t.Parallel()
	url := startBalancer(t, deadNode(t, "a"), deadNode(t, "b"))
	resp, text := do(t, "GET", url+"/", "")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(text, `"error"`) {
		t.Errorf("answer: %d %q, want 503 with an error", resp.StatusCode, text)
	}
}

func TestBalancerStreams(t *testing.T) {
	t.Parallel()
	proceed := make(chan struct{})
	url := startBalancer(t, startNode(t, "a", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "first")
		w.(http.Flusher).Flush()
		<-proceed
		fmt.Fprint(w, "second")
	}))
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first := make([]byte, len("first"))
	if _, err := io.ReadFull(resp.Body, first); err != nil || string(first) != "first" {
		t.Fatalf("read: %q, %v, want the first part before the second is written", first, err)
	}
	close(proceed)
	if rest, err := io.ReadAll(resp.Body); err != nil || string(rest) != "second" {
		t.Errorf("read: %q, %v, want the second part", rest, err)
	}
}

func TestBalancerPassesDisconnectsOn(t *testing.T) {
	t.Parallel()
	arrived, left := make(chan struct{}), make(chan struct{})
	url := startBalancer(t, startNode(t, "a", func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
		close(left)
	}))
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-arrived
		cancel()
	}()
	if resp, err := http.DefaultClient.Do(req); err == nil {
		resp.Body.Close()
		t.Error("the request succeeded, want it cancelled")
	}
	<-left // else the test times out
}

func TestBalancerControl(t *testing.T) {
	t.Parallel()
	a, b := startNode(t, "a", echo), startNode(t, "b", echo)
	broken := deadNode(t, "broken")
	broken.addr = ""
	url := startBalancer(t, a, b, broken)
	const site, origin = "Sec-Fetch-Site", "Origin"
	for _, tt := range []struct {
		name, method, path string
		header             []string
		status             int
		up                 string
	}{
		{"list", "GET", "/balancer/nodes", nil, 200, "a b"},
		{"stop", "POST", "/balancer/stop?node=a", []string{site, "same-origin"}, 200, "b"},
		{"stop again", "POST", "/balancer/stop?node=a", []string{origin, url}, 200, "b"},
		{"start", "POST", "/balancer/start?node=a", nil, 200, "a b"},
		{"start what is up", "POST", "/balancer/start?node=b", nil, 200, "a b"},
		{"start fails", "POST", "/balancer/start?node=broken", nil, 500, "a b"},
		{"unknown node", "POST", "/balancer/stop?node=z", nil, 404, "a b"},
		{"no node", "POST", "/balancer/stop", nil, 404, "a b"},
		{"GET changes nothing", "GET", "/balancer/stop?node=a", nil, 404, "a b"},
		{"other site", "POST", "/balancer/stop?node=a", []string{site, "cross-site"}, 403, "a b"},
		{"sibling site", "POST", "/balancer/stop?node=a", []string{site, "same-site"}, 403, "a b"},
		{"other origin, old browser", "POST", "/balancer/stop?node=a", []string{origin, "http://evil.example"}, 403, "a b"},
		{"other site to a node", "POST", "/api/logout", []string{site, "cross-site"}, 403, "a b"},
	} {
		resp, text := do(t, tt.method, url+tt.path, "", tt.header...)
		if resp.StatusCode != tt.status {
			t.Errorf("%s: status %d, want %d: %s", tt.name, resp.StatusCode, tt.status, text)
		}
		if tt.status >= 400 && !strings.Contains(text, `"error"`) {
			t.Errorf("%s: %q, want JSON with an error", tt.name, text)
		}
		if up := listUp(t, url); up != tt.up {
			t.Errorf("%s: up: %q, want %q", tt.name, up, tt.up)
		}
	}
}

// listUp returns the nodes that are up.
func listUp(t *testing.T, url string) string {
	t.Helper()
	_, text := do(t, "GET", url+"/balancer/nodes", "")
	var nodes []struct {
		Node string
		Up   bool
	}
	if err := json.Unmarshal([]byte(text), &nodes); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	var up []string
	for _, n := range nodes {
		if n.Up {
			up = append(up, n.Node)
		}
	}
	return strings.Join(up, " ")
}
