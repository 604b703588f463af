package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/nonstick-go/nonstick/examples/loadbalanced/balancer"
)

// visitor is somebody who uses the application through the balancer, one request after the other, and remembers what was
// acknowledged. A request that was not answered with 200 may have changed something, or not.
type visitor struct {
	name    string
	base    string
	client  *http.Client
	pause   time.Duration // from one request to the next
	figures *figures
	checker *checker

	visit   *visit   // nil while logged out
	words   int      // all that were ever asked to be set
	leaving []*visit // whose logout was not acknowledged yet
	left    []*visit // that are logged out
}

// page is the application's answer.
type page struct {
	Node, User string
	Visits     int
	Values     map[string]string
}

const (
	requestTimeout = 10 * time.Second
	leftMost       = 10 // ended sessions that a visitor keeps asking for
)

// browse goes on until ctx ends.
func (v *visitor) browse(ctx context.Context) {
	timer := time.NewTimer(time.Duration(rand.Float64() * float64(v.pause)))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(time.Duration((0.5 + rand.Float64()) * float64(v.pause))) // from its beginning: a slow site is asked no less often
		v.step(ctx)
	}
}

// step sends one request.
func (v *visitor) step(ctx context.Context) {
	switch dice := rand.IntN(60); {
	case len(v.leaving) > 0 && dice < 5:
		v.logout(ctx)
	case v.visit == nil:
		v.login(ctx)
	case len(v.left) > 0 && dice < 10:
		v.lookBack(ctx)
	case dice == 59:
		v.leaving, v.visit = append(v.leaving, v.visit), nil
		v.logout(ctx)
	case dice < 30:
		v.set(ctx)
	case dice < 40:
		v.count(ctx)
	default:
		v.look(ctx)
	}
}

func (v *visitor) login(ctx context.Context) {
	fresh := &visit{values: map[string]fact{}}
	p, asked, ok := v.ask(ctx, fresh, http.MethodPost, "/api/login", "user", v.name)
	if !ok || fresh.token == "" {
		return
	}
	fresh.login = fact{p.Node, time.Now()}
	v.checker.count(func(f *findings) { f.Logins++ })
	if v.checker.compare(fresh, p, asked) {
		v.visit = fresh
	}
}

// set sets a value that is not there yet.
func (v *visitor) set(ctx context.Context) {
	v.words++
	word := fmt.Sprint(v.name, ".", v.words)
	v.change(ctx, "/api/set", func(f fact) { v.visit.values[word] = f }, "key", word, "value", word)
}

// count raises a counter, which fails to add up if anything is lost or done twice.
func (v *visitor) count(ctx context.Context) {
	v.visit.asked++
	v.change(ctx, "/api/visit", func(f fact) { v.visit.visits = append(v.visit.visits, f) })
}

func (v *visitor) change(ctx context.Context, path string, acknowledged func(fact), params ...string) {
	p, asked, ok := v.ask(ctx, v.visit, http.MethodPost, path, params...)
	if !ok {
		return
	}
	if p.User != "" { // else the answer is about another session
		acknowledged(fact{p.Node, time.Now()})
		v.checker.count(func(f *findings) { f.Acknowledged++ })
	}
	v.compare(p, asked)
}

func (v *visitor) look(ctx context.Context) {
	if p, asked, ok := v.ask(ctx, v.visit, http.MethodGet, "/api/session"); ok {
		v.compare(p, asked)
	}
}

// compare counts each loss once: after it the visitor begins anew.
func (v *visitor) compare(p page, asked time.Time) {
	if !v.checker.compare(v.visit, p, asked) {
		v.visit = nil
	}
}

// logout tries again what was not acknowledged.
func (v *visitor) logout(ctx context.Context) {
	over := v.leaving[0]
	p, _, ok := v.ask(ctx, over, http.MethodPost, "/api/logout")
	if !ok {
		return
	}
	over.logout = fact{p.Node, time.Now()}
	v.leaving, v.left = v.leaving[1:], append(v.left, over)
	v.left = v.left[max(0, len(v.left)-leftMost):]
	v.checker.count(func(f *findings) { f.Logouts++ })
}

// lookBack looks whether a session that has ended stays so.
func (v *visitor) lookBack(ctx context.Context) {
	over := v.left[rand.IntN(len(v.left))]
	if p, asked, ok := v.ask(ctx, over, http.MethodGet, "/api/session"); ok {
		v.checker.ended(over, p, asked)
	}
}

// ask sends a request of a visit, with the cookies that a browser would send. ok tells that it was answered with 200.
func (v *visitor) ask(ctx context.Context, of *visit, method, path string, params ...string) (p page, asked time.Time, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	query := url.Values{}
	for i := 0; i < len(params); i += 2 {
		query.Set(params[i], params[i+1])
	}
	r, err := http.NewRequestWithContext(ctx, method, v.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return page{}, asked, false
	}
	if of.token != "" {
		r.AddCookie(&http.Cookie{Name: sessionCookie, Value: of.token})
	}
	if of.home != "" {
		r.AddCookie(&http.Cookie{Name: balancer.NodeCookie, Value: of.home})
	}
	asked = time.Now()
	resp, err := v.client.Do(r)
	if err == nil {
		defer resp.Body.Close()
		ok = resp.StatusCode == http.StatusOK && json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&p) == nil
		_, _ = io.Copy(io.Discard, resp.Body) // so that the connection can be used again
	}
	if !ok && errors.Is(ctx.Err(), context.Canceled) {
		return page{}, asked, false // the demo ends
	}
	v.figures.asked(time.Since(asked), ok, !of.logout.at.IsZero())
	if err == nil {
		of.keep(resp.Cookies())
	}
	return p, asked, ok
}

// sessionCookie is the cookie of session.Cookie{Insecure: true}.
const sessionCookie = "session"

// keep keeps what a browser would, but holds on to the first token: the visitor's question is what becomes of that session.
func (v *visit) keep(cookies []*http.Cookie) {
	for _, c := range cookies {
		switch {
		case c.Name == balancer.NodeCookie:
			v.home = c.Value
		case c.Name == sessionCookie && c.MaxAge >= 0 && v.token == "":
			v.token = c.Value
		}
	}
}
