package redigo_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gomodule/redigo/redis"

	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
)

// With a URL, a blank import of this package is all that a program needs. No connection is made yet.
func Example() {
	store, err := session.Open(context.Background(), "redis+cluster://web:secret@node-1:6379,node-2:6379?pool_size=16")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.(*redigo.Store).Close()

	_, err = session.Open(context.Background(), "redis+cluster://web:secret@node-1:6379,node-2:6379/1")
	fmt.Println(err)
	// Output:
	// session: open: redis+cluster://node-1:6379,node-2:6379: a cluster has no database but 0
}

// A program that has a pool already shares it.
func ExampleNew() {
	pool := &redis.Pool{
		MaxActive: 32, MaxIdle: 32, Wait: true,
		DialContext: func(ctx context.Context) (redis.Conn, error) {
			return redis.DialContext(ctx, "tcp", "localhost:6379",
				redis.DialConnectTimeout(150*time.Millisecond), redis.DialWriteTimeout(150*time.Millisecond))
		},
	}
	defer pool.Close()

	store, err := redigo.New(pool, &redigo.Options{Prefix: "shop:"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
}
