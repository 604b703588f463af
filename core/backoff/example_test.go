package backoff_test

import (
	"errors"
	"fmt"

	"github.com/nonstick-go/nonstick/core/backoff"
)

// A server that has refused the password is not asked again for a second.
func Example() {
	wrong := errors.New("wrong password")
	gate := backoff.New(func(err error) bool { return errors.Is(err, wrong) })
	logins := 0
	connect := func() error {
		if err := gate.Attempt(); err != nil {
			return err
		}
		logins++
		err := fmt.Errorf("log in: %w", wrong)
		gate.Note(err)
		return err
	}
	for range 1000 {
		_ = connect()
	}
	fmt.Println(logins, connect())
	// Output: 1 log in: wrong password
}
