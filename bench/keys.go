package main

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/nonstick-go/nonstick/core/session"
)

// stillStore has one session, which it gives without a copy, and does not keep what is written over it: what remains of a
// request is what a session costs by itself.
type stillStore struct{ rec session.Record }

func (s *stillStore) Read(context.Context, session.ID) (session.Record, error) { return s.rec, nil }

func (s *stillStore) Write(_ context.Context, _ session.ID, rec session.Record, prev session.Version) error {
	if prev == (session.Version{}) {
		rec.Payload = append([]byte(nil), rec.Payload...)
		s.rec = rec
	}
	return nil
}

func (s *stillStore) Destroy(context.Context, session.ID) error { return nil }

func (s *stillStore) GC(context.Context, int) (int, error) { return 0, nil }

// keySizes are those of the sessions of which one key is used.
func keySizes() []int { return []int{1 << 10, 64 << 10} }

// filling has the values of a session of about a size: a counter, a name, and texts of about 200 bytes or 1 KiB.
func filling(size int) map[string]string {
	values := map[string]string{"user": userValue}
	each := min(1000, size/5)
	for i := range size / each {
		values[fmt.Sprintf("text%d", i)] = strings.Repeat("t", each-10)
	}
	return values
}

// keys measures what using one key of a session costs. The ways take turns, a little at a time.
func (b *bench) keys(round int) error {
	for _, size := range keySizes() {
		idle, read, change, err := keyRequests(size)
		if err != nil {
			return err
		}
		decode, encode, err := scsRequests(size)
		if err != nil {
			return err
		}
		none := func() error { return nil }
		for _, x := range []struct {
			library, use string
			idle, do     func() error
		}{
			{"nonstick", "read", idle, read}, {"nonstick", "change", idle, change},
			{"scs", "read", none, decode}, {"scs", "change", none, encode},
		} {
			run, err := costOver(x.idle, x.do, b.each/2)
			if err != nil {
				return err
			}
			run.Library, run.Use, run.Size, run.Round = x.library, x.use, size, round
			b.result.Keys = append(b.result.Keys, run)
		}
	}
	return nil
}

// keyRequests are requests for a session of a size: one that uses no key, one that reads one, one that changes one.
func keyRequests(size int) (idle, read, change func() error, err error) {
	m, err := session.New(new(stillStore), session.Options{GCInterval: -1, Observer: session.Silent{}})
	if err != nil {
		return nil, nil, nil, err
	}
	user, count := session.NewKey[string]("user"), session.NewKey[int]("count")
	in, out := make(http.Header), make(http.Header)
	err = request(m, in, out, session.Optimistic, func(s *session.Session) error {
		for name, value := range filling(size) {
			if err := session.NewKey[string](name).Set(s, value); err != nil {
				return err
			}
		}
		return count.Set(s, 0)
	})
	cookie, _, _ := strings.Cut(out.Get("Set-Cookie"), ";")
	in.Set("Cookie", cookie)
	n := 0
	with := func(use func(*session.Session) error) func() error {
		return func() error {
			clear(out)
			return request(m, in, out, session.Optimistic, use)
		}
	}
	idle = with(func(*session.Session) error { return nil })
	read = with(func(s *session.Session) error {
		if user.Get(s) != userValue {
			return fmt.Errorf("a session of %d bytes is not there", size)
		}
		return nil
	})
	change = with(func(s *session.Session) error { n++; return count.Set(s, n) })
	return idle, read, change, err
}

// scsRequests are what scs does to read and to change one key, with the codec that it has by default.
func scsRequests(size int) (read, change func() error, err error) {
	values := map[string]any{"count": 0}
	for name, value := range filling(size) {
		values[name] = value
	}
	var codec scs.GobCodec
	deadline := time.Now().Add(ttl)
	data, err := codec.Encode(deadline, values)
	read = func() error {
		_, _, err := codec.Decode(data)
		return err
	}
	change = func() error {
		at, all, err := codec.Decode(data)
		if err != nil {
			return err
		}
		n, _ := all["count"].(int)
		all["count"] = n + 1
		_, err = codec.Encode(at, all)
		return err
	}
	return read, change, err
}

// costOver is what do costs more than idle: they take turns of a millisecond or so, and the median of each counts, so that
// what else the machine does hits few of them.
func costOver(idle, do func() error, d time.Duration) (KeyRun, error) {
	const turns = 25
	var costs [2][]KeyRun
	for range turns {
		for i, f := range []func() error{idle, do} {
			c, err := costOf(f, d/turns/2)
			if err != nil {
				return KeyRun{}, err
			}
			costs[i] = append(costs[i], c)
		}
	}
	over := func(f func(KeyRun) float64) float64 { return median(costs[1], f) - median(costs[0], f) }
	return KeyRun{
		Nanos:  over(func(k KeyRun) float64 { return k.Nanos }),
		Allocs: over(func(k KeyRun) float64 { return k.Allocs }),
		Bytes:  over(func(k KeyRun) float64 { return k.Bytes }),
	}, nil
}

// costOf calls do for a time, and returns what it costs each time.
func costOf(do func() error, d time.Duration) (KeyRun, error) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, n := time.Now(), 0.0
	for ; n == 0 || time.Since(begin) < d; n += 8 {
		for range 8 {
			if err := do(); err != nil {
				return KeyRun{}, err
			}
		}
	}
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	return KeyRun{
		Nanos: float64(took) / n, Allocs: float64(after.Mallocs-before.Mallocs) / n,
		Bytes: float64(after.TotalAlloc-before.TotalAlloc) / n,
	}, nil
}
