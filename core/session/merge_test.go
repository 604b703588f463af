package session_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// On a slow store, one that has waited for long must not write for those who have time.
func TestCommitWithoutTimeFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &slowStore{Handler: memstore.New(nil)}
		v := newVisitor(t, newManager(t, store, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		store.d.Store(int64(400 * time.Millisecond))
		var wg sync.WaitGroup
		status := make([]int, 50)
		took := make([]time.Duration, 50)
		for i := range status {
			wg.Go(func() {
				if i > 1 {
					time.Sleep(390 * time.Millisecond)
				} else if i == 1 {
					time.Sleep(time.Millisecond)
				}
				start := time.Now()
				status[i] = v.do(func(s *session.Session) { add(s, 1) }).StatusCode
				took[i] = time.Since(start)
			})
		}
		wg.Wait()
		bad := 0
		for i := 2; i < 50; i++ {
			if status[i] != 200 {
				bad++
			}
		}
		if bad > 0 {
			t.Errorf("%d of 48 requests failed after %v of their 600ms, because the one that wrote for them was out of time", bad, took[2])
		}
	})
}

// slowStore takes a while for a write, and obeys its context.
type slowStore struct {
	session.Handler
	d atomic.Int64
}

func (c *slowStore) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	select {
	case <-time.After(time.Duration(c.d.Load())):
		return c.Handler.Write(ctx, id, rec, prev)
	case <-ctx.Done():
		return errors.Join(session.ErrUnavailable, ctx.Err())
	}
}

// The limit of the store, not that of the options, among commits that are written together.
func TestTooLargeForTheStoreFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := sessiontest.NewFaulty(memstore.New(&memstore.Options{MaxBytes: 1000}))
		v := newVisitor(t, newManager(t, f, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		release := make(chan struct{})
		f.Before(sessiontest.OpWrite, 1, func(context.Context) error { <-release; return nil })
		var wg sync.WaitGroup
		status := make([]int, 10)
		for i := range status {
			wg.Go(func() {
				status[i] = v.do(func(s *session.Session) {
					add(s, 1)
					if i == 5 {
						_ = user.Set(s, strings.Repeat("x", 2000))
					}
				}).StatusCode
			})
			synctest.Wait()
		}
		close(release)
		wg.Wait()
		for i, code := range status {
			if i != 5 && code != 200 {
				t.Errorf("request %d: status %d because of another's value", i, code)
			}
		}
	})
}

// Setting the value that was read, and another key, does not undo what others set.
func TestSameValueIsNoChangeBesideAnother(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, nil, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	overlap(v, func(s *session.Session) { _ = user.Set(s, "first") }, func(s *session.Session) {
		_ = user.Set(s, "ann") // the value it had: no change at all
		_ = count.Set(s, 7)
	})
	v.do(func(s *session.Session) {
		if got := user.Get(s); got != "first" {
			t.Errorf("user = %q: setting the value it had undid another's change", got)
		}
	})
}

// A Set may depend on what an Update before it saw.
func TestSetBehindUpdateIsStale(t *testing.T) {
	t.Parallel()
	rec := new(recorder)
	v := newVisitor(t, newManager(t, nil, session.Options{RejectStale: true, Observer: rec}))
	v.do(func(s *session.Session) { _ = count.Set(s, 1) })
	res := overlap(v, func(s *session.Session) { add(s, 10) }, func(s *session.Session) {
		add(s, 1)
		_ = count.Set(s, count.Get(s)*2)
	})
	v.do(func(s *session.Session) {
		if res.StatusCode == 200 {
			t.Errorf("status 200, count = %d: +10 is lost, %d EventOverwritten", count.Get(s), rec.count(session.EventOverwritten))
		}
	})
}

