package filestore

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	quarantine    = "quarantine"
	quarantineMax = 256 // files that GC keeps, the newest ones
	quarantineAge = 7 * 24 * time.Hour
)

// setAside moves garbage to the quarantine, whatever it is, without following it. The lock is held. If that fails, the
// garbage stays and goes on to be ErrCorrupt.
func (f *folder) setAside(name string) {
	base := f.store.base
	_ = base.Mkdir(quarantine, 0o700) // it may have been deleted
	if isDir(base, quarantine) {
		_ = base.Rename(f.name+"/"+name, fmt.Sprintf("%s/%019d-%s", quarantine, time.Now().UnixNano(), name))
	}
}

// trimQuarantine removes what is too old or too many. It looks at a bounded number of files, so that a huge quarantine
// takes several calls.
func (s *Store) trimQuarantine(now time.Time) error {
	if !isDir(s.base, quarantine) {
		return nil
	}
	d, err := s.base.Open(quarantine)
	if err != nil {
		return unavailable("the quarantine cannot be opened", err)
	}
	defer d.Close()
	names, err := d.Readdirnames(quarantineMax + scanLeast)
	if err != nil && !errors.Is(err, io.EOF) {
		return unavailable("the quarantine cannot be read", err)
	}
	slices.Sort(names) // they begin with the time
	for i, name := range names {
		if len(names)-i <= quarantineMax && !older(name, now, quarantineAge) {
			continue
		}
		if err := s.base.RemoveAll(quarantine + "/" + name); err != nil { // it may be a folder
			return unavailable("the quarantine cannot be trimmed", err)
		}
	}
	return nil
}

// older reports whether a name that begins with a time, as those in the quarantine do, is older than age.
func older(name string, now time.Time, age time.Duration) bool {
	text, _, _ := strings.Cut(name, "-")
	ns, err := strconv.ParseInt(text, 10, 64)
	return err == nil && now.Sub(time.Unix(0, ns)) > age
}
