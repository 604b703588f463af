package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"
)

// database is a running Redis or MariaDB, a child process that ends with this one.
type database struct {
	addr string
	cmd  *exec.Cmd
}

// command starts a child that is killed when this process ends.
func command(dir, program string, args ...string) (*exec.Cmd, error) {
	out, err := os.Create(filepath.Join(dir, filepath.Base(program)+".log"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = out.Close() }()
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	tie(cmd)
	return cmd, cmd.Start()
}

func (d *database) stop() {
	if d != nil {
		_ = d.cmd.Process.Kill()
		_ = d.cmd.Wait()
	}
}

// program finds a server: where scripts/servers puts it, else in PATH.
func program(name, elsewhere string) (string, error) {
	for _, folder := range []string{"bin/servers", "../bin/servers"} {
		path, err := filepath.Abs(filepath.Join(folder, name))
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(elsewhere)
	if err != nil {
		return "", fmt.Errorf("no %s: run scripts/servers: %w", name, err)
	}
	return path, nil
}

func startRedis(dir string) (*database, error) {
	path, err := program("redis-7.0", "redis-server")
	if err != nil {
		return nil, err
	}
	addr, port, err := freeAddr()
	if err != nil {
		return nil, err
	}
	d := &database{addr: addr}
	d.cmd, err = command(dir, path, "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--databases", "64",
		"--maxclients", "10000")
	if err != nil {
		return nil, err
	}
	c := redis.NewClient(&redis.Options{Addr: addr})
	defer func() { _ = c.Close() }()
	return d, d.await(func(ctx context.Context) error { return c.Ping(ctx).Err() })
}

func startMariaDB(dir string) (*database, error) {
	path, err := program("mariadb-10.11", "mariadbd")
	if err != nil {
		return nil, err
	}
	addr, port, err := freeAddr()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	common := []string{"--no-defaults", "--user=root", "--datadir=" + data, "--innodb-buffer-pool-size=256M"}
	boot := exec.Command(path, append(common, "--bootstrap")...)
	boot.Stdin = strings.NewReader("CREATE DATABASE mysql;")
	if out, err := boot.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	d := &database{addr: addr}
	// Nobody else can reach it, so it needs no users.
	d.cmd, err = command(dir, path, append(common, "--bind-address=127.0.0.1", "--port="+port, "--socket="+filepath.Join(dir, "s"),
		"--skip-grant-tables", "--skip-networking=0", "--skip-name-resolve", "--max-connections=1000", "--skip-log-bin")...)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("mysql", "root@tcp("+addr+")/")
	if err != nil {
		return nil, err
	}
	defer func() { _ = db.Close() }()
	return d, d.await(func(ctx context.Context) error {
		_, err := db.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS bench")
		return err
	})
}

func (d *database) await(answers func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		err := answers(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			d.stop()
			return errors.Join(ctx.Err(), err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func freeAddr() (addr, port string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	addr = ln.Addr().String()
	_, port, err = net.SplitHostPort(addr)
	return addr, port, errors.Join(err, ln.Close())
}

// openMySQL is the pool of all variants on MariaDB. Whether the driver puts arguments into the text of a statement itself,
// instead of preparing it anew for each call, is what the documentation of each library says: by default it does not.
func openMySQL(e env, interpolate bool) (*sql.DB, error) {
	c := mysql.NewConfig()
	c.InterpolateParams = interpolate
	c.User, c.Net, c.Addr, c.DBName, c.ParseTime, c.Logger = "root", "tcp", e.mysql, "bench", true, &mysql.NopLogger{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(connection)
	db.SetMaxIdleConns(connection)
	return db, nil
}
