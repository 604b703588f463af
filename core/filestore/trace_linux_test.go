//go:build linux && (amd64 || arm64)

package filestore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// fileOp is a system call that changes files or makes them durable. Paths are relative to the folder that is traced.
type fileOp struct {
	call     uint32 // SYS_OPENAT is the creation of a file, SYS_GETPID a mark
	path, to string
	data     []byte
	at       int64 // in the file, of pwrite
	mtime    time.Time
}

func (op fileOp) String() string {
	names := map[uint32]string{syscall.SYS_OPENAT: "create", syscall.SYS_WRITE: "write", syscall.SYS_PWRITE64: "pwrite", syscall.SYS_FSYNC: "fsync", syscall.SYS_RENAMEAT: "rename",
		syscall.SYS_UNLINKAT: "unlink", syscall.SYS_MKDIRAT: "mkdir", syscall.SYS_UTIMENSAT: "utimens", syscall.SYS_GETPID: "--"}
	return strings.TrimSpace(fmt.Sprint(names[op.call], " ", op.path, " ", op.to))
}

// tracer has the kernel ask, through a seccomp filter, before each system call of one thread that could change a file. So what
// is tested is what the package does, and nothing in it has to know.
type tracer struct {
	dir    string
	memory *os.File // of this process: calls have their names there
	fd     int      // where the kernel asks
	ops    []fileOp
	errs   []error
	onRead func() // if it is set, it is called before each read of a file at an offset, which waits
}

// traced returns what do did with files in dir. What it started on other threads is not seen. Each mark is an operation too.
// do runs on a goroutine of its own, so it must not end the test.
func traced(t testing.TB, dir string, do func(mark func()) error) []fileOp {
	t.Helper()
	return (&tracer{dir: dir}).trace(t, do)
}

func (r *tracer) trace(t testing.TB, do func(mark func()) error) []fileOp {
	t.Helper()
	memory, err := os.Open("/proc/self/mem")
	must(t, err)
	defer memory.Close()
	r.memory = memory
	installed, done := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // for ever: the thread ends with its filter
		err := r.install()
		installed <- err
		if err == nil {
			done <- do(func() { tell(traceMark) })
			tell(traceEnd)
		}
	}()
	if err := <-installed; err != nil {
		t.Fatalf("this test needs seccomp(2) of Linux 5.19 or later; a container must be run with --security-opt seccomp=unconfined: %v", err)
	}
	defer syscall.Close(r.fd)
	r.serve()
	must(t, errors.Join(r.errs...))
	must(t, <-done)
	return r.ops
}

const (
	traceMark = "/nonstick/mark"
	traceEnd  = "/nonstick/end"
)

// tell says something to the tracer by a call that fails.
func tell(what string) { _ = syscall.Unlinkat(-1, what) }

func (r *tracer) install() error {
	const (
		setNoNewPrivs = 38
		modeFilter    = 1
		newListener   = 1 << 3
		waitKillable  = 1 << 5 // signals of the Go runtime do not interrupt a call that is being looked at
		retNotify     = 0x7fc00000
		retAllow      = 0x7fff0000
	)
	seccomp := map[string]uintptr{"amd64": 317, "arm64": 277}[runtime.GOARCH]
	calls := []uint32{syscall.SYS_OPENAT, syscall.SYS_PWRITE64, syscall.SYS_WRITEV, syscall.SYS_FTRUNCATE, syscall.SYS_FSYNC, syscall.SYS_FDATASYNC,
		syscall.SYS_RENAMEAT, syscall.SYS_UNLINKAT, syscall.SYS_MKDIRAT, syscall.SYS_UTIMENSAT, syscall.SYS_LINKAT, syscall.SYS_SYMLINKAT}
	if r.onRead != nil {
		calls = append(calls, syscall.SYS_PREAD64)
	}
	n := uint8(len(calls))
	program := []syscall.SockFilter{
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS},
		{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: syscall.SYS_WRITE, Jf: 2},
		{Code: syscall.BPF_LD | syscall.BPF_W | syscall.BPF_ABS, K: 16 + 8*2},
		{Code: syscall.BPF_JMP | syscall.BPF_JGT | syscall.BPF_K, K: 8, Jt: n + 1, Jf: n}, // the Go runtime writes 8 bytes to wake itself up
	}
	for i, call := range calls {
		program = append(program, syscall.SockFilter{Code: syscall.BPF_JMP | syscall.BPF_JEQ | syscall.BPF_K, K: call, Jt: n - uint8(i)})
	}
	program = append(program, syscall.SockFilter{Code: syscall.BPF_RET | syscall.BPF_K, K: retAllow},
		syscall.SockFilter{Code: syscall.BPF_RET | syscall.BPF_K, K: retNotify})
	filter := &syscall.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if _, _, errno := syscall.RawSyscall6(syscall.SYS_PRCTL, setNoNewPrivs, 1, 0, 0, 0, 0); errno != 0 {
		return errno
	}
	fd, _, errno := syscall.RawSyscall(seccomp, modeFilter, newListener|waitKillable, uintptr(unsafe.Pointer(filter)))
	if errno != 0 {
		return errno
	}
	r.fd = int(fd)
	return nil
}

