package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
)

// newRedis returns a Redis that writes a snapshot every five seconds: when it is restarted, it goes back in time, as those do
// that are set up so. prog is the program, dir a folder that is there.
func newRedis(prog, dir string) (s *server, url string, err error) {
	prog, err = find(prog, "redis-server")
	if err != nil {
		return nil, "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	password := rand.Text()
	conf, snapshot := filepath.Join(dir, "redis.conf"), filepath.Join(dir, "dump.rdb")
	text := fmt.Sprintf("bind 127.0.0.1\nport %d\ndir %q\nrequirepass %s\nsave 5 1\nappendonly no\nloglevel warning\n", port, dir, password)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return nil, "", err
	}
	s = &server{
		Name: "redis", Title: "Redis", program: prog, args: []string{conf}, dir: dir, addr: loopback(port), hello: "PING\r\n", state: down,
		prepare: func() error { return nil },
		clear: func() error {
			if err := os.Remove(snapshot); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		},
	}
	return s, fmt.Sprintf("redis://:%s@%s", password, s.addr), nil
}

// newMariaDB returns a MariaDB. What it has acknowledged it has after every restart.
func newMariaDB(prog, dir string) (s *server, url string, err error) {
	prog, err = find(prog, "")
	if err != nil {
		return nil, "", err
	}
	port, err := freePort()
	if err != nil {
		return nil, "", err
	}
	password := rand.Text()
	data, initial := filepath.Join(dir, "data"), filepath.Join(dir, "init.sql")
	text := fmt.Sprintf("CREATE DATABASE IF NOT EXISTS sessions;\nCREATE USER IF NOT EXISTS web@'%%' IDENTIFIED BY '%s';\n"+
		"GRANT ALL ON sessions.* TO web@'%%';\n", password)
	if err := os.WriteFile(initial, []byte(text), 0o600); err != nil {
		return nil, "", err
	}
	storage := []string{"--no-defaults", "--datadir=" + data, "--innodb-data-file-path=ibdata1:8M:autoextend", "--innodb-log-file-size=8M"}
	if os.Getuid() == 0 {
		storage = append(storage, "--user=root") // else it refuses
	}
	s = &server{
		Name: "mariadb", Title: "MariaDB", program: prog, dir: dir, addr: loopback(port), state: down,
		args: append(storage, "--init-file="+initial, "--socket="+filepath.Join(dir, "socket"), "--pid-file="+filepath.Join(dir, "pid"),
			"--bind-address=127.0.0.1", fmt.Sprint("--port=", port), "--skip-name-resolve", "--max-connections=200", "--skip-log-bin",
			"--performance-schema=OFF"),
		prepare: func() error { return makeData(prog, data, storage) },
	}
	return s, fmt.Sprintf("mysql://web:%s@%s/sessions", password, s.addr), nil
}

// makeData makes a data directory, unless it is there.
func makeData(prog, data string, storage []string) error {
	switch err := os.Mkdir(data, 0o700); {
	case errors.Is(err, fs.ErrExist):
		return nil
	case err != nil:
		return err
	}
	cmd := exec.Command(prog, append(storage, "--bootstrap")...)
	cmd.SysProcAttr = childAttr()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a data directory: %w\n%s", err, out)
	}
	return nil
}

// find returns where a program is, or one that takes its place.
func find(prog, other string) (string, error) {
	path, err := exec.LookPath(prog)
	if err != nil && other != "" {
		path, err = exec.LookPath(other)
	}
	if err != nil {
		return "", fmt.Errorf("%s is missing. Get it with: scripts/servers %s", prog, filepath.Base(prog))
	}
	return filepath.Abs(path)
}
