package sessiontest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// Harness tells the suite how to reach a backend and what it promises beyond the contract. Open is required.
type Harness struct {
	// Open opens the backend. Every Handler that it returns must reach the same store, as two nodes do, unless Local is
	// set. The suite opens one or two for each case and closes them if they are an io.Closer.
	Open func(ctx context.Context) (session.Handler, error)
	// Local says that a store lives in one Handler and Open makes a new store each time. Cases that need two nodes then
	// use one Handler as both.
	Local bool

	// Which optional capabilities the backend has. One that is declared and not found by type assertion (or that
	// answers errors.ErrUnsupported) is a failure, and so is one that is found and not declared.
	Toucher, ReplicaReader, Pinger, Locker, Closer bool

	// MaxBytes is the size of the largest payload that the backend must take. Zero means 1 MiB.
	MaxBytes int
	// TooLarge is the size of a payload that the backend must refuse with ErrTooLarge. Zero means that it knows no limit.
	TooLarge int
	// SelfExpires says that the store removes expired sessions by itself, so that GC has nothing to do.
	SelfExpires bool

	// Broken opens the backend on a store that cannot be reached, so that every call must be ErrUnavailable. Nil says
	// that there is no such thing.
	Broken func(ctx context.Context) (session.Handler, error)
	// Garble replaces what is stored under id by something that is not a record. Nil says that nobody can.
	Garble func(ctx context.Context, id session.ID) error
}

// Failure is a case that the backend did not pass.
type Failure struct {
	Case string   // its name
	Rule string   // the sentence of the contract that it enforces
	Text []string // what was seen instead
}

// String returns the failure as Run prints it.
func (f Failure) String() string {
	return fmt.Sprintf("%s\n\trule: %s", strings.Join(f.Text, "\n"), f.Rule)
}

// Run checks a backend. Each case is a parallel subtest.
func Run(t *testing.T, h Harness) {
	s := newSuite(h)
	for _, c := range s.cases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if text := s.run(t.Context(), c); len(text) > 0 {
				t.Error(Failure{c.name, c.rule, text})
			}
		})
	}
}

// Failures checks a backend as Run does and returns the cases that failed, in the order in which Run runs them.
func Failures(ctx context.Context, h Harness) []Failure {
	s := newSuite(h)
	cases := s.cases()
	failures := make([]Failure, len(cases))
	var wg sync.WaitGroup
	for i, c := range cases {
		wg.Go(func() { failures[i] = Failure{c.name, c.rule, s.run(ctx, c)} })
	}
	wg.Wait()
	return slices.DeleteFunc(failures, func(f Failure) bool { return len(f.Text) == 0 })
}

// suite is one run of the cases against a backend.
type suite struct {
	Harness
	gc chan struct{} // held by a case that counts what GC removes
}

// backendCase is one rule of the contract and how to find out whether it is kept.
type backendCase struct {
	name string
	rule string
	run  func(*probe)
}

func newSuite(h Harness) *suite {
	if h.MaxBytes == 0 {
		h.MaxBytes = 1 << 20
	}
	return &suite{Harness: h, gc: make(chan struct{}, 1)}
}

// cases returns what the harness's declarations call for.
func (s *suite) cases() []backendCase {
	cases := slices.Concat(capabilityCases(s), writeCases(), retryCases(), payloadCases(s), aliasCases(), isolationCases(),
		expiryCases(), destroyCases(), raceCases(), gcCases(s), contextCases(), errorCases(s))
	if s.Toucher {
		cases = append(cases, touchCases()...)
	}
	if s.ReplicaReader {
		cases = append(cases, replicaCases()...)
	}
	if s.Locker {
		cases = append(cases, lockCases(s)...)
	}
	if s.Closer {
		cases = append(cases, closeCases()...)
	}
	return cases
}
