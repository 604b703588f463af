//go:build !race

package session_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

// What a request allocates is a budget: counts are stable where times are not. Under the race detector they are others.
func TestAllocations(t *testing.T) { //nolint:paralleltest // AllocsPerRun counts for the whole process
	for _, r := range requests() {
		if got := testing.AllocsPerRun(200, requester(t, r.h)); got > r.allocs {
			t.Errorf("%s: a request allocates %v times, its budget is %v", r.name, got, r.allocs)
		}
	}
}

// One key costs the same in a session of 64 KiB: nothing else is decoded.
func TestAllocationsOfAKey(t *testing.T) { //nolint:paralleltest // as above
	for _, size := range []int{1 << 10, 64 << 10} {
		m := newManager(t, nil, session.Options{})
		v := newVisitor(t, m)
		v.do(func(s *session.Session) {
			for i := range 8 {
				_ = session.NewKey[string](fmt.Sprint("filler", i)).Set(s, strings.Repeat("f", size/8))
			}
			_ = user.Set(s, "ann")
		})
		v.do(func(s *session.Session) {
			if got := testing.AllocsPerRun(200, func() { user.Get(s) }); got > 1 {
				t.Errorf("Get of a session of %d bytes allocates %v times, its budget is 1", size, got)
			}
		})
	}
}
