package batch_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/batch"
)

// wire is a server that takes 20 ms for each round trip, or as long as it is told to.
type wire struct {
	mu    sync.Mutex
	trips [][]string
	ends  []time.Duration // until the deadline of each, 0 for none
	takes time.Duration
}

// order is a call for a wire.
type order struct {
	name string
	done bool
	err  error
}

func (w *wire) one(ctx context.Context, o *order) { w.all(ctx, []*order{o}) }

func (w *wire) all(ctx context.Context, orders []*order) {
	w.mu.Lock()
	var names []string
	for _, o := range orders {
		names = append(names, o.name)
	}
	w.trips = append(w.trips, names)
	end, ok := ctx.Deadline()
	var left time.Duration
	if ok {
		left = time.Until(end)
	}
	w.ends = append(w.ends, left)
	w.mu.Unlock()
	var err error
	select {
	case <-time.After(w.takes):
	case <-ctx.Done():
		err = ctx.Err()
	}
	for _, o := range orders {
		o.done, o.err = err == nil, err
	}
}

// pipelined gives a test a wire and pipelines to it.
func pipelined(t *testing.T, most int, test func(t *testing.T, w *wire, p *batch.Batches[*order])) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{takes: 20 * time.Millisecond}
		test(t, w, batch.New(most, w.one, w.all))
	})
}

// Calls that come while others are under way share the next round trip.
func TestShare(t *testing.T) {
	t.Parallel()
	pipelined(t, 0, func(t *testing.T, w *wire, p *batch.Batches[*order]) {
		var all sync.WaitGroup
		begin := time.Now()
		for _, name := range []string{"a", "b", "c", "d", "e"} {
			all.Go(func() {
				o := &order{name: name}
				if err := p.Run(t.Context(), o, 0); err != nil || !o.done {
					t.Errorf("%s: %v, done: %t", name, err, o.done)
				}
			})
			synctest.Wait()
		}
		all.Wait()
		if want := [][]string{{"a"}, {"b"}, {"c", "d", "e"}}; !slices.EqualFunc(w.trips, want, slices.Equal[[]string]) {
			t.Errorf("round trips %q, not %q", w.trips, want)
		}
		if took := time.Since(begin); took != 40*time.Millisecond {
			t.Errorf("took %v", took)
		}
		if err := p.Run(t.Context(), &order{name: "f"}, 0); err != nil || len(w.trips) != 4 {
			t.Errorf("a call that meets no others: %v, round trips %q", err, w.trips)
		}
	})
}

// A call that waits ends at its own deadline, and is not sent any more; so does one that is under way with others.
func TestEachHasItsDeadline(t *testing.T) {
	t.Parallel()
	pipelined(t, 1, func(t *testing.T, w *wire, p *batch.Batches[*order]) {
		var all sync.WaitGroup
		run := func(name string, limit time.Duration, want error) {
			all.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), limit)
				defer cancel()
				begin := time.Now()
				o := &order{name: name}
				err := p.Run(ctx, o, 0)
				if took := time.Since(begin); took > limit || !errors.Is(err, want) {
					t.Errorf("%s took %v: %v", name, took, err)
				}
				if err == nil && !o.done {
					t.Errorf("%s was not run: %v", name, o.err)
				}
			})
			synctest.Wait()
		}
		run("first", time.Minute, nil)
		run("waits", 10*time.Millisecond, context.DeadlineExceeded)
		run("under way", 30*time.Millisecond, context.DeadlineExceeded)
		run("patient", 60*time.Millisecond, nil)
		run("another", 50*time.Millisecond, nil)
		all.Wait()
		if want := [][]string{{"first"}, {"under way", "patient", "another"}}; !slices.EqualFunc(w.trips, want, slices.Equal[[]string]) {
			t.Errorf("round trips %q, not %q", w.trips, want)
		}
		if w.ends[1] != 40*time.Millisecond {
			t.Errorf("the batch has %v, not as long as its most patient one", w.ends[1])
		}
	})
}

