package sessiontest_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// A backend that forgets to refuse the change of a session that was destroyed. In a test of a real backend, the harness is
// given to Run.
func ExampleFailures() {
	for _, failure := range sessiontest.Failures(context.Background(), sessiontest.Harness{
		Open:  func(context.Context) (session.Handler, error) { return forgetful{memstore.New(nil)}, nil },
		Local: true,
	}) {
		fmt.Println(failure.Case)
	}
	// Output:
	// change-absent
	// change-expired
	// destroy-late-write
	// race-destroy
}

type forgetful struct{ session.Handler }

func (f forgetful) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	err := f.Handler.Write(ctx, id, rec, prev)
	if errors.Is(err, session.ErrNotFound) {
		err = f.Handler.Write(ctx, id, rec, session.Version{})
	}
	return err
}

// A write is applied, but its reply is lost. Repeating it does no harm.
func ExampleFaulty() {
	ctx, id := context.Background(), session.ID{1}
	rec := session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}

	store := sessiontest.NewFaulty(memstore.New(nil))
	store.After(sessiontest.OpWrite, 1, sessiontest.Fail)
	fmt.Println(store.Write(ctx, id, rec, session.Version{}))
	fmt.Println(store.Write(ctx, id, rec, session.Version{}))
	fmt.Println(store.Calls(sessiontest.OpWrite), "writes")
	// Output:
	// session store unavailable: a fault made by a test
	// <nil>
	// 2 writes
}