// Sessions that were stored when there was no absolute limit.
func TestAbsoluteTimeoutIntroducedLater(t *testing.T) {
	t.Parallel()
	store := memstore.New(nil)
	v := newVisitor(t, newManager(t, shared{store}, session.Options{AbsoluteTimeout: -1}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	v = v.on(newManager(t, shared{store}, session.Options{IdleTimeout: -1}))
	if res := v.do(func(s *session.Session) { _ = count.Set(s, 1) }); res.StatusCode != 200 {
		t.Errorf("status %d: a live session cannot be changed", res.StatusCode)
	}
}

// The store panics, and something inside the middleware recovers.
func TestPanickedCommitIsNoSuccess(t *testing.T) {
	t.Parallel()
	f := sessiontest.NewFaulty(memstore.New(nil))
	v := newVisitor(t, newManager(t, f, session.Options{}))
	f.Before(sessiontest.OpWrite, 1, func(context.Context) error { panic("bug in the store") })
	res := v.serve(t.Context(), func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.Get(r.Context())
		_ = user.Set(s, "ann")
		defer func() { _ = recover() }() // as a recovery middleware inside the session's
		_, _ = w.Write([]byte("stored"))
	})
	if res.StatusCode == 200 {
		t.Errorf("status %d, Cache-Control %q: the commit panicked", res.StatusCode, res.Header.Get("Cache-Control"))
	}
	f = sessiontest.NewFaulty(memstore.New(nil))
	m := newManager(t, f, session.Options{})
	f.Before(sessiontest.OpWrite, 1, func(context.Context) error { panic("bug in the store") })
	x := m.Begin(t.Context(), http.Header{})
	s, _ := x.Get()
	_ = user.Set(s, "ann")
	func() { defer func() { _ = recover() }(); _ = x.Commit(http.Header{}) }()
	if err := x.Commit(http.Header{}); err == nil {
		t.Error("the second Commit returns nil")
	}
}

// Commit returns the same every time.
func TestCommitAfterAFailedLoadIsStable(t *testing.T) {
	t.Parallel()
	f := sessiontest.NewFaulty(memstore.New(nil))
	f.Before(sessiontest.OpRead, -1, sessiontest.Fail)
	m := newManager(t, f, session.Options{})
	token, _ := goodToken()
	x := m.Begin(t.Context(), http.Header{"Cookie": {"__Host-session=" + token}})
	_, _ = x.Get()
	a, b := x.Commit(http.Header{}), x.Commit(http.Header{})
	if a != b {
		t.Errorf("Commit: %v, then %v", a, b)
	}
}

// RFC 9213: for CDNs these headers override Cache-Control.
func TestTargetedCacheControl(t *testing.T) {
	t.Parallel()
	f := sessiontest.NewFaulty(memstore.New(nil))
	m := newManager(t, f, session.Options{})
	h := func(w http.ResponseWriter, r *http.Request) {
		s, _ := session.Get(r.Context())
		_ = user.Set(s, "ann")
		w.Header().Set("CDN-Cache-Control", "public, max-age=3600")
		w.Header().Set("Surrogate-Control", "max-age=3600")
		_, _ = w.Write([]byte("x"))
	}
	res := newVisitor(t, m).serve(t.Context(), h)
	if len(res.Cookies()) == 1 && strings.Contains(res.Header.Get("CDN-Cache-Control")+res.Header.Get("Surrogate-Control"), "max-age") {
		t.Error("a response with a token is public for CDNs (RFC 9213)")
	}
	f.Before(sessiontest.OpWrite, -1, sessiontest.Fail)
	res = newVisitor(t, m).serve(t.Context(), h)
	if res.StatusCode == 503 && res.Header.Get("CDN-Cache-Control") != "" {
		t.Error("the 503 is cached by CDNs for an hour")
	}
}

// A wrapper whose inner Handler cannot touch.
func TestUnsupportedTouchIsAskedOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := sessiontest.NewFaulty(struct{ session.Handler }{memstore.New(nil)})
		v := newVisitor(t, newManager(t, f, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		time.Sleep(10 * time.Minute)
		v.do(func(s *session.Session) { user.Get(s) })
		if n := f.Calls(sessiontest.OpTouch); n != 1 {
			t.Errorf("%d calls of Touch", n)
		}
	})
}

// Of two touches the later one may arrive first.
func TestLateTouchDoesNotShorten(t *testing.T) {
	t.Parallel()
	s := memstore.New(nil)
	now := time.Now()
	rec := session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: time.Hour}
	_ = s.Write(t.Context(), session.ID{1}, rec, session.Version{})
	early, late := rec, rec
	early.Seen, late.Seen = now.Add(time.Minute), now.Add(2*time.Minute)
	_ = s.Touch(t.Context(), session.ID{1}, late)
	_ = s.Touch(t.Context(), session.ID{1}, early)
	got, _ := s.Read(t.Context(), session.ID{1})
	if got.Seen.Before(late.Seen.Truncate(time.Millisecond)) {
		t.Errorf("seen went back by %v", late.Seen.Sub(got.Seen))
	}
}

// A ConflictError without its record.
type bare struct{ session.Handler }

func (b bare) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	err := b.Handler.Write(ctx, id, rec, prev)
	if c, ok := errors.AsType[*session.ConflictError](err); ok {
		return &session.ConflictError{Err: c.Err}
	}
	return err
}

// A Handler may say ErrConflict, in a ConflictError even, and leave the record out.
func TestConflictWithoutItsRecord(t *testing.T) {
	t.Parallel()
	v := newVisitor(t, newManager(t, bare{memstore.New(nil)}, session.Options{}))
	v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
	res := overlap(v, func(s *session.Session) { add(s, 1) }, func(s *session.Session) { add(s, 10) })
	if res.StatusCode != 200 {
		t.Errorf("status %d", res.StatusCode)
	}
}
