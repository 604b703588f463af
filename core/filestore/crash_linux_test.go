//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/session"
)

// A computer that crashes at any moment leaves the old record or the new one, whole, of every change; what was acknowledged is
// there, what was destroyed stays away, and GC finds all that was left behind. A crash loses everything that was not synced, or
// any part of it.
func TestCrash(t *testing.T) {
	t.Parallel()
	for name, steps := range crashScenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ops := traceSteps(t, steps)
			n, err := crashAnywhere(t, steps, ops)
			if err != nil {
				t.Errorf("%v\nthe calls were %v", err, ops)
			}
			t.Logf("%d calls, %d different crashes", len(ops)-len(steps)-1, n)
		})
	}
}

// TestCrashNoticed leaves out, or changes, each step that a record needs to survive a crash, as if the package did not do it.
// TestCrash would notice each.
func TestCrashNoticed(t *testing.T) {
	t.Parallel()
	is := func(call uint32, dir, prefix string) func(fileOp) bool {
		return func(op fileOp) bool {
			return op.call == call && filepath.Dir(op.path) == dir && strings.HasPrefix(filepath.Base(op.path), prefix)
		}
	}
	leaveOut := func(which func(fileOp) bool) func([]fileOp) []fileOp {
		return func(ops []fileOp) []fileOp { return slices.DeleteFunc(ops, which) }
	}
	for name, change := range map[string]func([]fileOp) []fileOp{
		"a new file is not synced":                  leaveOut(is(syscall.SYS_FSYNC, "sessions/07", "tmp-")),
		"its folder is not synced":                  leaveOut(is(syscall.SYS_FSYNC, "sessions", "07")),
		"the folder of all folders is not synced":   leaveOut(func(op fileOp) bool { return op.call == syscall.SYS_FSYNC && op.path == "sessions" }),
		"nor the one that it is in":                 leaveOut(func(op fileOp) bool { return op.call == syscall.SYS_FSYNC && op.path == "." }),
		"a new file is not renamed":                 leaveOut(is(syscall.SYS_RENAMEAT, "sessions/07", "tmp-")),
		"a file is not removed":                     leaveOut(is(syscall.SYS_UNLINKAT, "sessions/07", "07")),
		"the old file is removed before":            removeFirst,
		"a new file is synced once it has its name": syncLate,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, rec, next := session.ID{7, 1}, record("old"), record("new")
			steps := []crashStep{put(a, rec, session.Version{}), put(a, next, rec.Version), end(a)}
			ops := traceSteps(t, steps)
			if _, err := crashAnywhere(t, steps, ops); err != nil {
				t.Fatal(err)
			}
			if _, err := crashAnywhere(t, steps, change(ops)); err == nil {
				t.Error("no crash was noticed")
			} else {
				t.Log(strings.SplitN(err.Error(), "\n", 2)[0])
			}
		})
	}
}

// removeFirst makes way for a file that is renamed.
func removeFirst(ops []fileOp) (changed []fileOp) {
	for _, op := range ops {
		if op.call == syscall.SYS_RENAMEAT {
			changed = append(changed, fileOp{call: syscall.SYS_UNLINKAT, path: op.to})
		}
		changed = append(changed, op)
	}
	return changed
}

// syncLate exchanges the sync of a new file and its renaming.
func syncLate(ops []fileOp) (changed []fileOp) {
	for i, op := range ops {
		switch {
		case op.call == syscall.SYS_FSYNC && strings.HasPrefix(filepath.Base(op.path), "tmp-"):
		case op.call == syscall.SYS_RENAMEAT:
			changed = append(changed, op, fileOp{call: syscall.SYS_FSYNC, path: op.to})
		default:
			changed = append(changed, ops[i])
		}
	}
	return changed
}

// traceSteps returns the system calls of New and of steps, with a mark behind each of these. A disk of the test that has done
// the same holds what the real one does, so nothing was missed.
func traceSteps(t *testing.T, steps []crashStep) []fileOp {
	t.Helper()
	dir := t.TempDir()
	ops := traced(t, dir, func(mark func()) error {
		at := filepath.Join(dir, "sessions")
		s, err := filestore.New(at, nil)
		if err != nil {
			return err
		}
		mark()
		for i, step := range steps {
			if err = step.do(context.Background(), s, at); err != nil {
				return errors.Join(fmt.Errorf("step %d: %w", i+1, err), s.Close())
			}
			mark()
		}
		return s.Close()
	})
	d := newDisk()
	for _, op := range ops {
		d.apply(op)
	}
	want := d.now()
	if got := lie(t, dir, want); got.String() != want.String() {
		t.Fatalf("the calls that were seen make\n%v, and there is\n%v", want, got)
	}
	return ops
}

// crashed is what may be after a crash.
type crashed struct {
	dir   string
	may   map[session.ID][]*session.Record // before and after the call that was under way
	gone  map[session.ID]session.Version   // sessions that certainly have ended, and their last versions
	trash bool                             // there was garbage
}

