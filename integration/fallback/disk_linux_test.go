package fallback_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/child"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// diskVariable tells a child that it is to run the test on a full disk, with mounts of its own.
const diskVariable = "NONSTICK_TEST_PAIR_DISK"

// The disk of MariaDB is full for some seconds, whatever MariaDB makes of it. Nobody loses anything.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	if os.Getenv(diskVariable) == "" {
		c := child.Mounting(t, "TestDiskFull", diskVariable+"=1")
		var said []string
		for line := range c.Lines {
			said = append(said, line)
		}
		if out := strings.Join(said, "\n"); !strings.Contains(out, "--- PASS: TestDiskFull") {
			t.Errorf("in a child with mounts of its own:\n%s", out)
		} else {
			t.Log(out)
		}
		return
	}
	if err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatalf("a file system cannot be mounted here: %v", err)
	}
	disk := t.TempDir()
	if err := syscall.Mount("none", disk, "tmpfs", 0, "size=80m"); err != nil {
		t.Fatalf("a file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(disk, 0) }) // when the servers are gone
	s := newSite(t, nil, &servers.MariaDBOptions{Dir: disk})
	var filler string
	f := fault{lasts: time.Second}
	f.begin = func(s *site) {
		var err error
		filler, err = fillDisk(disk)
		s.must(err)
		if refused := s.hog(3 * time.Second); refused == 0 {
			t.Error("nothing was refused while the disk was full")
		}
	}
	f.end = func(s *site) {
		t.Logf("MariaDB with a full disk is alive: %t", s.maria.Alive())
		s.must(os.Remove(filler))
		if !s.maria.Alive() {
			s.maria.Restart()
		}
	}
	c := s.visit(10, false, 60*time.Millisecond, 0)
	s.suffer(f, c, time.Second)
	c.fail()
}

// hog makes large sessions for some time, and returns how many were refused or not acknowledged by MariaDB.
func (s *site) hog(lasts time.Duration) (refused int) {
	for end := time.Now().Add(lasts); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		status, _, token, _ := s.nodes[0].get("/login", "")
		if status == http.StatusOK {
			big := strings.Repeat("x", 400<<10)
			err := s.nodes[0].use(s.t.Context(), token, session.Optimistic, func(x *session.Session) error { return user.Set(x, big) })
			if err == nil && s.nodes[0].store.Status().DurableUp {
				continue
			}
		}
		refused++
	}
	return refused
}

// fillDisk writes a file until nothing more fits.
func fillDisk(disk string) (filler string, err error) {
	filler = filepath.Join(disk, "filler")
	f, err := os.Create(filler)
	if err != nil {
		return "", err
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return "", fmt.Errorf("fill the disk: %w", err)
	}
	return filler, f.Close()
}