// request and answer are the kernel's struct seccomp_notif and seccomp_notif_resp.
type request struct {
	id         uint64
	pid, flags uint32
	call, arch uint32
	ip         uint64
	args       [6]uint64
}

type answer struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

// serve notes calls, and lets them happen, until the end is signalled.
func (r *tracer) serve() {
	const receive, send, proceed = 0xc0502100, 0xc0182101, 1
	for {
		var q request
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(r.fd), receive, uintptr(unsafe.Pointer(&q))); errno != 0 {
			if errno == syscall.EINTR || errno == syscall.ENOENT {
				continue
			}
			r.errs = append(r.errs, fmt.Errorf("receive from seccomp: %w", errno))
			return
		}
		end, err := r.note(&q)
		a := answer{id: q.id, flags: proceed}
		if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(r.fd), send, uintptr(unsafe.Pointer(&a))); errno != 0 {
			err = errors.Join(err, fmt.Errorf("answer to seccomp: %w", errno))
		}
		if err != nil {
			r.errs = append(r.errs, err)
		}
		if end {
			return
		}
	}
}

// note adds a call to what has been done, if it means something there.
func (r *tracer) note(q *request) (end bool, err error) {
	op := fileOp{call: q.call}
	a := q.args
	switch q.call {
	case syscall.SYS_PREAD64:
		r.onRead()
		return false, nil
	case syscall.SYS_OPENAT:
		if a[2]&syscall.O_CREAT == 0 {
			return false, nil
		}
		op.path, err = r.path(a[0], a[1])
	case syscall.SYS_WRITE, syscall.SYS_PWRITE64, syscall.SYS_FSYNC:
		op.path, err = r.path(a[0], 0)
		if q.call != syscall.SYS_FSYNC && err == nil {
			op.at = int64(a[3])
			op.data, err = r.read(a[1], a[2])
		}
	case syscall.SYS_UTIMENSAT:
		op.path, err = r.path(a[0], a[1])
		times, failed := r.read(a[2], 32)
		if err = errors.Join(err, failed); err == nil {
			op.mtime = time.Unix(int64(binary.NativeEndian.Uint64(times[16:])), int64(binary.NativeEndian.Uint64(times[24:])))
		}
	case syscall.SYS_RENAMEAT:
		op.path, err = r.path(a[0], a[1])
		if err == nil {
			op.to, err = r.path(a[2], a[3])
		}
	case syscall.SYS_UNLINKAT, syscall.SYS_MKDIRAT:
		op.path, err = r.path(a[0], a[1])
	default:
		err = fmt.Errorf("system call %d changes files and is not known to this test", q.call)
	}
	switch {
	case err != nil || op.path == traceEnd:
		return op.path == traceEnd, err
	case op.path == traceMark:
		r.ops = append(r.ops, fileOp{call: syscall.SYS_GETPID})
		return false, nil
	}
	op.path, err = filepath.Rel(r.dir, op.path)
	if err != nil || strings.HasPrefix(op.path, "..") {
		return false, err // not in the folder
	}
	if op.to != "" {
		op.to, err = filepath.Rel(r.dir, op.to)
	}
	r.ops = append(r.ops, op)
	return false, err
}

// path returns the path of the open file fd, or of a name relative to it.
func (r *tracer) path(fd, name uint64) (string, error) {
	var rel string
	if name != 0 {
		text, err := r.read(name, 4096)
		before, _, ok := bytes.Cut(text, []byte{0})
		if !ok {
			return "", fmt.Errorf("read a name: %w", err)
		}
		if rel = string(before); filepath.IsAbs(rel) {
			return rel, nil
		}
	}
	base, err := os.Readlink(fmt.Sprint("/proc/self/fd/", int32(fd)))
	return filepath.Join(base, rel), err
}

// read reads at most n bytes of this process, the way that a debugger does.
func (r *tracer) read(at, n uint64) ([]byte, error) {
	data := make([]byte, n)
	m, err := r.memory.ReadAt(data, int64(at))
	if errors.Is(err, io.EOF) || m > 0 {
		err = nil
	}
	return data[:m], err
}
