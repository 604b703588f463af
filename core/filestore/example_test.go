//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/nonstick-go/nonstick/core/session"

	_ "github.com/nonstick-go/nonstick/core/filestore" // file://
)

// Programs give the store to session.New. Here two stores on one folder stand for two processes.
func Example() {
	dir, err := os.MkdirTemp("", "sessions")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	ctx := context.Background()
	one, err := session.Open(ctx, "file://"+dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	two, err := session.Open(ctx, "file://"+dir+"?lock_wait=500ms")
	if err != nil {
		fmt.Println(err)
		return
	}

	id := session.ID{1}
	rec := session.Record{Version: session.Version{1}, Seen: time.Now(), TTL: time.Hour, Payload: []byte("hello")}
	fmt.Println(one.Write(ctx, id, rec, session.Version{}))
	rec, err = two.Read(ctx, id)
	fmt.Printf("%s %v\n", rec.Payload, err)
	fmt.Println(two.Destroy(ctx, id))
	_, err = one.Read(ctx, id)
	fmt.Println(err)
	// Output:
	// <nil>
	// hello <nil>
	// <nil>
	// session not found
}
