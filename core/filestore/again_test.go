//go:build unix && !aix && (!solaris || illumos)

package filestore_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestTouchedMeanwhile has changes wait for the lock of a folder, when they have read the session already, until that has
// expired. What was touched in the meantime lives on, what was not has gone.
func TestTouchedMeanwhile(t *testing.T) {
	t.Parallel()
	const ttl = 3 * time.Second
	s, dir := newStore(t, &filestore.Options{LockWait: time.Minute})
	var recs [2]session.Record
	begin := time.Now()
	for i := range recs {
		recs[i] = record("old")
		recs[i].TTL = ttl
		must(t, s.Write(t.Context(), session.ID{3, byte(i)}, recs[i], session.Version{}))
	}
	lock, err := os.OpenFile(filepath.Join(dir, "03", "lock"), os.O_RDWR, 0)
	must(t, err)
	defer lock.Close()
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))

	var done [2]chan error
	for i, rec := range recs {
		done[i] = make(chan error, 1)
		go func() { done[i] <- s.Write(t.Context(), session.ID{3, byte(i)}, record("new"), rec.Version) }()
	}
	for staged := 0; staged < len(recs); time.Sleep(time.Millisecond) {
		if staged = 0; time.Since(begin) > 10*ttl {
			t.Fatal("the changes have not come to the lock")
		}
		for _, name := range list(t, filepath.Join(dir, "03")) {
			if strings.HasPrefix(name, "tmp-") {
				staged++
			}
		}
	}
	later := time.Now().Add(time.Minute)
	must(t, os.Chtimes(pathOf(dir, session.ID{3, 0}), later, later))
	time.Sleep(time.Until(begin.Add(ttl + time.Second)))
	must(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_UN))
	if err := <-done[0]; err != nil {
		t.Errorf("the session was touched, but its change says: %v", err)
	}
	wantError(t, <-done[1], session.ErrNotFound, dir)
}
