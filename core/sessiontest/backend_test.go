package sessiontest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// copied is a store with a replica that does not lag.
type copied struct{ *memstore.Store }

func (c copied) ReadReplica(ctx context.Context, id session.ID) (session.Record, error) {
	return c.Read(ctx, id)
}

// TestCapabilities compares what a harness declares with what a Handler has.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	whole := func() session.Handler { return copied{memstore.New(nil)} }
	bare := func() session.Handler { return struct{ session.Handler }{memstore.New(nil)} }
	hollow := func() session.Handler { return sessiontest.NewFaulty(bare()) } // its methods answer ErrUnsupported
	for _, test := range []struct {
		name     string
		open     func() session.Handler
		declared bool
		want     []string // parts of the text of case "capabilities"
	}{
		{"declared and there", whole, true, nil},
		{"declared and lost", bare, true, []string{"declares Toucher", "declares ReplicaReader", "declares Pinger", "declares Locker", "declares io.Closer"}},
		{"declared and unsupported", hollow, true, []string{"declares Toucher", "declares ReplicaReader", "declares Pinger", "declares Locker"}},
		{"there and not declared", whole, false, []string{"has Toucher", "has ReplicaReader", "has Pinger", "has Locker", "has io.Closer"}},
		{"neither declared nor there", bare, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				failures := sessiontest.Failures(t.Context(), sessiontest.Harness{
					Open:  func(context.Context) (session.Handler, error) { return test.open(), nil },
					Local: true, Toucher: test.declared, ReplicaReader: test.declared, Pinger: test.declared, Locker: test.declared, Closer: test.declared,
				})
				var got string
				for _, f := range failures {
					if f.Case == "capabilities" {
						got = f.String()
					} else if test.want == nil {
						t.Errorf("case %s fails: %s", f.Case, f)
					}
				}
				for _, part := range test.want {
					if !strings.Contains(got, part) {
						t.Errorf("case capabilities says %q, want %q in it", got, part)
					}
				}
				if test.want == nil && got != "" {
					t.Errorf("case capabilities fails: %s", got)
				}
			})
		})
	}
}
