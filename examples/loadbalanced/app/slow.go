package app

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// maxSlow bounds how long a visitor can make a request last.
const maxSlow = 10 * time.Second

// Slow takes its time between reading the session and setting a value, if it is given a name for it: what requests do
// that others overtake. ms is how many milliseconds, none if it is empty. It ends early when ctx does.
func (a *App) Slow(ctx context.Context, s *session.Session, ms, name, text string) error {
	pause, err := milliseconds(ms)
	if err != nil {
		return err
	}
	a.State(s)
	if err := sleep(ctx, pause); err != nil {
		return err
	}
	if name == "" {
		return nil
	}
	return Set(s, name, text)
}

// Exclusive counts without Update: it reads the counter, takes its time, and sets what it has read plus one. It is right only
// because the session is its own meanwhile: get it with session.Exclusive. ms and ctx are those of Slow.
func Exclusive(ctx context.Context, s *session.Session, ms string) error {
	pause, err := milliseconds(ms)
	if err != nil {
		return err
	}
	n := exclusive.Get(s)
	if err := sleep(ctx, pause); err != nil {
		return err
	}
	return exclusive.Set(s, n+1)
}

// milliseconds is how long to take: none if ms is empty.
func milliseconds(ms string) (time.Duration, error) {
	if ms == "" {
		return 0, nil
	}
	v, err := strconv.Atoi(ms)
	if err != nil || v < 0 || v > int(maxSlow/time.Millisecond) {
		return 0, &InputError{fmt.Sprintf("ms must be a number from 0 to %d", maxSlow/time.Millisecond)}
	}
	return time.Duration(v) * time.Millisecond, nil
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
