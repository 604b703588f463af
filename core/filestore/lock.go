package filestore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	firstPause = 50 * time.Microsecond
	lastPause  = 2 * time.Millisecond
)

// errStuck says that Options.LockWait has passed.
var errStuck = errors.New("somebody holds it for too long")

// lock takes the folder's lock, or fails with ErrUnavailable when ctx ends or Options.LockWait has passed. It is errStale
// if the lock is not the one that other processes see.
func (f *folder) lock(ctx context.Context) error {
	ok, err := f.tryLock() // spares the timer
	if !ok && err == nil {
		err = f.await(ctx)
	}
	if err == nil && !f.live() {
		f.unlock()
		return errStale
	}
	return err
}

// tryLock takes the folder's lock unless somebody has it, or waits for it.
func (f *folder) tryLock() (bool, error) {
	select {
	case f.gate <- struct{}{}:
	default:
		return false, nil
	}
	ok, err := tryFlock(f.lockFD)
	if !ok {
		<-f.gate
	}
	if err != nil {
		return false, unavailable("a folder cannot be locked", err)
	}
	return ok, nil
}

// await takes the folder's lock when it is free.
func (f *folder) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, f.store.opts.LockWait, errStuck)
	defer cancel()
	select {
	case f.gate <- struct{}{}: // goroutines of this process are served in order and without polling
	case <-ctx.Done():
		return unavailable("waiting for a lock", context.Cause(ctx))
	}
	err := f.poll(ctx)
	if err != nil {
		<-f.gate
	}
	return err
}

// locked runs do with the folder's lock.
func (f *folder) locked(ctx context.Context, do func() error) error {
	if err := f.lock(ctx); err != nil {
		return err
	}
	defer f.unlock()
	return do()
}

func (f *folder) unlock() {
	funlock(f.lockFD)
	<-f.gate
}

// poll takes the lock from other processes. A flock(2) that waits could not be ended with ctx.
func (f *folder) poll(ctx context.Context) error {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		ok, err := tryFlock(f.lockFD)
		if err != nil {
			return unavailable("a folder cannot be locked", err)
		}
		if ok {
			return nil
		}
		select {
		case <-time.After(pause/2 + rand.N(pause/2)):
		case <-ctx.Done():
			return unavailable("waiting for a lock", context.Cause(ctx))
		}
	}
}
