package redisstore_test

import (
	"fmt"
	"net/url"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

// A backend makes its client of what the URL says.
func Example() {
	u, err := url.Parse("rediss+sentinel://web:secret@a:26379,b:26379/main/1?pool_size=16")
	if err != nil {
		fmt.Println(err)
		return
	}
	c, err := redisstore.ParseURL(u)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Topology == redisstore.Sentinel, c.Addrs, c.Master, c.DB, c.User, c.PoolSize, c.TLS != nil)
	// Output: true [a:26379 b:26379] main 1 web 16 true
}
