package session_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

const firefox = "Firefox"

// begin stores a session of ann.
func begin(t *testing.T, s setting) *visitor { return beginOn(t, memstore.New(nil), s, "ann") }

func beginOn(t *testing.T, store session.Handler, s setting, name string) *visitor {
	v := from(newVisitor(t, newManager(t, store, s.Options)), "192.0.2.1:1000", firefox)
	v.do(func(x *session.Session) {
		if s.Limits != (session.Limits{}) {
			_ = x.SetLimits(s.Limits) // an error fails the commit
		}
		_ = user.Set(x, name)
	})
	return v
}

func seeLimits(t *testing.T, s setting) (seen string) {
	newVisitor(t, newManager(t, nil, s.Options)).do(func(x *session.Session) { seen = fmt.Sprint(x.SetLimits(s.Limits)) })
	return seen
}

// whose says what a visitor's session is.
func whose(v *visitor) string {
	var name string
	res := v.do(func(s *session.Session) { name = user.Get(s) })
	return fmt.Sprintf("%d %q", res.StatusCode, name)
}

func status(res *http.Response) string {
	body, _ := io.ReadAll(res.Body)
	return fmt.Sprint(res.StatusCode, " ", string(body))
}

// seeHeaders shows the headers with which a session begins.
func seeHeaders(t *testing.T, s setting) string {
	res := newVisitor(t, newManager(t, nil, s.Options)).do(func(s *session.Session) { _ = user.Set(s, "ann") })
	return fmt.Sprint(slices.Collect(maps.Keys(res.Header)), res.Header["Set-Cookie"])
}

func seeLogout(t *testing.T, s setting) string {
	res := begin(t, s).do(func(s *session.Session) { _ = s.Destroy() })
	return fmt.Sprint(res.Header["Clear-Site-Data"])
}

// seeAfter shows what there is of a session that nobody has used for a time.
func seeAfter(d time.Duration) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		v := begin(t, s)
		time.Sleep(d)
		return whose(v)
	}
}

// seeUsed shows what there is of a session that was read every ten minutes.
func seeUsed(d time.Duration) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		v := begin(t, s)
		for range d / (10 * time.Minute) {
			time.Sleep(10 * time.Minute)
			whose(v)
		}
		return whose(v)
	}
}

func seeRenewal(t *testing.T, s setting) string {
	v := begin(t, s)
	before := v.cookie
	time.Sleep(11 * time.Minute)
	whose(v)
	return fmt.Sprint("another token: ", v.cookie != before)
}

// seeOldToken uses a token half a minute after it was replaced.
func seeOldToken(t *testing.T, s setting) string {
	v := begin(t, s)
	old := v.on(v.m)
	time.Sleep(11 * time.Minute)
	whose(v)
	time.Sleep(30 * time.Second)
	return whose(old)
}

// seeStall shows how long a request takes when the store hangs.
func seeStall(hang func(*stuck), use func(*session.Session)) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		store := &stuck{Store: memstore.New(nil)}
		v := beginOn(t, store, s, "ann")
		hang(store)
		start := time.Now()
		answer := status(v.do(use))
		return fmt.Sprint(time.Since(start), " ", answer)
	}
}

func seeLarge(t *testing.T, s setting) string {
	return status(begin(t, s).do(func(s *session.Session) { _ = user.Set(s, strings.Repeat("x", 10_000)) }))
}

// seeStale sets what was read, and what somebody else has changed since.
func seeStale(t *testing.T, s setting) string {
	v := begin(t, s)
	return status(v.do(func(s *session.Session) {
		user.Get(s)
		set(v.on(v.m), "bob")
		_ = user.Set(s, "eve")
	}))
}

func seeCorrupt(t *testing.T, s setting) string {
	store := newTapped()
	v := beginOn(t, store, s, "ann")
	store.tamper = func(_ session.ID, rec session.Record) session.Record {
		rec.Payload = []byte("?")
		return rec
	}
	return whose(v)
}

// seeGC counts what has expired and is still there after ten seconds.
func seeGC(t *testing.T, s setting) string {
	store := &collecting{Handler: memstore.New(nil), left: 5}
	m := newManager(t, store, s.Options)
	time.Sleep(10 * time.Second)
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	return fmt.Sprint(store.left, " expired sessions are left")
}

// seeAtRest tells whether the store could read something in a session.
func seeAtRest(text string) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		store := newRecording()
		if got := whose(beginOn(t, store, s, "ann-in-clear")); got != `200 "ann-in-clear"` {
			return got
		}
		return fmt.Sprint("the store has it: ", store.holds(text))
	}
}

// seeSize shows how much of a session of n bytes is stored.
func seeSize(n int) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		store := newTapped()
		_, rec := store.last(beginOn(t, store, s, halves(n)))
		if len(rec.Payload) < n/2 {
			return "less than half"
		}
		return "more than half"
	}
}

// seeLevel compares what is stored with what is with the fastest gzip.
func seeLevel(t *testing.T, s setting) string {
	size := func(o session.Options) int {
		store := newTapped()
		_, rec := store.last(beginOn(t, store, opts(o), halves(20_000)))
		return len(rec.Payload)
	}
	return fmt.Sprint("smaller: ", size(s.Options) < size(compressing(new(session.Gzip), 0)))
}

// seeStolenKeys opens a session with the store and with the keys.
func seeStolenKeys(t *testing.T, s setting) string {
	store := newTapped()
	id, rec := store.last(beginOn(t, store, s, "ann"))
	_, err := session.NewEnvelope(s.Options).Open(id, rec)
	return fmt.Sprint("what one has without the cookie suffices: ", err == nil)
}

