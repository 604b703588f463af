package servers

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// RedisOptions say how a Redis server is set up. The zero value is a server on a random port of 127.0.0.1, without
// password, that writes nothing to disk.
type RedisOptions struct {
	TLS      bool     // speak TLS, with certificates made for the test
	Mutual   bool     // refuse clients without a certificate; implies TLS
	Unix     bool     // listen on a unix socket instead of a port
	Password string   // of the default user
	Users    []string // ACL rules, such as "web on >secret ~nonstick:* +hmget"
	Config   []string // more lines of redis.conf, such as "maxmemory 4mb"
	Server   Server   // which program; default: what the environment says, else Redis 7.0

	cluster    bool   // be a node of a cluster that StartRedisCluster makes
	sentinel   bool   // be a sentinel of StartRedisSentinel
	replicated bool   // be one of its masters and replicas
	certs      *Certs // those of servers that belong together
}

// Redis is a running Redis server, or Valkey.
type Redis struct {
	opts  RedisOptions
	t     testing.TB
	dir   string
	port  int
	bus   int    // where nodes of a cluster talk to each other
	id    string // of a node in its cluster
	certs *Certs
	inst  instance
	admin *redis.Client
}

// readyTime is how long a server may take to answer.
const readyTime = 20 * time.Second

// StartRedis starts a server and waits until it answers. Nil options mean the zero value.
func StartRedis(t testing.TB, opts *RedisOptions) *Redis {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long a path for a unix socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil { // the server in a container is another user
		t.Fatal(err)
	}
	r := &Redis{t: t, dir: dir}
	if opts != nil {
		r.opts = *opts
	}
	r.opts.Server = r.opts.Server.orDefault(t)
	r.opts.TLS = r.opts.TLS || r.opts.Mutual
	if r.certs = r.opts.certs; r.opts.TLS && r.certs == nil {
		r.certs = NewCerts(t, dir)
	}
	for attempt := 1; ; attempt++ {
		err := r.launch()
		if err == nil {
			break
		}
		out := r.inst.output()
		r.inst.remove()
		if attempt == 3 || r.opts.Unix { // somebody else may have taken the port
			t.Fatalf("%s: %v\n%s", r.Server(), err, out)
		}
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("output of %s:\n%s", r.Server(), r.inst.output())
		}
		_ = r.admin.Close()
		r.inst.remove()
	})
	return r
}

func (r *Redis) launch() error {
	if !r.opts.Unix {
		r.port = freePort(r.t)
	}
	if r.opts.cluster {
		r.bus = freePort(r.t)
	}
	conf := filepath.Join(r.dir, "redis.conf")
	if err := os.WriteFile(conf, []byte(r.config()), 0o644); err != nil {
		return err
	}
	s := spec{
		name: r.Server().program(), path: r.Server().path(r.t), get: "scripts/servers", image: r.Server().image(),
		args: []string{conf}, dir: r.dir, port: r.port, onHost: r.together(),
	}
	if r.opts.sentinel {
		s.args = append(s.args, "--sentinel")
	}
	r.inst = newInstance(r.t, s)
	if err := r.inst.start(); err != nil {
		return err
	}
	r.admin = redis.NewClient(r.options())
	if err := r.ready(); err != nil {
		_ = r.admin.Close()
		return err
	}
	return nil
}

// ready waits until the server answers.
func (r *Redis) ready() error {
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	var last error
	for ctx.Err() == nil {
		if last = r.connects(); last == nil { // so that go-redis does not log its failures
			if last = r.admin.Ping(ctx).Err(); last == nil {
				return nil
			}
		}
		if !r.inst.alive() {
			return fmt.Errorf("ended at once: %w", last)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("does not answer: %w", last)
}

func (r *Redis) connects() error {
	dialer := &net.Dialer{Timeout: time.Second}
	var conn net.Conn
	var err error
	if r.opts.TLS { // a container engine accepts connections before the server does
		conn, err = tls.DialWithDialer(dialer, "tcp", r.Addr(), r.options().TLSConfig)
	} else {
		conn, err = dialer.Dial(r.options().Network, r.Addr())
	}
	if err != nil {
		return err
	}
	return conn.Close()
}

// together reports whether the server must find others on loopback.
func (r *Redis) together() bool { return r.opts.cluster || r.opts.sentinel || r.opts.replicated }

// Server is the program that runs.
func (r *Redis) Server() Server { return r.opts.Server }

// Alive reports whether the server runs, stopped or not.
func (r *Redis) Alive() bool { return r.inst.alive() }

// Admin is a client of the default user for the test's own commands.
func (r *Redis) Admin() *redis.Client { return r.admin }

// Stop freezes the server: connections stay open, nothing is answered.
func (r *Redis) Stop() { r.signal(syscall.SIGSTOP) }

// Continue thaws the server.
func (r *Redis) Continue() { r.signal(syscall.SIGCONT) }

// Kill ends the server without giving it time to write anything.
func (r *Redis) Kill() { r.signal(syscall.SIGKILL) }

// Restart starts the server again after Kill and waits until it answers.
func (r *Redis) Restart() {
	r.t.Helper()
	if err := r.inst.start(); err != nil {
		r.t.Fatalf("restart %s: %v", r.Server(), err)
	}
	if err := r.ready(); err != nil {
		r.t.Fatalf("restarted %s: %v\n%s", r.Server(), err, r.inst.output())
	}
}

func (r *Redis) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.inst.signal(s); err != nil {
		r.t.Fatalf("send %v to %s: %v", s, r.Server(), err)
	}
}
