package filestore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

const (
	defaultLockWait = 2 * time.Second
	defaultMaxBytes = 16 << 20
)

// Options tunes a Store. The zero value is durable and fits nearly everything.
type Options struct {
	// NoSync leaves out fsync, and changes sessions in place where it can. Writes are many times as fast, and a process
	// that crashes still loses nothing, but a power failure or a crash of the kernel may lose or garble sessions that were
	// written in the seconds before it, their older records too, and may bring destroyed sessions back.
	NoSync bool
	// LockWait is how long a change waits for other processes that work in the same one of 256 folders, unless its
	// context ends before. The lock is held for some 20 µs, so a longer wait means that a process was stopped while
	// it held it. Default 2 s.
	LockWait time.Duration
	// MaxBytes is the largest payload of one session, in bytes. A larger one is ErrTooLarge; a file that has one is
	// ErrCorrupt. Default 16 MiB.
	MaxBytes int
}

// Store is a session.Handler, session.Locker, session.Toucher, session.Pinger and io.Closer. It is safe for concurrent use.
type Store struct {
	opts Options
	base *os.Root

	closed atomic.Bool
	mu     sync.RWMutex // read-locked by every call, so that Close can await them
	shards [256]shard
	sweep  sweep

	buffers sync.Pool // of *[2 * slotMost]byte, to read files into
}

// shard is one of the 256 folders, as this process sees it.
type shard struct {
	gate   chan struct{}          // holds a token while a goroutine of this process has or awaits the folder's lock
	folder atomic.Pointer[folder] // nil until it is used first
}

// New opens the store in dir, as the package comment describes under Folder, and proves that it can write there. opts
// may be nil. It fails with ErrUnavailable when the folder cannot be used, and with errors.ErrUnsupported on systems
// without flock(2).
func New(dir string, opts *Options) (*Store, error) {
	s := &Store{buffers: sync.Pool{New: func() any { return new([2 * slotMost]byte) }}}
	if opts != nil {
		s.opts = *opts
	}
	if err := s.opts.complete(); err != nil {
		return nil, err
	}
	base, err := openBase(dir, !s.opts.NoSync)
	if err != nil {
		return nil, err
	}
	s.base = base
	for i := range s.shards {
		s.shards[i].gate = make(chan struct{}, 1)
	}
	s.sweep = newSweep()
	if err := s.Ping(context.Background()); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// complete checks the options and sets the defaults.
func (o *Options) complete() error {
	if o.LockWait < 0 {
		return fmt.Errorf("filestore: Options.LockWait is %v: it must not be negative", o.LockWait)
	}
	if o.MaxBytes < 0 {
		return fmt.Errorf("filestore: Options.MaxBytes is %d: it must not be negative", o.MaxBytes)
	}
	if o.LockWait == 0 {
		o.LockWait = defaultLockWait
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	return nil
}

// Close waits for the calls that are running and gives the file descriptors back; later calls return
// session.ErrClosed. It is harmless to call it again.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.shards {
		if f := s.shards[i].folder.Swap(nil); f != nil {
			f.close()
		}
	}
	s.sweep.stop()
	return s.base.Close()
}

// enter begins a call; leave ends it.
func (s *Store) enter(ctx context.Context) error {
	if s.closed.Load() { // first, so that nobody queues behind a Close that waits
		return session.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return unavailable("", err)
	}
	s.mu.RLock()
	if s.closed.Load() {
		s.mu.RUnlock()
		return session.ErrClosed
	}
	return nil
}

func (s *Store) leave() { s.mu.RUnlock() }
