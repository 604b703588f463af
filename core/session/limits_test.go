package session_test

import (
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// lifeOf is what a session that is loaded now has left, idle and in all.
func lifeOf(v *visitor) (idle, absolute time.Duration) {
	v.t.Helper()
	v.do(func(s *session.Session) {
		if s.IsNew() {
			return
		}
		idle = time.Until(s.Deadline())
		if !s.Expires().IsZero() {
			absolute = time.Until(s.Expires())
		}
	}, session.ReadOnly)
	return idle, absolute
}

func wantLife(t *testing.T, v *visitor, when string, idle, absolute time.Duration) {
	t.Helper()
	if i, a := lifeOf(v); i != idle || a != absolute {
		t.Errorf("%s: the session has %v, and %v in all; want %v and %v", when, i, a, idle, absolute)
	}
}

func set(v *visitor, text string) { v.do(func(s *session.Session) { _ = user.Set(s, text) }) }

func TestFirstWritesHaveAShorterLife(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCounting()
		v := newVisitor(t, newManager(t, store, session.Options{FirstTimeout: 10 * time.Minute}))
		set(v, "1")
		wantLife(t, v, "after one write", 10*time.Minute, 24*time.Hour)
		store.take()
		set(v, "1")
		if calls := store.take(); calls["write"] != 0 {
			t.Errorf("setting the same value cost %v", calls)
		}
		wantLife(t, v, "after the same value again", 10*time.Minute, 24*time.Hour)
		set(v, "2")
		wantLife(t, v, "after two writes", 20*time.Minute, 24*time.Hour)
		for _, text := range []string{"3", "4"} {
			set(v, text)
			wantLife(t, v, "after write "+text, time.Hour, 24*time.Hour)
		}
		v.do(func(s *session.Session) {
			if names := s.Names(); len(names) != 1 {
				t.Errorf("names = %q", names)
			}
		})
	})
}

func TestFirstTimeoutKeepsThoseWhoStay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, newManager(t, nil, session.Options{FirstTimeout: time.Minute}))
		set(v, "1")
		for range 10 { // the interval of touches follows the session's own, shorter life
			time.Sleep(50 * time.Second)
			if idle, _ := lifeOf(v); idle != 10*time.Second {
				t.Fatalf("in use, 50 s later: %v are left", idle)
			}
		}
		time.Sleep(time.Minute)
		wantLife(t, v, "unused", 0, 0)
	})
}

func TestSetLimits(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name           string
		o              session.Options
		limits         session.Limits
		idle, absolute time.Duration
	}{
		{"none", session.Options{}, session.Limits{}, time.Hour, 24 * time.Hour},
		{"shorter", session.Options{}, session.Limits{Idle: 5 * time.Minute, Absolute: time.Hour}, 5 * time.Minute, time.Hour},
		{"longer", session.Options{}, session.Limits{Idle: 48 * time.Hour, Absolute: 96 * time.Hour}, 48 * time.Hour, 96 * time.Hour},
		{"no idle limit", session.Options{}, session.Limits{Idle: -1}, 24 * time.Hour, 24 * time.Hour},
		{"no absolute limit", session.Options{}, session.Limits{Absolute: -1}, time.Hour, 0},
		{"instead of FirstTimeout", session.Options{FirstTimeout: time.Minute}, session.Limits{Idle: 2 * time.Hour}, 2 * time.Hour, 24 * time.Hour},
		{"bounded", session.Options{MaxTimeout: 2 * time.Hour}, session.Limits{Idle: -1}, 2 * time.Hour, 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				v := newVisitor(t, newManager(t, nil, c.o))
				v.do(func(s *session.Session) { _ = s.SetLimits(c.limits); _ = user.Set(s, "ann") })
				wantLife(t, v, "created", c.idle, c.absolute)
				time.Sleep(time.Minute)
				v.do(func(s *session.Session) { _ = s.Renew(); _ = user.Set(s, "bob") })
				if c.absolute == 0 {
					wantLife(t, v, "renewed", c.idle, 0)
				} else {
					wantLife(t, v, "renewed", min(c.idle, c.absolute-time.Minute), c.absolute-time.Minute)
				}
			})
		})
	}
}

func TestSetLimitsRefusesContradictions(t *testing.T) {
	t.Parallel()
	o := session.Options{MinTimeout: time.Minute, MaxTimeout: 12 * time.Hour, AbsoluteTimeout: 20 * time.Hour}
	for name, l := range map[string]session.Limits{
		"no end":        {Idle: -1, Absolute: -1},
		"below minimum": {Idle: time.Second},
		"above maximum": {Idle: 13 * time.Hour},
		"too long":      {Absolute: 13 * time.Hour},
		"tiny":          {Absolute: 1},
	} {
		v := newVisitor(t, newManager(t, nil, o))
		var err error
		res := v.do(func(s *session.Session) { err = s.SetLimits(l); _ = user.Set(s, "ann") })
		if err == nil || res.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: error %v, status %d", name, err, res.StatusCode)
		}
	}
}

