package demo_test

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// onEachStore runs a test on a demo with each of the stores that processes can share.
func onEachStore(t *testing.T, test func(t *testing.T, d *demo)) {
	t.Helper()
	t.Run("file", func(t *testing.T) {
		t.Parallel()
		test(t, start(t))
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		test(t, start(t, "-store", servers.StartRedis(t, nil).URL()))
	})
}

func TestSession(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, d *demo) {
		for _, tt := range []struct {
			name string
			run  func(t *testing.T, d *demo)
		}{
			{"one session on all nodes", oneSession},
			{"values set at the same time are all kept", concurrentSets},
			{"visits at the same time all count", concurrentVisits},
			{"exclusive requests run one by one", exclusiveRequests},
			{"login renews the cookie", login},
			{"logout ends the session on all nodes", logout},
			{"a slow request does not undo a logout", slowDuringLogout},
			{"a stopped node takes no session with it", stopNode},
		} {
			t.Run(tt.name, func(t *testing.T) { tt.run(t, d) }) // one by one: they count nodes and stop them
		}
	})
}

func oneSession(t *testing.T, d *demo) {
	v := d.visitor(t)
	seen := map[string]int{}
	for range 6 {
		seen[v.ok("POST", "/api/visit").Node]++
	}
	if want := map[string]int{"node-gin": 2, "node-echo": 2, "node-fiber": 2}; !maps.Equal(seen, want) {
		t.Errorf("answers: %v, want %v", seen, want)
	}
	v.ok("POST", "/api/set", "key", "colour", "value", "green & blue ✓")
	token := v.token()
	for name, base := range d.nodes {
		a := v.callAt(base, "GET", "/api/session")
		if a.Node != name || a.Visits != 6 || a.Values["colour"] != "green & blue ✓" {
			t.Errorf("%s says %+v, want 6 visits and the colour", name, a)
		}
	}
	if v.token() != token || token == "" {
		t.Error("the cookie changed, want one for all requests")
	}
	if a := d.visitor(t).ok("GET", "/api/session"); a.Visits != 0 || a.header.Get("Set-Cookie") != "" {
		t.Errorf("a stranger sees %+v and cookie %q, want nothing", a, a.header.Get("Set-Cookie"))
	}
}

func concurrentSets(t *testing.T, d *demo) {
	const count = 20
	together(t, d, count, func(v *visitor, i int) answer {
		return v.call("POST", "/api/set", "key", fmt.Sprint("key", i), "value", fmt.Sprint(i))
	}, func(a answer) int { return len(a.Values) })
}

func concurrentVisits(t *testing.T, d *demo) {
	const count = 200
	together(t, d, count, func(v *visitor, _ int) answer {
		return v.call("POST", "/api/visit")
	}, func(a answer) int { return a.Visits })
}

// exclusiveRequests counts without Update, on all nodes at once: only the lock keeps the counter right.
func exclusiveRequests(t *testing.T, d *demo) {
	const count = 45
	together(t, d, count, func(v *visitor, _ int) answer {
		return v.call("POST", "/api/exclusive", "ms", "5")
	}, func(a answer) int { return a.Exclusive })
	v := d.visitor(t)
	v.ok("POST", "/api/visit")
	var refused answer
	var wg sync.WaitGroup
	for range 3 { // one at each node: none waits there, and the third to come waits for longer than it may
		wg.Go(func() {
			if a := v.call("POST", "/api/exclusive", "ms", "4000"); a.status != http.StatusOK {
				refused = a
			}
		})
	}
	wg.Wait()
	if refused.status != http.StatusServiceUnavailable || refused.header.Get("Retry-After") != "1" || !strings.Contains(refused.Error, "in use") {
		t.Errorf("the request that waited in vain was answered with %d, Retry-After %q: %q",
			refused.status, refused.header.Get("Retry-After"), refused.Error)
	}
}

// together sends count changes of one session at the same time and checks how many of them are kept. What was
// acknowledged must be there always. A machine too busy to commit them all within the budget of a commit tries again
// with half as many at once.
func together(t *testing.T, d *demo, count int, change func(*visitor, int) answer, kept func(answer) int) {
	t.Helper()
	for parallel := count; parallel > 1; parallel /= 2 {
		v := d.visitor(t)
		v.ok("POST", "/api/set", "key", "first", "value", "")
		before := kept(v.ok("GET", "/api/session"))
		var acknowledged atomic.Int64
		var wg sync.WaitGroup
		turns := make(chan struct{}, parallel)
		for i := range count {
			wg.Go(func() {
				turns <- struct{}{}
				defer func() { <-turns }()
				switch a := change(v, i); a.status {
				case http.StatusOK:
					acknowledged.Add(1)
				case http.StatusServiceUnavailable:
				default:
					t.Errorf("change %d by %s: %d %s", i, a.header.Get("X-Node"), a.status, a.Error)
				}
			})
		}
		wg.Wait()
		n := kept(v.ok("GET", "/api/session")) - before
		if n < int(acknowledged.Load()) || n > count {
			t.Fatalf("%d changes are kept, %d were acknowledged of %d", n, acknowledged.Load(), count)
		}
		if n == count && int(acknowledged.Load()) == count {
			return
		}
		t.Logf("with %d at once, %d of %d were acknowledged and %d are kept: again", parallel, acknowledged.Load(), count, n)
	}
	t.Errorf("never were all %d changes kept", count)
}

