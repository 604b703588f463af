package session_test

import (
	"maps"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// agents is a Classifier that counts what it is asked.
type agents struct{ asked *atomic.Int64 }

func (a agents) IsBot(in session.RequestHeader) bool {
	if a.asked != nil {
		a.asked.Add(1)
	}
	values := in.Values("User-Agent")
	return len(values) > 0 && values[0] == "robot"
}

func robot(v *visitor) *visitor {
	v.header = http.Header{"User-Agent": {"robot"}}
	return v
}

func TestBotsShort(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		o    session.Options
		want [4]time.Duration // after each write
	}{
		{"defaults", session.Options{AbsoluteTimeout: -1, IdleTimeout: 5 * time.Hour},
			[4]time.Duration{time.Minute, 2 * time.Minute, 2 * time.Hour, 2 * time.Hour}},
		{"never longer than others", session.Options{IdleTimeout: 30 * time.Minute}, [4]time.Duration{time.Minute, 2 * time.Minute, 30 * time.Minute, 30 * time.Minute}},
		{"no first", session.Options{Bots: session.BotOptions{FirstTimeout: -1, Timeout: 10 * time.Minute}},
			[4]time.Duration{10 * time.Minute, 10 * time.Minute, 10 * time.Minute, 10 * time.Minute}},
		{"only an absolute limit", session.Options{IdleTimeout: -1}, [4]time.Duration{time.Minute, 2 * time.Minute, 2 * time.Hour, 2 * time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c.o.Bots.Classifier = agents{}
				m := newManager(t, nil, c.o)
				v, person := robot(newVisitor(t, m)), newVisitor(t, m)
				for i, want := range c.want {
					set(v, string('a'+rune(i)))
					if idle, _ := lifeOf(v); idle != want {
						t.Errorf("after write %d: %v, want %v", i+1, idle, want)
					}
				}
				set(person, "ann")
				if idle, _ := lifeOf(person); idle <= 2*time.Minute {
					t.Errorf("a person has %v", idle)
				}
			})
		})
	}
}

func TestBotVerdictIsKept(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	rec := new(recorder)
	m := newManager(t, nil, session.Options{Observer: rec, Bots: session.BotOptions{Classifier: agents{&asked}}})
	v := robot(newVisitor(t, m))
	set(v, "x")
	v.header = nil // the verdict stays with the session
	for range 3 {
		v.do(func(s *session.Session) {
			if !s.Bot() || len(s.Names()) != 1 {
				t.Error("the verdict is lost, or has a name")
			}
		})
	}
	if asked.Load() != 1 || rec.count(session.EventBot) != 1 {
		t.Errorf("asked %d times, %d events, want one", asked.Load(), rec.count(session.EventBot))
	}
	// A session from before there was a classifier gets its verdict with the next change.
	store := memstore.New(nil)
	old := newVisitor(t, newManager(t, shared{store}, session.Options{}))
	set(old, "ann")
	asked.Store(0)
	old = old.on(newManager(t, shared{store}, session.Options{Bots: session.BotOptions{Classifier: agents{&asked}}}))
	set(old, "bob")
	old.do(func(s *session.Session) { s.Names() })
	if asked.Load() != 1 {
		t.Errorf("asked %d times for an old session, want 1", asked.Load())
	}
}

func TestBotsInMemory(t *testing.T) {
	t.Parallel()
	store := newCounting()
	m := newManager(t, store, session.Options{Bots: session.BotOptions{Classifier: agents{}, Mode: session.BotsInMemory}})
	person := newVisitor(t, m)
	set(person, "ann")
	store.take()
	v := robot(person.on(m)) // with a cookie, too
	for _, mode := range []session.Mode{session.Optimistic, session.ReadOnly, session.Exclusive} {
		res := v.do(func(s *session.Session) {
			if !s.IsNew() || !s.Bot() || user.Get(s) != "" {
				t.Error("a robot has somebody's session")
			}
			if mode == session.ReadOnly {
				return
			}
			_ = user.Set(s, "robot")
			add(s, 2)
			if err := s.Renew(); err != nil || user.Get(s) != "robot" || count.Get(s) != 2 {
				t.Error("its session does not work")
			}
		}, mode)
		if res.StatusCode != http.StatusOK || len(res.Cookies()) != 0 {
			t.Errorf("%v: status %d, %d cookies", mode, res.StatusCode, len(res.Cookies()))
		}
	}
	v.do(func(s *session.Session) { _ = s.Destroy() })
	if calls := store.take(); len(calls) != 0 {
		t.Errorf("robots cost %v", calls)
	}
	person.do(func(s *session.Session) {
		if user.Get(s) != "ann" || s.Bot() {
			t.Error("the person's session is lost")
		}
	})
}

func TestBotsRefused(t *testing.T) {
	t.Parallel()
	store := newCounting()
	m := newManager(t, store, session.Options{Bots: session.BotOptions{Classifier: agents{}, Mode: session.BotsRefused}})
	v := robot(newVisitor(t, m))
	v.cookie = "__Host-session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for _, mode := range []session.Mode{session.Optimistic, session.ReadOnly, session.Exclusive} {
		res := v.do(func(*session.Session) { t.Error("a robot has a session") }, mode)
		if res.StatusCode != http.StatusForbidden || len(res.Cookies()) != 0 {
			t.Errorf("%v: status %d, %d cookies", mode, res.StatusCode, len(res.Cookies()))
		}
	}
	if calls := store.take(); len(calls) != 0 {
		t.Errorf("robots cost %v", calls)
	}
	if r := m.ErrorResponse(session.ErrBot); r.Status != http.StatusForbidden {
		t.Errorf("error response has status %d", r.Status)
	}
}

func TestBotsUnlocked(t *testing.T) {
	t.Parallel()
	m := newManager(t, nil, session.Options{Bots: session.BotOptions{Classifier: agents{}, Unlocked: true}})
	for _, who := range []struct {
		v    *visitor
		want session.Mode
	}{{robot(newVisitor(t, m)), session.Optimistic}, {newVisitor(t, m), session.Exclusive}} {
		set(who.v, "x")
		who.v.do(func(s *session.Session) {
			if s.Mode() != who.want {
				t.Errorf("mode = %v, want %v", s.Mode(), who.want)
			}
		}, session.Exclusive)
		who.v.serve(t.Context(), func(_ http.ResponseWriter, r *http.Request) {
			if _, err := session.Get(r.Context(), session.ReadOnly); err != nil {
				t.Error(err)
			}
			s, err := session.Get(r.Context(), session.Exclusive)
			if err != nil || s.Mode() != who.want || s.Bot() != (who.want == session.Optimistic) {
				t.Errorf("upgrade: mode = %v, want %v; %v", s.Mode(), who.want, err)
			}
		})
	}
}

// Nobody is classified who does not ask for his session.
func TestBotsUntouched(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	store := newCounting()
	m := newManager(t, store, session.Options{Bots: session.BotOptions{Classifier: agents{&asked}, Mode: session.BotsRefused}})
	robot(newVisitor(t, m)).serve(t.Context(), func(http.ResponseWriter, *http.Request) {})
	if asked.Load() != 0 || !maps.Equal(store.take(), map[string]int{}) {
		t.Error("a request that does not ask for its session was classified")
	}
}