// seeStoredBefore reads what a Manager with other options has stored.
func seeStoredBefore(before session.Options) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		store := memstore.New(nil)
		v := beginOn(t, shared{store}, opts(before), halves(3000))
		return fmt.Sprint("read: ", holds(v.on(newManager(t, shared{store}, s.Options))) == halves(3000))
	}
}

// seeMadeUp counts the store calls for a token that was made up.
func seeMadeUp(t *testing.T, s setting) string {
	store := newCounting()
	v := newVisitor(t, newManager(t, store, s.Options))
	v.cookie = madeUp(50)
	whose(v)
	return fmt.Sprint(store.take()["read"], " reads")
}

func seeHeard(t *testing.T, s setting) string {
	begin(t, s)
	heard, _ := s.Observer.(*recorder)
	return fmt.Sprint("heard: ", heard != nil && heard.count(session.EventCreated) == 1)
}

// seeLogs compares the names that two nodes have for one session in their logs.
func seeLogs(t *testing.T, s setting) string {
	store, names := memstore.New(nil), make(map[string]bool)
	var v *visitor
	for range 2 {
		events := &recorder{}
		s.Observer = events
		m := newManager(t, shared{store}, s.Options)
		if v == nil {
			v = newVisitor(t, m)
			set(v, "ann")
		}
		v.m = m
		whose(v)
		names[events.events[len(events.events)-1].Session()] = true
	}
	return fmt.Sprint(len(names), " names")
}

// seeRobot shows how a robot finds its session after a time.
func seeRobot(d time.Duration) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		v := robot(newVisitor(t, newManager(t, nil, s.Options)))
		set(v, "ann")
		time.Sleep(d)
		return whose(v)
	}
}

// seeMoved uses a session from elsewhere.
func seeMoved(first, then, agent string, forwarded ...string) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		v := from(newVisitor(t, newManager(t, nil, s.Options)), first, firefox)
		set(v, "ann")
		return whose(from(v, then, agent, forwarded...))
	}
}

// seeSecondLogin logs a user in on two devices.
func seeSecondLogin(t *testing.T, s setting) string {
	m := newManager(t, nil, s.Options)
	first, second := newVisitor(t, m), newVisitor(t, m)
	login(first, "ann")
	_, code := login(second, "ann")
	return fmt.Sprint("the first is ", whose(first), ", the second ", whose(second), " with ", code)
}

func seeEnd(t *testing.T, s setting) string {
	v := begin(t, s)
	err := v.m.EndEverything(t.Context())
	return fmt.Sprint(whose(v), " supported: ", !errors.Is(err, errors.ErrUnsupported))
}

// seeBind logs in, and lists the sessions of bob.
func seeBind(t *testing.T, s setting) string {
	v := newVisitor(t, newManager(t, nil, s.Options))
	var err error
	fresh, second := false, false
	v.do(func(x *session.Session) {
		err = x.Bind(s.Login)
		fresh, second = x.Fresh(time.Hour), x.Fresh(time.Hour, "otp")
	})
	var attributes []map[string]string
	for _, x := range list(t, v.m, "bob") {
		attributes = append(attributes, x.Attributes)
	}
	return fmt.Sprint("bob's: ", len(attributes), attributes, ", fresh: ", fresh, ", second factor: ", second, ", ended: ", errors.Is(err, session.ErrNotFound))
}

// seeProvider logs in, and hears from the provider that its session has ended.
func seeProvider(t *testing.T, s setting) string {
	v := newVisitor(t, newManager(t, nil, s.Options))
	provided(v, s.Login.Subject, s.Login.ProviderSession, nil)
	endProvided(t, v.m, "sid")
	return whose(v)
}

// seeCrowd asks for a session that another request has for half a minute.
func seeCrowd(who func(*visitor) *visitor) func(*testing.T, setting) string {
	return func(t *testing.T, s setting) string {
		v := who(begin(t, s))
		v.busy(30 * time.Second)
		start, mode := time.Now(), session.Exclusive
		if s.Mode != 0 {
			mode = s.Mode
		}
		code, err := v.ask(t.Context(), mode, func(*session.Session) {})
		took := time.Since(start)
		time.Sleep(time.Minute)
		return fmt.Sprint(code, " after ", took, ": ", err)
	}
}

func anybody(v *visitor) *visitor { return v }

// seeAbandoned asks for a session whose holder cannot say any more that it lives; seeHeld for one that it keeps.
func seeAbandoned(t *testing.T, s setting) string { return seeHold(t, s, unavailable) }
func seeHeld(t *testing.T, s setting) string      { return seeHold(t, s, nil) }

func seeHold(t *testing.T, s setting, disturb func(func() error) error) string {
	f := newFaultyLocker()
	holder := beginOn(t, f, s, "ann")
	f.on("extend", disturb)
	holder.busy(time.Minute)
	start := time.Now()
	next := holder.on(newManager(t, shared{f.Handler}.locking(), session.Options{Observer: session.Silent{}}))
	code, _ := next.ask(context.Background(), session.Exclusive.MaxWait(50*time.Second), func(*session.Session) {})
	took := time.Since(start)
	time.Sleep(time.Minute)
	return fmt.Sprint(code, " after ", took.Round(time.Second))
}

// seeNew tells whether a store is taken that cannot lock.
func seeNew(t *testing.T, s setting) string {
	store := memstore.New(nil)
	t.Cleanup(func() { _ = store.Close() })
	m, err := session.New(shared{store}, s.Options)
	if err == nil {
		err = m.Close()
	}
	return fmt.Sprint("refused: ", errors.Is(err, errors.ErrUnsupported))
}
