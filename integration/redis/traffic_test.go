package redis_test

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// traffic is what requests do all the time: each visitor changes and reads a session of its own, and goes on after errors
// as the session.Manager does, which makes a call once more that gave no answer.
type traffic struct {
	t        testing.TB
	s        store
	done     chan struct{}
	wg       sync.WaitGroup
	visitors []*visitor
}

// visitor is one session. What the server acknowledged must be there.
type visitor struct {
	id session.ID

	mu      sync.Mutex
	errs    []error
	worked  time.Time // the last time
	slowest time.Duration
	acked   int
}

// drive starts visitors whose sessions have ids for which want is true.
func drive(t testing.TB, s store, n int, want func(key string) bool) *traffic {
	t.Helper()
	tr := &traffic{t: t, s: s, done: make(chan struct{})}
	for len(tr.visitors) < n {
		v := &visitor{id: newID()}
		if want == nil || want(key(v.id)) {
			tr.visitors = append(tr.visitors, v)
			tr.wg.Go(func() { tr.visit(v) })
		}
	}
	t.Cleanup(tr.stop)
	return tr
}

func (tr *traffic) visit(v *visitor) {
	var n ticks
	call := func(op func() error) error {
		begin := time.Now()
		err := op()
		if errors.Is(err, session.ErrUnavailable) {
			err = op()
		}
		v.note(begin, err)
		return err
	}
	rec := record(n.next(), "0")
	write := func(next session.Record, prev session.Version) error {
		err := call(func() error { return tr.s.Write(tr.t.Context(), v.id, next, prev) })
		if conflict, ok := errors.AsType[*session.ConflictError](err); ok { // a master died and had not passed on the last write
			rec = conflict.Newest
		}
		return err
	}
	for write(rec, session.Version{}) != nil {
		if tr.stopped() {
			return
		}
	}
	for i := 1; !tr.stopped(); i++ {
		next := record(n.next(), strconv.Itoa(i))
		err := write(next, rec.Version)
		for errors.Is(err, session.ErrUnavailable) {
			if tr.stopped() { // it is unknown whether it was stored
				return
			}
			err = write(next, rec.Version)
		}
		if errors.Is(err, session.ErrNotFound) { // likewise, and it was the first one
			err = write(next, session.Version{})
		}
		if err != nil {
			continue
		}
		rec = next
		v.mu.Lock()
		v.acked = i
		v.mu.Unlock()
		_ = call(func() error {
			got, err := tr.s.Read(tr.t.Context(), v.id)
			if err == nil && got.Version != rec.Version {
				err = errors.New("read another version than was acknowledged last")
			}
			return err
		})
	}
}

func (v *visitor) note(begin time.Time, err error) {
	v.mu.Lock()
	now := time.Now()
	v.slowest = max(v.slowest, now.Sub(begin))
	if err != nil {
		v.errs = append(v.errs, err)
	}
	if !errors.Is(err, session.ErrUnavailable) { // a refusal is an answer too
		v.worked = now
	}
	v.mu.Unlock()
	if err != nil {
		time.Sleep(time.Millisecond)
	}
}

func (tr *traffic) stopped() bool {
	select {
	case <-tr.done:
		return true
	case <-time.After(time.Millisecond):
		return false
	}
}

// stop ends the traffic.
func (tr *traffic) stop() {
	select {
	case <-tr.done:
	default:
		close(tr.done)
	}
	tr.wg.Wait()
}

// expectAll stops, fails the test if there was an error, or an acknowledged change is lost, and returns the slowest call and how
// many changes were acknowledged.
func (tr *traffic) expectAll() (slowest time.Duration, acked int) {
	tr.t.Helper()
	tr.stop()
	for _, v := range tr.visitors {
		if len(v.errs) > 0 {
			tr.t.Errorf("%d calls failed, the first with %v", len(v.errs), v.errs[0])
		}
		slowest, acked = max(slowest, v.slowest), acked+v.acked
	}
	tr.expectStored()
	return slowest, acked
}

// expectStored fails the test if an acknowledged change is lost.
func (tr *traffic) expectStored() {
	tr.t.Helper()
	for _, v := range tr.visitors {
		rec, err := tr.s.Read(tr.t.Context(), v.id)
		stored, _ := strconv.Atoi(string(rec.Payload))
		if err != nil || stored < v.acked || stored > v.acked+1 { // one more may be on its way when the traffic ends
			tr.t.Errorf("%q is stored, and %d was acknowledged last; error %v", rec.Payload, v.acked, err)
		}
	}
}

// pause lets the traffic flow for d and returns the slowest call of that time.
func (tr *traffic) pause(d time.Duration) (slowest time.Duration) {
	for _, v := range tr.visitors {
		v.mu.Lock()
		v.slowest = 0
		v.mu.Unlock()
	}
	time.Sleep(d)
	return tr.slowest()
}

// slowest is the slowest call since the last pause began.
func (tr *traffic) slowest() (slowest time.Duration) {
	for _, v := range tr.visitors {
		v.mu.Lock()
		slowest = max(slowest, v.slowest)
		v.mu.Unlock()
	}
	return slowest
}

// awaitAll waits until a call of each visitor has worked that ended after since, and returns how long that took.
func (tr *traffic) awaitAll(since time.Time) time.Duration {
	tr.t.Helper()
	for {
		last := time.Time{}
		for _, v := range tr.visitors {
			v.mu.Lock()
			if worked := v.worked; !worked.After(since) {
				last = time.Now().Add(time.Hour)
			} else if worked.After(last) {
				last = worked
			}
			v.mu.Unlock()
		}
		if last.Before(time.Now().Add(time.Minute)) {
			return time.Since(since)
		}
		if time.Since(since) > patience {
			tr.t.Fatal("some calls do not work again")
		}
		time.Sleep(time.Millisecond)
	}
}

// until waits for something that takes the servers some time.
func until(t testing.TB, what func() bool) {
	t.Helper()
	for begin := time.Now(); !what(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begin) > patience {
			t.Fatal("it does not happen")
		}
	}
}
