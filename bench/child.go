package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// usage is what a process has used since it began.
type usage struct {
	CPU    time.Duration
	Allocs uint64
	Bytes  uint64
}

// serve is the life of a child: one variant, until its standard input ends.
func serve(name, settings, kinds string) error {
	prepareProfiles(kinds)
	all := variants()
	i := slices.IndexFunc(all, func(v variant) bool { return v.name == name })
	if i < 0 {
		return fmt.Errorf("no variant %q", name)
	}
	var e struct {
		Redis, MySQL, Dir string
		DB                int
	}
	if err := json.Unmarshal([]byte(settings), &e); err != nil {
		return err
	}
	run, err := all[i].open(env{redis: e.Redis, mysql: e.MySQL, dir: e.Dir, db: e.DB})
	if err != nil {
		return err
	}
	var addrs [2]string
	failed := make(chan error, len(addrs))
	for j, s := range []server{run, serveStats} {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		addrs[j] = ln.Addr().String()
		go func() { failed <- s(ln) }()
	}
	fmt.Println(addrs[0], addrs[1])
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		failed <- nil
	}()
	return <-failed
}

// startVariant starts a variant, in as many processes as its workloads want.
func startVariant(v variant, e env, kinds []string) (*child, error) {
	c, err := startChild(v, e, kinds)
	if err != nil {
		return nil, err
	}
	for v.crowd && len(c.others) < crowdProcesses-1 {
		other, err := startChild(v, e, kinds)
		if err != nil {
			return nil, errors.Join(err, c.stop())
		}
		c.others = append(c.others, other)
	}
	return c, nil
}

// prepareProfiles makes the process note what the profiles of these kinds want to know, so far as it is not noted anyway.
func prepareProfiles(kinds string) {
	for kind := range strings.SplitSeq(kinds, ",") {
		switch kind {
		case "allocs":
			runtime.MemProfileRate = 1 // each allocation
		case "mutex":
			runtime.SetMutexProfileFraction(1)
		case "block":
			runtime.SetBlockProfileRate(1)
		}
	}
}

// serveStats answers what this process has used, and profiles of it.
func serveStats(ln net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", answerUsage)
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	return http.Serve(ln, mux)
}

func answerUsage(w http.ResponseWriter, _ *http.Request) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_ = json.NewEncoder(w).Encode(usage{time.Duration(r.Utime.Nano() + r.Stime.Nano()), m.Mallocs, m.TotalAlloc})
}

// child is a running variant, seen from the process that measures.
type child struct {
	variant
	others      []*child // more processes on the same sessions, for a workload that wants several
	db          int
	addr, stats string
	start       time.Duration // from its beginning to its first answer
	memory      int64         // bytes of Redis for a session
	cookies     []string
	cmd         *exec.Cmd
	in          io.Closer
}

// startChild runs this program again, as one variant, which takes the profiles of these kinds.
func startChild(v variant, e env, kinds []string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(map[string]any{"Redis": e.redis, "MySQL": e.mysql, "Dir": e.dir, "DB": e.db})
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve", v.name, "-settings", string(settings), "-kinds", strings.Join(kinds, ","))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{variant: v, db: e.db, cmd: cmd, in: in}
	if _, err := fmt.Fscan(bufio.NewReader(out), &c.addr, &c.stats); err != nil {
		return nil, errors.Join(fmt.Errorf("%s did not start", v.name), err, c.stop())
	}
	path := "/login"
	if !v.session() {
		path = "/bare"
	}
	if _, err := newClient(c.addr).insist(path, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", v.name, err), c.stop())
	}
	c.start = time.Since(began)
	return c, nil
}

func (c *child) stop() error {
	err := errors.Join(c.in.Close(), c.cmd.Wait())
	for _, o := range c.others {
		err = errors.Join(err, o.stop())
	}
	return err
}

// process is the one of a variant's that a client uses.
func (c *child) process(client int, w workload) *child {
	if i := client % max(1, w.processes); i > 0 {
		return c.others[i-1]
	}
	return c
}

// profile writes a profile of the child's next seconds: profile for the CPU, allocs, mutex or block.
func (c *child) profile(kind string, seconds int, file string) error {
	resp, err := http.Get(fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", c.stats, kind, seconds))
	if err != nil {
		return err
	}
	data, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return err
	}
	return os.WriteFile(file, data, 0o644)
}

// usage is that of so many processes of the variant.
func (c *child) usage(processes int) (u usage, err error) {
	resp, err := http.Get("http://" + c.stats)
	if err != nil {
		return u, err
	}
	err = errors.Join(json.NewDecoder(resp.Body).Decode(&u), resp.Body.Close())
	for _, o := range c.others[:min(len(c.others), max(0, processes-1))] {
		more, failed := o.usage(1)
		err = errors.Join(err, failed)
		u = usage{u.CPU + more.CPU, u.Allocs + more.Allocs, u.Bytes + more.Bytes}
	}
	return u, err
}
