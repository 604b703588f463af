package storeurl_test

import (
	"fmt"
	"log"
	"net/url"
	"os"
	"path/filepath"
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

// A client reads the password anew for each connection, so that an operator can exchange the file.
func ExamplePassword() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte("first\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	u := &url.URL{Scheme: "redis", User: url.User("web"), Host: "localhost", RawQuery: "password_file=" + url.QueryEscape(file)}
	p := storeurl.New(u)
	password := p.Password(u)
	if err := p.Err(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(password.Read())
	if err := os.WriteFile(file, []byte("second\n"), 0o600); err != nil {
		log.Fatal(err)
	}
	fmt.Println(password.Read())
	fmt.Println(password)
	// Output:
	// first <nil>
	// second <nil>
	// storeurl.Password
}