// One that is not wanted any more does not end the batch that it runs for others.
func TestCancelledLeader(t *testing.T) {
	t.Parallel()
	pipelined(t, 1, func(t *testing.T, w *wire, p *batch.Batches[*order]) {
		var all sync.WaitGroup
		leader, cancel := context.WithCancel(t.Context()) // without a deadline: it leads
		run := func(ctx context.Context, name string) {
			all.Go(func() {
				o := &order{name: name}
				if err := p.Run(ctx, o, 0); err != nil || !o.done {
					t.Errorf("%s: %v, %v", name, err, o.err)
				}
			})
			synctest.Wait()
		}
		short, end := context.WithTimeout(t.Context(), 10*time.Second)
		defer end()
		run(short, "first")
		run(leader, "leader")
		run(short, "other")
		time.Sleep(30 * time.Millisecond)
		cancel()
		all.Wait()
		if want := [][]string{{"first"}, {"leader", "other"}}; !slices.EqualFunc(w.trips, want, slices.Equal[[]string]) {
			t.Errorf("round trips %q, not %q", w.trips, want)
		}
	})
}

// One that is not wanted any more is not sent if it waits; if it is under way, it is waited for: else it might be overtaken.
func TestCancelled(t *testing.T) {
	t.Parallel()
	pipelined(t, 1, func(t *testing.T, w *wire, p *batch.Batches[*order]) {
		var all sync.WaitGroup
		run := func(ctx context.Context, name string, after time.Duration, want error) {
			all.Go(func() {
				begin := time.Now()
				o := &order{name: name}
				if err := p.Run(ctx, o, 0); !errors.Is(err, want) || o.done != (want == nil) || time.Since(begin) != after {
					t.Errorf("%s after %v: %v, done: %t", name, time.Since(begin), err, o.done)
				}
			})
			synctest.Wait()
		}
		early, cancelEarly := context.WithCancel(t.Context())
		late, cancelLate := context.WithTimeout(t.Context(), time.Minute)
		defer cancelLate()
		run(t.Context(), "first", 20*time.Millisecond, nil)
		run(early, "waits", 10*time.Millisecond, context.Canceled)
		run(late, "under way", 40*time.Millisecond, nil)
		run(t.Context(), "leader", 40*time.Millisecond, nil)
		time.Sleep(10 * time.Millisecond)
		cancelEarly()
		time.Sleep(20 * time.Millisecond)
		cancelLate()
		all.Wait()
		if err := p.Run(late, new(order), 0); !errors.Is(err, context.Canceled) {
			t.Errorf("a call that was not wanted when it came: %v", err)
		}
		if want := [][]string{{"first"}, {"under way", "leader"}}; !slices.EqualFunc(w.trips, want, slices.Equal[[]string]) {
			t.Errorf("round trips %q, not %q", w.trips, want)
		}
	})
}

// What is under way for too long holds nobody up: a server that stands still, say.
func TestOverdue(t *testing.T) {
	t.Parallel()
	pipelined(t, 1, func(t *testing.T, w *wire, p *batch.Batches[*order]) {
		w.takes = 100 * time.Millisecond
		var all sync.WaitGroup
		run := func(name string, after time.Duration) {
			all.Go(func() {
				begin := time.Now()
				o := &order{name: name}
				if err := p.Run(t.Context(), o, 0); err != nil || !o.done || time.Since(begin) != after {
					t.Errorf("%s after %v: %v, done: %t", name, time.Since(begin), err, o.done)
				}
			})
			synctest.Wait()
		}
		run("first", 100*time.Millisecond)
		time.Sleep(10 * time.Millisecond)
		run("second", 125*time.Millisecond)
		time.Sleep(10 * time.Millisecond)
		run("third", 115*time.Millisecond) // with the second
		time.Sleep(20 * time.Millisecond)
		run("fourth", 125*time.Millisecond)
		all.Wait()
		run("afterwards", 100*time.Millisecond)
		run("waits again", 125*time.Millisecond) // there is one at a time again
		all.Wait()
		want := [][]string{{"first"}, {"second", "third"}, {"fourth"}, {"afterwards"}, {"waits again"}}
		if !slices.EqualFunc(w.trips, want, slices.Equal[[]string]) {
			t.Errorf("round trips %q, not %q", w.trips, want)
		}
	})
}

