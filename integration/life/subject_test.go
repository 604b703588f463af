package life_test

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// account is who a device is logged in as.
var account = session.NewKey[string]("account")

// subjectStores are all stores, and clusters, in which the index of a subject and its sessions have different masters.
func subjectStores() map[string]func(testing.TB) func() (session.Handler, error) {
	all := maps.Clone(stores)
	all["goredis cluster"] = func(t testing.TB) func() (session.Handler, error) {
		url := servers.StartRedisCluster(t, nil).URL() + patient + "&pool_timeout=20s"
		return func() (session.Handler, error) { return goredis.Open(url) }
	}
	all["redigo cluster"] = func(t testing.TB) func() (session.Handler, error) {
		url := servers.StartRedisCluster(t, nil).URL() + patient
		return func() (session.Handler, error) { return redigo.Open(url) }
	}
	return all
}

// eachSubjectStore runs a test with three nodes on each store.
func eachSubjectStore(t *testing.T, o session.Options, test func(t *testing.T, nodes [3]*session.Manager)) {
	for name, start := range subjectStores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			open := start(t)
			var nodes [3]*session.Manager
			for i := range nodes {
				nodes[i] = newManager(t, open, o)
			}
			test(t, nodes)
		})
	}
}

// device is a visitor of the test, and what it knows of its login.
type device struct {
	visitor

	node   *session.Manager
	epoch  session.Epoch // read before its credentials were looked at
	status int
	handle string
}

func (d *device) login(t testing.TB, subject string) {
	var err error
	if d.epoch, err = d.node.SubjectEpoch(t.Context(), subject); err != nil {
		t.Error(err)
	}
	d.status = d.get(t.Context(), d.node, func(s *session.Session) {
		_ = s.Bind(session.Login{Subject: subject, Epoch: d.epoch}) // the commit fails with its error
		_ = account.Set(s, subject)
		d.handle = s.Handle()
	})
}

// alive reports whether the device is logged in, on any node.
func (d *device) alive(t testing.TB, nodes [3]*session.Manager) (alive bool) {
	for _, m := range nodes {
		tab := d.as()
		if status := tab.get(t.Context(), m, func(s *session.Session) { alive = alive || account.Get(s) != "" }); status != http.StatusOK {
			t.Errorf("look: status %d", status)
		}
	}
	return alive
}

// TestASVS_7_4_2_EndAllSessionsRacesLogins ends all sessions of a subject while others log in and renew theirs, on all nodes.
// Whoever lives afterwards must have begun after the end, and be in the list.
func TestASVS_7_4_2_EndAllSessionsRacesLogins(t *testing.T) {
	t.Parallel()
	eachSubjectStore(t, session.Options{}, func(t *testing.T, nodes [3]*session.Manager) {
		const rounds, before, during = 8, 6, 12
		survivors, refused := 0, 0
		for range rounds {
			old, err := nodes[0].SubjectEpoch(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			devices := make([]*device, before+during)
			for i := range devices {
				devices[i] = &device{node: nodes[i%3]}
				if i%2 == 0 { // has been here before
					devices[i].get(t.Context(), nodes[0], func(s *session.Session) { _ = count.Set(s, 1) })
				}
			}
			var wg sync.WaitGroup
			for _, d := range devices[:before] {
				wg.Go(func() { d.login(t, "ann") })
			}
			wg.Wait()
			for i, d := range devices {
				wg.Go(func() {
					if i >= before {
						time.Sleep(rand.N(10 * time.Millisecond))
						d.login(t, "ann")
						return
					}
					time.Sleep(rand.N(5 * time.Millisecond))
					d.get(t.Context(), d.node, func(s *session.Session) { _ = s.Renew() })
				})
			}
			time.Sleep(rand.N(10 * time.Millisecond))
			if err := nodes[1].EndAllSessions(t.Context(), "ann"); err != nil {
				t.Errorf("end: %v", err)
			}
			wg.Wait()
			for i, d := range devices {
				alive := d.alive(t, nodes)
				switch {
				case alive && d.epoch == old:
					t.Errorf("device %d began before the end, and lives", i)
				case alive:
					survivors++
				case d.status == http.StatusConflict:
					refused++
				case d.status != http.StatusOK:
					t.Errorf("login: status %d", d.status)
				}
			}
			check(t, nodes, devices)
			if err := nodes[2].EndAllSessions(t.Context(), "ann"); err != nil {
				t.Errorf("end: %v", err)
			}
			for i, d := range devices {
				if d.alive(t, nodes) {
					t.Errorf("device %d lives after an end without any race", i)
				}
			}
		}
		t.Logf("%d logins were later than the end, %d were refused", survivors, refused)
	})
}

// check compares the list of ann's sessions with the devices that are logged in.
func check(t testing.TB, nodes [3]*session.Manager, devices []*device) (alive int) {
	t.Helper()
	want := map[string]bool{}
	for _, d := range devices {
		if d.alive(t, nodes) {
			want[d.handle] = true
		}
	}
	for i, m := range nodes {
		list, err := m.SubjectSessions(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]bool{}
		for _, s := range list {
			got[s.Handle] = true
		}
		if !maps.Equal(got, want) {
			t.Errorf("node %d lists %d sessions, %d devices are logged in", i, len(got), len(want))
		}
	}
	return len(want)
}

// TestASVS_7_1_2_MaxHoldsOnAllNodes lets 24 devices log in at once where 4 may stay.
func TestASVS_7_1_2_MaxHoldsOnAllNodes(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]bool{"refuse newest": true, "end oldest": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := session.Options{Subjects: session.SubjectOptions{Max: 4, RefuseNewest: refuse}}
			eachSubjectStore(t, o, func(t *testing.T, nodes [3]*session.Manager) {
				devices := make([]*device, 24)
				var wg sync.WaitGroup
				for i := range devices {
					devices[i] = &device{node: nodes[i%3]}
					wg.Go(func() { devices[i].login(t, "ann") })
				}
				wg.Wait()
				in := 0
				for _, d := range devices {
					if d.status == http.StatusOK {
						in++
					} else if d.status != http.StatusConflict || !refuse {
						t.Errorf("login: status %d", d.status)
					}
				}
				if alive := check(t, nodes, devices); alive != 4 || refuse && in != 4 {
					t.Errorf("%d logins were acknowledged, and %d live; want 4", in, alive)
				}
			})
		})
	}
}

