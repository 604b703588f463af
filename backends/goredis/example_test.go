package goredis_test

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
)

// With a URL, a blank import of this package is all that a program needs. No connection is made yet.
func Example() {
	store, err := session.Open(context.Background(), "redis://web:secret@localhost:6379/1?prefix=shop:&pool_size=16")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.(*goredis.Store).Close()

	_, err = session.Open(context.Background(), "redis://web:secret@localhost:6379/1?poolsize=16")
	fmt.Println(err)
	// Output:
	// session: open: redis://localhost:6379: unknown parameter poolsize; known are: dial_timeout, max_bytes, password_file, pipelines, pool_size, pool_timeout, prefix, read_timeout, replicas, wait, wait_timeout, write_timeout
}

// A program that has a client already shares it.
func ExampleNew() {
	client := redis.NewClient(&redis.Options{Addr: "localhost:6379", ContextTimeoutEnabled: true, MaxRetries: -1})
	defer client.Close()

	store, err := goredis.New(client, &goredis.Options{Prefix: "shop:"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close()
}
