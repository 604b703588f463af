package storeurl_test

import (
	"fmt"
	"log"
	"net/url"
	"time"

	"github.com/nonstick-go/nonstick/core/storeurl"
)

// An Opener reads all parameters that it knows and then asks for the error once.
func Example() {
	open := func(raw string) {
		u, err := url.Parse(raw)
		if err != nil {
			log.Fatal(err)
		}
		p := storeurl.New(u)
		prefix := p.String("prefix", "session:")
		size := p.Int("pool_size", 10, 1)
		wait := p.Duration("dial_timeout", 500*time.Millisecond)
		if err := p.Err(); err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(prefix, size, wait)
	}
	open("redis://localhost?pool_size=20")
	open("redis://localhost?pool_size=many")
	open("redis://localhost?poolsize=20")
	// Output:
	// session: 20 500ms
	// pool_size must be a whole number of at least 1
	// unknown parameter poolsize; known are: dial_timeout, pool_size, prefix
}