// TestSubjectIndexHeals lets sessions end in all ways, and asks for the list afterwards.
func TestSubjectIndexHeals(t *testing.T) {
	t.Parallel()
	eachSubjectStore(t, session.Options{}, func(t *testing.T, nodes [3]*session.Manager) {
		devices := make([]*device, 6)
		for i := range devices {
			devices[i] = &device{node: nodes[i%3]}
			devices[i].login(t, "ann")
		}
		if alive := check(t, nodes, devices); alive != 6 {
			t.Fatalf("%d of 6 are logged in", alive)
		}
		devices[0].get(t.Context(), nodes[1], func(s *session.Session) { _ = s.Destroy() })
		devices[1].get(t.Context(), nodes[2], func(s *session.Session) {
			_ = s.SetLimits(session.Limits{Idle: 50 * time.Millisecond})
		})
		devices[2].login(t, "bob") // the same browser, another user
		devices[2].handle = ""
		if err := nodes[2].EndSession(t.Context(), "ann", devices[3].handle); err != nil {
			t.Error(err)
		}
		time.Sleep(100 * time.Millisecond)
		rest := append(devices[:2:2], devices[3:]...)
		if alive := check(t, nodes, rest); alive != 2 {
			t.Errorf("%d of 2 are logged in", alive)
		}
		if err := nodes[0].EndOtherSessions(t.Context(), "ann", devices[5].handle); err != nil {
			t.Error(err)
		}
		if alive := check(t, nodes, rest); alive != 1 || !devices[5].alive(t, nodes) || !devices[2].alive(t, nodes) {
			t.Errorf("%d of 1 are logged in", alive)
		}
	})
}

// TestASVS_7_4_5_EndEverythingOnAllNodes ends the sessions of everybody.
func TestASVS_7_4_5_EndEverythingOnAllNodes(t *testing.T) {
	t.Parallel()
	eachSubjectStore(t, session.Options{EraInterval: 300 * time.Millisecond}, func(t *testing.T, nodes [3]*session.Manager) {
		devices := make([]*device, 9)
		for i := range devices {
			devices[i] = &device{node: nodes[i%3]}
			devices[i].login(t, "ann")
		}
		if err := nodes[0].EndEverything(t.Context()); err != nil {
			t.Fatal(err)
		}
		if alive := check(t, nodes, devices); alive != 0 {
			t.Errorf("%d of 9 are logged in", alive)
		}
		devices[4].login(t, "ann")
		if alive := check(t, nodes, devices); alive != 1 {
			t.Errorf("after a new login: %d", alive)
		}
	})
}