// crashAnywhere lets the disk crash before and after each call in all possible ways, and returns how many there were, and the
// first thing that was wrong then.
func crashAnywhere(t *testing.T, steps []crashStep, ops []fileOp) (n int, err error) {
	t.Helper()
	d, acked := newDisk(), -1 // of -1, New is under way
	seen := map[string]bool{}
	for i := 0; i <= len(ops) && err == nil; i++ {
		c := expected(steps, acked)
		d.crashes(func(left tree) {
			key := fmt.Sprint(acked, left)
			if err != nil || seen[key] {
				return
			}
			seen[key] = true
			n++
			c.dir = filepath.Join(t.TempDir(), fmt.Sprint(n))
			must(t, os.Mkdir(c.dir, 0o700))
			left.lay(t, c.dir)
			if err = c.check(); err != nil {
				err = fmt.Errorf("a crash before call %d, in step %d: %w\nthere was left:\n%v", i, acked+1, err, left)
			}
			must(t, os.RemoveAll(c.dir))
		})
		if i < len(ops) {
			if ops[i].call == syscall.SYS_GETPID {
				acked++
			} else {
				d.apply(ops[i])
			}
		}
	}
	return n, err
}

// expected tells what may be when the first steps have been acknowledged.
func expected(steps []crashStep, acked int) crashed {
	c := crashed{may: map[session.ID][]*session.Record{}, gone: map[session.ID]session.Version{}}
	for i, step := range steps[:min(acked+1, len(steps))] {
		before := c.may[step.id]
		c.trash = c.trash || step.trash
		switch {
		case i == acked && len(before) > 0:
			c.may[step.id] = append(slices.Clone(before), step.want)
		case i == acked:
			c.may[step.id] = []*session.Record{nil, step.want}
		default:
			c.may[step.id] = []*session.Record{step.want}
			if step.want == nil && len(before) > 0 && before[0] != nil {
				c.gone[step.id] = before[0].Version
			}
		}
	}
	return c
}

// check opens what a crash has left.
func (c crashed) check() error {
	ctx, at := context.Background(), filepath.Join(c.dir, "sessions")
	s, err := filestore.New(at, &filestore.Options{NoSync: true})
	if err != nil {
		return fmt.Errorf("New: %w", err)
	}
	defer s.Close()
	alive := map[string]bool{}
	for id, may := range c.may {
		rec, err := s.Read(ctx, id)
		if errors.Is(err, session.ErrCorrupt) && c.trash {
			rec, err = s.Read(ctx, id)
		}
		if !slices.ContainsFunc(may, func(want *session.Record) bool {
			if want == nil {
				return errors.Is(err, session.ErrNotFound)
			}
			return err == nil && rec.Version == want.Version && string(rec.Payload) == string(want.Payload) && rec.Successor == want.Successor
		}) {
			return fmt.Errorf("session %x has payload %.20q, error %v", id[:2], rec.Payload, err)
		}
		if err == nil {
			alive[filepath.Base(pathOf(at, id))] = true
			if err := goOn(ctx, s, id, rec.Version); err != nil {
				return err
			}
		}
	}
	for id, last := range c.gone {
		if err := s.Write(ctx, id, record("late"), last); !errors.Is(err, session.ErrNotFound) {
			return fmt.Errorf("a late change of a session that has ended: got error %w, want ErrNotFound", err)
		}
	}
	if _, err := s.GC(ctx, 1000); err != nil {
		return fmt.Errorf("GC: %w", err)
	}
	return c.clean(at, alive)
}

// goOn locks and changes a session that is there.
func goOn(ctx context.Context, s *filestore.Store, id session.ID, prev session.Version) error {
	if _, err := s.Acquire(ctx, id, ask("/after", 0)); err != nil {
		return fmt.Errorf("Acquire: %w", err)
	}
	next := record("after")
	if err := s.Write(ctx, id, next, prev); err != nil {
		return fmt.Errorf("Write: %w", err)
	}
	if rec, err := s.Read(ctx, id); err != nil || rec.Version != next.Version {
		return fmt.Errorf("Read after Write: version %x, error %w", rec.Version, err)
	}
	return nil
}

// clean looks for what is no living session in the folder of a store.
func (c crashed) clean(at string, alive map[string]bool) error {
	return filepath.WalkDir(at, func(path string, e os.DirEntry, err error) error {
		name, garbage := e.Name(), filepath.Base(filepath.Dir(path)) == "quarantine"
		owner, lock := strings.CutSuffix(name, ".lock")
		switch {
		case err != nil || e.IsDir():
			return err
		case garbage && (c.trash || lock): // a lock is not synced
			return nil
		case garbage, name != "lock" && !alive[owner]:
			return fmt.Errorf("%s is left behind", path)
		}
		return nil
	})
}
