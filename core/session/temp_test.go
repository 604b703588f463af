package session_test

import (
	"maps"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func TestTempEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		code := session.NewTemp[string]("code", 10*time.Minute)
		store := newCounting()
		v := newVisitor(t, newManager(t, store, session.Options{}))
		look := func(want string, mode session.Mode) {
			t.Helper()
			v.do(func(s *session.Session) {
				if got, ok := code.Lookup(s); got != want || ok != (want != "") || code.Get(s) != want {
					t.Errorf("Lookup = %q, %t; want %q", got, ok, want)
				}
			}, mode)
		}
		v.do(func(s *session.Session) { _ = code.Set(s, "1234"); _ = user.Set(s, "ann") })
		look("1234", session.Optimistic)
		time.Sleep(10*time.Minute - time.Millisecond)
		look("1234", session.ReadOnly)
		time.Sleep(time.Millisecond)
		store.take()
		look("", session.ReadOnly)
		if calls := store.take(); calls["write"] != 0 {
			t.Errorf("a look cost %v", calls)
		}
		look("", session.Optimistic)
		if calls := store.take(); !maps.Equal(calls, map[string]int{"read": 1, "write": 1}) {
			t.Errorf("removing what has ended cost %v", calls)
		}
		v.do(func(s *session.Session) {
			if !slices.Equal(s.Names(), []string{"user"}) {
				t.Errorf("names = %q", s.Names())
			}
		})
	})
}

func TestTempPopAndDelete(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		code := session.NewTemp[int]("code", time.Minute)
		v := newVisitor(t, newManager(t, nil, session.Options{}))
		v.do(func(s *session.Session) {
			_ = code.Set(s, 7)
			if n, ok := code.Pop(s); n != 7 || !ok || code.Name() != "code" {
				t.Errorf("Pop = %d, %t", n, ok)
			}
			if _, ok := code.Pop(s); ok {
				t.Error("popped twice")
			}
			_ = code.Set(s, 8)
			_ = code.Delete(s)
			if code.Get(s) != 0 {
				t.Error("not deleted")
			}
			_ = code.Set(s, 9)
		})
		time.Sleep(time.Minute)
		v.do(func(s *session.Session) {
			if n, ok := code.Pop(s); n != 0 || ok {
				t.Errorf("Pop of what has ended = %d, %t", n, ok)
			}
		})
	})
}

// What another request sets anew is not removed by one that has seen the end of the old value.
func TestTempKeepsANewValue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		code := session.NewTemp[int]("code", time.Minute)
		v := newVisitor(t, newManager(t, nil, session.Options{}))
		v.do(func(s *session.Session) { _ = code.Set(s, 1) })
		time.Sleep(time.Minute)
		overlap(v, func(s *session.Session) { _ = code.Set(s, 2) }, func(s *session.Session) { code.Get(s) })
		v.do(func(s *session.Session) {
			if code.Get(s) != 2 {
				t.Error("the new value is lost")
			}
		})
	})
}

func TestASVS_14_3_1_ClearSiteData(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		clear []string
		use   func(*session.Session)
		want  string
	}{
		"off":           {nil, func(s *session.Session) { _ = s.Destroy() }, ""},
		"logout":        {[]string{"cache", "cookies", "storage"}, func(s *session.Session) { _ = s.Destroy() }, `"cache", "cookies", "storage"`},
		"all":           {[]string{"*"}, func(s *session.Session) { _ = s.Destroy() }, `"*"`},
		"no logout":     {[]string{"cache"}, func(s *session.Session) { _ = user.Set(s, "bob") }, ""},
		"renewal":       {[]string{"cache"}, func(s *session.Session) { _ = s.Renew() }, ""},
		"a new session": {[]string{"cache", "cookies"}, func(s *session.Session) { _ = s.Destroy(); _ = user.Set(s, "b") }, `"cache"`},
		"all but the new cookie": {[]string{"*"}, func(s *session.Session) { _ = s.Destroy(); _ = user.Set(s, "b") },
			`"cache", "storage"`},
		"nothing but cookies": {[]string{"cookies"}, func(s *session.Session) { _ = s.Destroy(); _ = user.Set(s, "b") }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := newVisitor(t, newManager(t, nil, session.Options{ClearSiteData: c.clear}))
			set(v, "ann")
			if got := v.do(c.use).Header.Get("Clear-Site-Data"); got != c.want {
				t.Errorf("Clear-Site-Data: %s, want %s", got, c.want)
			}
		})
	}
	v := newVisitor(t, newManager(t, nil, session.Options{ClearSiteData: []string{"*"}}))
	set(v, "ann")
	res := v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Clear-Site-Data", `"storage"`)
		s, err := session.Get(r.Context())
		if err != nil {
			t.Error(err)
			return
		}
		_ = s.Destroy()
	})
	if got := res.Header.Get("Clear-Site-Data"); got != `"storage"` {
		t.Errorf("the handler's own became %s", got)
	}
}
