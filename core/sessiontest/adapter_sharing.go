package sessiontest

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"

	"github.com/nonstick-go/nonstick/core/session"
)

func sharingCases() []adapterCase {
	return []adapterCase{
		{"sharing/keys", "20 requests that run at once and each set another key of one session: all 20 values are " +
			"kept.", parallelKeys},
		{"sharing/updates", "200 requests that run at once and each Update a counter of one session: it counts " +
			"200.", parallelUpdates},
		{"sharing/goroutines", "The goroutines of one handler may use the session at once.", parallelGoroutines},
	}
}

func parallelKeys(p *adapterProbe) {
	const n = 20
	var loaded sync.WaitGroup
	loaded.Add(n)
	s := p.open(Route{"GET", "/together", func(c Call) error {
		err := set(c, c.Query("key"), "set")
		loaded.Done()
		loaded.Wait() // all have read the session before any has stored it
		if err != nil {
			return err
		}
		return done(c)
	}})
	v := s.known()
	p.parallel(n, func(i int) {
		mine := *v
		mine.get("/together?key=k"+strconv.Itoa(i)).want(http.StatusOK, "done").wantSameToken()
	})
	kept := 0
	for i := range n {
		if v.value("k"+strconv.Itoa(i)) == "set" {
			kept++
		}
	}
	if kept != n || v.value("k") != "before" {
		p.fatalf("%d of %d values were kept", kept, n)
	}
}

// total is a route that answers with a counter.
func total(key session.Key[int]) Route {
	return Route{"GET", "/total", func(c Call) error {
		s, err := get(c)
		if err != nil {
			return err
		}
		_, err = c.WriteString(strconv.Itoa(key.Get(s)))
		return err
	}}
}

func parallelUpdates(p *adapterProbe) {
	const n = 200
	key := session.NewKey[int]("n")
	s := p.open(Route{"GET", "/count", func(c Call) error {
		s, err := get(c)
		if err != nil {
			return err
		}
		if err := key.Update(s, func(n int) int { return n + 1 }); err != nil {
			return err
		}
		return done(c)
	}}, total(key))
	v := s.known()
	p.parallel(n, func(int) {
		mine := *v
		mine.get("/count").want(http.StatusOK, "done").wantSameToken()
	})
	v.get("/total").want(http.StatusOK, strconv.Itoa(n))
}

func parallelGoroutines(p *adapterProbe) {
	const n = 8
	count := session.NewKey[int]("n")
	s := p.open(Route{"GET", "/spread", func(c Call) error {
		ctx := c.Context()
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				s, err := session.Get(ctx)
				if err == nil {
					err = session.NewKey[string]("k"+strconv.Itoa(i)).Set(s, "set")
				}
				if err == nil {
					err = count.Update(s, func(n int) int { return n + 1 })
				}
				if err == nil {
					_, _ = s.Names(), s.IsNew()
				} else {
					p.errorf("in a goroutine of the handler: %v", err)
				}
			})
		}
		wg.Wait()
		s, err := get(c)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(c, len(s.Names()), " ", count.Get(s))
		return err
	}})
	v := s.visitor()
	v.get("/spread").want(http.StatusOK, fmt.Sprint(n+1, " ", n)).wantCookie()
	for i := range n {
		v.holds("after the response", "k"+strconv.Itoa(i), "set")
	}
}
