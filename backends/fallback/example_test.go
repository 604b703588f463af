package fallback_test

import (
	"fmt"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// In an application the fast store is one of the Redis backends, and the durable one what all nodes share.
func Example() {
	fast, durable := memstore.New(nil), memstore.New(nil)
	store, err := fallback.New(fast, durable, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	sessions, err := session.New(store, session.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()
	fmt.Println("fast store up:", store.Status().FastUp)
	// Output: fast store up: true
}
