//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// disk is a file system of which a crash leaves nothing but what was synced for certain. Syncing a file does not sync its name,
// and syncing a folder does not sync the files in it. What was not synced may be there or not: each change of a name for
// itself, in any order, and of a file nothing, half of it or all.
type disk struct {
	root    *inode
	pending []naming // of names, not yet synced
}

// inode is a file or a folder.
type inode struct {
	names map[string]*inode // of a folder: as programs see them
	kept  map[string]*inode // as they are after a crash, for certain

	now, synced content
	dirty       bool
}

type content struct {
	data  string
	mtime time.Time // zero if nobody has set it
}

// naming is an indivisible change of names in one folder: one goes, one comes.
type naming struct {
	in   *inode
	from string
	to   string
	file *inode
}

func newDisk() *disk { return &disk{root: newFolder()} }

func newFolder() *inode { return &inode{names: map[string]*inode{}, kept: map[string]*inode{}} }

// at returns the folder and the name of a path, and what has it.
func (d *disk) at(path string) (folder *inode, name string, file *inode) {
	if path == "." {
		return nil, "", d.root
	}
	folder = d.root
	for dir := range strings.SplitSeq(filepath.Dir(path), "/") {
		if dir != "." {
			folder = folder.names[dir]
		}
		if folder == nil || folder.names == nil {
			return nil, "", nil
		}
	}
	name = filepath.Base(path)
	return folder, name, folder.names[name]
}

// apply does what a system call does, which changes nothing when it fails.
func (d *disk) apply(op fileOp) {
	folder, name, file := d.at(op.path)
	switch op.call {
	case syscall.SYS_OPENAT, syscall.SYS_MKDIRAT:
		if folder == nil || file != nil {
			return
		}
		file = &inode{}
		if op.call == syscall.SYS_MKDIRAT {
			file = newFolder()
		}
		d.change(naming{folder, "", name, file})
	case syscall.SYS_UNLINKAT:
		if file != nil && len(file.names) == 0 {
			d.change(naming{folder, name, "", nil})
		}
	case syscall.SYS_RENAMEAT:
		switch target, to, _ := d.at(op.to); {
		case file == nil || target == nil:
		case target == folder:
			d.change(naming{folder, name, to, file})
		default: // nothing says that both folders are written together
			d.change(naming{folder, name, "", nil})
			d.change(naming{target, "", to, file})
		}
	case syscall.SYS_WRITE:
		file.now.data += string(op.data)
		file.dirty = true
	case syscall.SYS_PWRITE64:
		data := file.now.data
		head := data[:min(int(op.at), len(data))] + strings.Repeat("\x00", max(0, int(op.at)-len(data)))
		file.now.data = head + string(op.data) + data[min(len(head)+len(op.data), len(data)):]
		file.dirty = true
	case syscall.SYS_UTIMENSAT:
		file.now.mtime = op.mtime
		file.dirty = true
	case syscall.SYS_FSYNC:
		file.synced, file.dirty = file.now, false
		file.kept = maps.Clone(file.names)
		d.pending = slices.DeleteFunc(d.pending, func(r naming) bool { return r.in == file })
	}
}

func (d *disk) change(r naming) {
	r.do(r.in.names)
	d.pending = append(d.pending, r)
}

func (r naming) do(names map[string]*inode) {
	delete(names, r.from)
	if r.file != nil {
		names[r.to] = r.file
	}
}

// tree is what a crash leaves: files by their paths, folders with a slash at the end.
type tree map[string]content

// crashes yields all that a crash may leave now.
func (d *disk) crashes(yield func(tree)) {
	for chosen := range 1 << len(d.pending) {
		names := map[*inode]map[string]*inode{}
		for i, r := range d.pending {
			if chosen&(1<<i) != 0 {
				if names[r.in] == nil {
					names[r.in] = maps.Clone(r.in.kept)
				}
				r.do(names[r.in])
			}
		}
		left := map[string]*inode{}
		walk(d.root, "", left, func(folder *inode) map[string]*inode {
			if changed, ok := names[folder]; ok {
				return changed
			}
			return folder.kept
		})
		fill(left, slices.Sorted(maps.Keys(left)), tree{}, yield)
	}
}

// now is what programs see.
func (d *disk) now() tree {
	all, t := map[string]*inode{}, tree{}
	walk(d.root, "", all, func(folder *inode) map[string]*inode { return folder.names })
	for path, file := range all {
		t[path] = file.now
	}
	return t
}

func walk(folder *inode, path string, found map[string]*inode, names func(*inode) map[string]*inode) {
	for name, file := range names(folder) {
		if file.names == nil {
			found[path+name] = file
			continue
		}
		found[path+name+"/"] = file
		walk(file, path+name+"/", found, names)
	}
}

// fill yields the tree with everything that may be in its files.
func fill(left map[string]*inode, paths []string, t tree, yield func(tree)) {
	if len(paths) == 0 {
		yield(t)
		return
	}
	file := left[paths[0]]
	may := []content{file.synced}
	if file.dirty {
		half := file.synced.data
		if len(file.now.data) > len(half) {
			half = file.now.data[:(len(half)+len(file.now.data))/2]
		}
		may = append(may, file.now, content{half, file.now.mtime}, content{file.now.data, file.synced.mtime})
	}
	for i, c := range may {
		if slices.Contains(may[:i], c) {
			continue
		}
		t[paths[0]] = c
		fill(left, paths[1:], t, yield)
	}
	delete(t, paths[0])
}

func (t tree) String() string {
	var b strings.Builder
	for _, path := range slices.Sorted(maps.Keys(t)) {
		fmt.Fprintf(&b, "%s %q %v\n", path, t[path].data, t[path].mtime.UnixNano())
	}
	return b.String()
}

// lay makes a real folder of the tree. Files that were being written look as if that had been two hours ago.
func (t tree) lay(tb testing.TB, dir string) {
	tb.Helper()
	for _, path := range slices.Sorted(maps.Keys(t)) {
		at := filepath.Join(dir, path)
		if strings.HasSuffix(path, "/") {
			must(tb, os.Mkdir(at, 0o700))
			continue
		}
		if name, ok := strings.CutPrefix(filepath.Base(path), "tmp-"); ok {
			made, random, _ := strings.Cut(name, "-")
			ns, err := strconv.ParseInt(made, 10, 64)
			must(tb, err)
			at = filepath.Join(dir, filepath.Dir(path), fmt.Sprintf("tmp-%019d-%s", ns-int64(2*time.Hour), random))
		}
		must(tb, os.WriteFile(at, []byte(t[path].data), 0o600))
		if mtime := t[path].mtime; !mtime.IsZero() {
			must(tb, os.Chtimes(at, mtime, mtime))
		}
	}
}

// lie reads a real folder, with the times of the files in want.
func lie(tb testing.TB, dir string, want tree) tree {
	tb.Helper()
	t := tree{}
	must(tb, filepath.WalkDir(dir, func(at string, e os.DirEntry, err error) error {
		path, _ := filepath.Rel(dir, at)
		switch {
		case err != nil || path == ".":
			return err
		case e.IsDir():
			t[path+"/"] = content{}
			return nil
		}
		data, err := os.ReadFile(at)
		if err != nil {
			return err
		}
		c := content{data: string(data)}
		if !want[path].mtime.IsZero() {
			info, err := e.Info()
			if err != nil {
				return err
			}
			c.mtime = info.ModTime()
		}
		t[path] = c
		return nil
	}))
	return t
}