// After a server has stood still, no more are under way than before.
func TestOverdueNoMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const most = 2
		begin := time.Now()
		var mu sync.Mutex
		underWay, peak := 0, 0
		run := func(context.Context, []*order) {
			mu.Lock()
			underWay++
			if time.Since(begin) > 2*time.Second {
				peak = max(peak, underWay)
			}
			mu.Unlock()
			time.Sleep(max(time.Second-time.Since(begin), 5*time.Millisecond))
			mu.Lock()
			underWay--
			mu.Unlock()
		}
		b := batch.New(most, func(ctx context.Context, o *order) { run(ctx, []*order{o}) }, run)
		var all sync.WaitGroup
		for range 100 {
			all.Go(func() {
				for time.Since(begin) < 3*time.Second {
					if err := b.Run(t.Context(), new(order), 0); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		if peak == 0 || peak > most {
			t.Errorf("%d are under way at once, a second after the server went on", peak)
		}
	})
}

// A panic of a client is the caller's, and holds nobody up.
func TestPanic(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		broken := true
		fail := func() {
			time.Sleep(20 * time.Millisecond)
			if broken {
				panic("no good")
			}
		}
		p := batch.New(1, func(context.Context, *order) { fail() }, func(context.Context, []*order) { fail() })
		var all sync.WaitGroup
		panics, errs := make(chan any, 3), make(chan error, 3)
		for range 3 {
			all.Go(func() {
				defer func() { panics <- recover() }()
				errs <- p.Run(t.Context(), new(order), 0)
			})
			synctest.Wait()
		}
		all.Wait()
		close(panics)
		n := 0
		for what := range panics {
			if what != nil {
				n++
			}
		}
		if n != 2 { // the first one, and the one that ran the other's
			t.Errorf("%d of 3 panicked", n)
		}
		if err := <-errs; err == nil {
			t.Error("a call is said to be run whose batch has panicked")
		}
		broken = false
		if err := p.Run(t.Context(), new(order), 0); err != nil {
			t.Error(err)
		}
	})
}

// Whoever comes and goes, each call that is done was run once, and the pipelines are free in the end.
func TestUnderLoad(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	runs := make(map[*order]int)
	all := func(_ context.Context, orders []*order) {
		time.Sleep(50 * time.Microsecond)
		mu.Lock()
		defer mu.Unlock()
		for _, o := range orders {
			runs[o]++
			o.done = true
		}
	}
	p := batch.New(2, func(ctx context.Context, o *order) { all(ctx, []*order{o}) }, all)
	var clients sync.WaitGroup
	var done sync.Map
	for i := range 32 {
		clients.Go(func() {
			for n := range 300 {
				o := new(order)
				ctx, cancel := context.WithCancel(t.Context())
				if (i+n)%5 == 0 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Duration(n)*time.Microsecond)
				}
				if p.Run(ctx, o, 0) == nil {
					done.Store(o, o.done)
				}
				cancel()
			}
		})
	}
	clients.Wait()
	n := 0
	done.Range(func(o, ok any) bool {
		n++
		if ok != true || runs[o.(*order)] != 1 {
			t.Errorf("a call was run %d times, and is done: %t", runs[o.(*order)], ok)
		}
		return true
	})
	if n < 32*300*4/5 {
		t.Errorf("only %d calls were run", n)
	}
	for range 3 {
		if o := new(order); p.Run(t.Context(), o, 0) != nil || !o.done {
			t.Error("afterwards nothing is run")
		}
	}
}

// A batch is not larger than its bounds, and what waits for the next one is not lost.
func TestBounds(t *testing.T) {
	t.Parallel()
	for size, want := range map[int][]int{
		0:          {1, 64, 36},                 // calls
		10 << 10:   {1, 6, 6, 6, 6, 6, 6, 6, 6}, // bytes
		16<<10 + 1: {1, 1, 1, 1, 1, 1, 1, 1, 1}, // alone, and at once
	} {
		pipelined(t, 1, func(t *testing.T, w *wire, p *batch.Batches[*order]) {
			var all sync.WaitGroup
			run := func(n int) {
				for range n {
					all.Go(func() {
						o := new(order)
						if err := p.Run(t.Context(), o, size); err != nil || !o.done {
							t.Error(err, o.err)
						}
					})
				}
				synctest.Wait()
			}
			run(1)
			n := 0
			for _, batch := range want[1:] {
				n += batch
			}
			run(n)
			all.Wait()
			var got []int
			for _, trip := range w.trips {
				got = append(got, len(trip))
			}
			if !slices.Equal(got, want) {
				t.Errorf("%d bytes each: round trips of %v calls, not %v", size, got, want)
			}
		})
	}
}
