package backoff_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/backoff"
)

// attempt goes through the gate and reports whether it was made. Its error is the outcome, either way.
func attempt(t *testing.T, g *backoff.Gate, outcome error) (made bool) {
	t.Helper()
	err := g.Attempt()
	if made = err == nil; made {
		err = outcome
	}
	g.Note(err)
	if outcome != nil && !errors.Is(err, outcome) {
		t.Fatalf("got error %v, want %v", err, outcome)
	}
	return made
}

// A program that is refused tries once a second, whatever its load, and at once again when one attempt has succeeded.
func TestGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("wrong password")
		g := backoff.New(func(err error) bool { return errors.Is(err, refused) })
		count := func(d time.Duration, outcome error) (n int) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if attempt(t, g, outcome) {
					n++
				}
			}
			return n
		}
		if n := count(10*time.Second, refused); n != 10 {
			t.Errorf("%d attempts in ten seconds", n)
		}
		time.Sleep(backoff.Pause)
		if !attempt(t, g, nil) {
			t.Error("there is no attempt after a second")
		}
		if n := count(time.Second, nil); n != 1000 {
			t.Errorf("%d of 1000 attempts are made when all is well", n)
		}
		if n := count(time.Second, errors.New("away")); n != 1000 {
			t.Errorf("%d of 1000 attempts are made when nobody answers", n)
		}
	})
}

// When the pause is over one of many may try; Blocked takes no turn.
func TestGateOneTries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := backoff.New(func(error) bool { return true })
		g.Note(errors.New("refused"))
		for range 5 {
			if g.Blocked() == nil || g.Attempt() == nil {
				t.Error("the gate is open at once")
			}
			time.Sleep(backoff.Pause)
			if err := g.Blocked(); err != nil {
				t.Errorf("after the pause: %v", err)
			}
			var made atomic.Int32
			var wg sync.WaitGroup
			for range 100 {
				wg.Go(func() {
					if g.Attempt() == nil { // and nothing is ever heard of it
						made.Add(1)
					}
				})
			}
			if wg.Wait(); made.Load() != 1 {
				t.Errorf("%d attempts at once, want 1", made.Load())
			}
		}
	})
}

// An error of the gate is no new refusal, however it is wrapped: else who asks all the time would never be let through.
func TestGateOwnErrors(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := backoff.New(func(error) bool { return true })
		g.Note(errors.New("refused"))
		for range 9 {
			time.Sleep(backoff.Pause / 10)
			g.Note(fmt.Errorf("dial: %w", g.Blocked()))
		}
		time.Sleep(backoff.Pause / 10)
		if err := g.Attempt(); err != nil {
			t.Errorf("after the pause: %v", err)
		}
	})
}
