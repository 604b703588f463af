package compress_test

import (
	"fmt"
	"log"

	"github.com/nonstick-go/nonstick/compress"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// Sessions of 2 KiB and more are compressed. Those that others have stored before stay readable.
func Example() {
	sessions, err := session.New(memstore.New(nil), session.Options{
		Compression: session.Compression{Method: compress.Zstd(), Reads: compress.All()},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer sessions.Close()
	fmt.Println("ready")
	// Output: ready
}