func login(t *testing.T, d *demo) {
	v := d.visitor(t)
	v.ok("POST", "/api/set", "key", "a", "value", "1")
	planted := v.token()
	if a := v.ok("POST", "/api/login", "user", "ada"); a.User != "ada" || a.Values["a"] != "1" {
		t.Errorf("login says %+v, want ada and her value", a)
	}
	if v.token() == planted {
		t.Error("the cookie is the same after login")
	}
	if a := v.ok("GET", "/api/session"); a.User != "ada" || a.Values["a"] != "1" {
		t.Errorf("after login: %+v, want ada and her value", a)
	}
	attacker := d.visitor(t)
	attacker.setToken(planted)
	if a := attacker.ok("GET", "/api/session"); a.User != "" || len(a.Values) != 0 {
		t.Errorf("the old cookie shows %+v, want nothing", a)
	}
}

func logout(t *testing.T, d *demo) {
	v := d.visitor(t)
	v.ok("POST", "/api/visit")
	v.ok("POST", "/api/set", "key", "a", "value", "1")
	v.ok("POST", "/api/login", "user", "ada")
	token := v.token()
	if a := v.ok("POST", "/api/logout"); a.User != "" || a.Visits != 0 || len(a.Values) != 0 {
		t.Errorf("logout says %+v, want an empty session", a)
	}
	if v.token() != "" {
		t.Error("the browser still has a cookie")
	}
	v.setToken(token)
	for name, base := range d.nodes {
		a := v.callAt(base, "GET", "/api/session")
		if a.status != http.StatusOK || a.User != "" || a.Visits != 0 || len(a.Values) != 0 {
			t.Errorf("%s knows the session after logout: %+v", name, a)
		}
	}
}

// slowDuringLogout logs out while a request of the session is under way that sets a value at its end.
func slowDuringLogout(t *testing.T, d *demo) {
	refused := false
	for range 5 { // a machine that stalls may load the session only after the logout
		v := d.visitor(t)
		v.ok("POST", "/api/login", "user", "ada")
		token := v.token()
		slow := make(chan answer, 1)
		late := d.visitor(t)
		late.setToken(token)
		go func() { slow <- late.call("GET", "/api/slow", "ms", "1500", "key", "late", "value", "x") }()
		for range 12 { // time for the slow one to load its session
			v.ok("GET", "/api/session")
		}
		v.ok("POST", "/api/logout")
		a := <-slow
		v.setToken(token)
		if s := v.ok("GET", "/api/session"); s.User != "" || len(s.Values) != 0 {
			t.Fatalf("the session is back after logout: %+v", s)
		}
		if a.status == http.StatusConflict && strings.Contains(a.Error, "ended") && a.header.Get("Set-Cookie") == "" {
			refused = true
			break
		}
	}
	if !refused {
		t.Error("no slow request was refused with 409 and the reason")
	}
}

func stopNode(t *testing.T, d *demo) {
	v := d.visitor(t)
	v.ok("POST", "/api/login", "user", "ada")
	for name, base := range d.nodes {
		visits := v.ok("POST", "/api/visit").Visits
		d.control(t, "stop", name, false)
		for range 4 {
			a := v.ok("POST", "/api/visit")
			if visits++; a.Node == name || a.User != "ada" || a.Visits != visits {
				t.Errorf("with %s stopped: %+v, want visit %d of ada by another node", name, a, visits)
			}
		}
		if _, err := http.Get(base + "/healthz"); err == nil {
			t.Errorf("%s answers after it was stopped", name)
		}
		d.control(t, "start", name, true)
		eventually(t, name+" answers again", func() bool {
			a := v.ok("GET", "/api/session")
			return a.Node == name && a.User == "ada" && a.Visits == visits
		})
	}
}

// control stops or starts a node through the balancer.
func (d *demo) control(t *testing.T, action, name string, up bool) {
	t.Helper()
	resp, body := d.visitor(t).send(t.Context(), d.base, "POST", "/balancer/"+action, "node", name)
	want := fmt.Sprintf(`{"node":%q,"up":%t}`, name, up)
	if resp == nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
		t.Fatalf("%s %s: %s, want %s", action, name, body, want)
	}
}
