package redisstore_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

// A client may derive contexts that outlive the call: they end, and do not panic, when it is over.
func TestEarlyDerived(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e, release := redisstore.Early(t.Context(), time.Now().Add(time.Minute))
		derived, cancel := context.WithCancel(e)
		defer cancel()
		if e.Err() != nil || derived.Err() != nil {
			t.Fatal("it has ended before its time")
		}
		release()
		synctest.Wait()
		if e.Err() == nil || derived.Err() == nil {
			t.Errorf("released: %v, derived: %v", e.Err(), derived.Err())
		}
	})
}