// A login that sets the absolute limit makes it count from then.
func TestASVS_7_3_2_AbsoluteLifeCountsFromTheLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, newManager(t, nil, session.Options{}))
		set(v, "anonymous")
		time.Sleep(50 * time.Minute)
		v.do(func(s *session.Session) {
			_ = s.Renew()
			_ = s.SetLimits(session.Limits{Absolute: 2 * time.Hour})
			_ = user.Set(s, "ann")
		})
		wantLife(t, v, "after the login", time.Hour, 2*time.Hour)
		for range 3 {
			time.Sleep(39 * time.Minute)
			set(v, time.Now().String())
		}
		wantLife(t, v, "used all the time", 3*time.Minute, 3*time.Minute)
		time.Sleep(3 * time.Minute)
		wantLife(t, v, "at the absolute end", 0, 0)
	})
}

// The browser's copy of the cookie has no say: neither an old one nor one that the browser would have dropped.
func TestASVS_7_3_1_IdleTimeoutIgnoresTheCookie(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, newManager(t, nil, session.Options{Cookie: session.Cookie{Persistent: true}}))
		res := v.do(func(s *session.Session) {
			_ = s.SetLimits(session.Limits{Absolute: 72 * time.Hour})
			_ = user.Set(s, "ann")
		})
		if age := res.Cookies()[0].MaxAge; age != 72*3600 {
			t.Errorf("Max-Age = %d", age)
		}
		replayed := v.on(v.m)
		for range 40 {
			time.Sleep(59 * time.Minute)
			if idle, _ := lifeOf(replayed); idle == 0 {
				t.Fatal("a session in use has ended")
			}
		}
		time.Sleep(time.Hour)
		wantLife(t, replayed, "unused for an hour, with a cookie that has a day left", 0, 0)
	})
}

func TestReadsDoNotSlideWithoutTouches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := newCounting()
		v := newVisitor(t, newManager(t, store, session.Options{TouchInterval: -1}))
		set(v, "ann")
		store.take()
		for left := 50; left > 0; left -= 10 {
			time.Sleep(10 * time.Minute)
			if idle, _ := lifeOf(v); idle != time.Duration(left)*time.Minute {
				t.Errorf("after reads there are %v left, want %d minutes", idle, left)
			}
		}
		if calls := store.take(); !maps.Equal(calls, map[string]int{"read": 5}) {
			t.Errorf("calls = %v", calls)
		}
		set(v, "bob")
		wantLife(t, v, "after a write", time.Hour, 23*time.Hour+10*time.Minute)
	})
}

// In the systems that this one follows a lifetime of 0 became their minimum of 60 s.
func TestZeroIsNoMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		v := newVisitor(t, newManager(t, memstore.New(nil), session.Options{MinTimeout: time.Minute}))
		v.do(func(s *session.Session) { _ = s.SetLimits(session.Limits{}); _ = user.Set(s, "ann") })
		wantLife(t, v, "with zero everywhere", time.Hour, 24*time.Hour)
	})
}

func TestLimitsAloneStoreNothing(t *testing.T) {
	t.Parallel()
	store := newCounting()
	v := newVisitor(t, newManager(t, store, session.Options{FirstTimeout: time.Minute}))
	v.do(func(s *session.Session) { _ = s.SetLimits(session.Limits{Idle: time.Minute}) })
	if calls := store.take(); len(calls) != 0 || v.cookie != "" {
		t.Errorf("calls = %v", calls)
	}
}

func TestKeysCannotReachNotes(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.do(func(s *session.Session) { _ = s.SetLimits(session.Limits{Idle: time.Minute}); _ = user.Set(s, "ann") })
	k := session.NewKey[int]("\x00limits")
	for name, use := range map[string]func(*session.Session) error{
		"set":    func(s *session.Session) error { return k.Set(s, 1) },
		"update": func(s *session.Session) error { return k.Update(s, func(int) int { return 1 }) },
		"delete": k.Delete,
	} {
		res := v.do(func(s *session.Session) {
			if err := use(s); err == nil {
				t.Errorf("%s is accepted", name)
			}
		})
		if res.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s: status %d", name, res.StatusCode)
		}
	}
	v.do(func(s *session.Session) {
		if _, ok := k.Lookup(s); ok {
			t.Error("a note was read")
		}
		if _, ok := k.Pop(s); ok || len(s.Names()) != 1 {
			t.Error("a note was popped, or has a name")
		}
	})
}
