package redisstore

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/batch"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/storeurl"
)

// Topology is how the servers belong together.
type Topology int

// The topologies that a URL can name.
const (
	Single   Topology = iota // one server
	Cluster                  // a Redis Cluster
	Sentinel                 // one master, which sentinels know
)

// Defaults of a client made from a URL.
//
// The timeouts leave the session.Manager time to try twice within its shortest budget. The pool is as small as is still
// fast: 200 requests at once take 5 ms with 16 connections as with 64, but the first 200 over TLS, which have to make the
// connections, take 30 ms with 16, 60 ms with 32, and with 64 some fail (measured on two cores).
const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
	defaultTimeout      = 150 * time.Millisecond
	defaultPoolSize     = 32
	defaultWaitTimeout  = 100 * time.Millisecond
)

// Config is what a store URL says.
type Config struct {
	Topology Topology
	Network  string      // tcp or unix
	Addrs    []string    // host:port of the server, of nodes of the cluster, or of sentinels; or the path of the socket
	Master   string      // Sentinel: the name of the master
	DB       int         // Single and Sentinel
	TLS      *tls.Config // nil for none; for sentinels too

	User                           string
	Password                       storeurl.Password // to be read for each connection
	SentinelUser, SentinelPassword string

	PoolSize                                            int // for each server
	DialTimeout, ReadTimeout, WriteTimeout, PoolTimeout time.Duration

	Replicas     bool          // read from replicas
	ReplicaAddrs []string      // Single: where they are
	Wait         int           // for so many replicas
	WaitTimeout  time.Duration // and for how long

	Options Options
}

// Schemes are those of the URLs that ParseURL reads.
func Schemes() []string {
	return []string{"redis", "rediss", "redis+unix", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"}
}

// Open opens what a URL names with one backend, whatever others are registered.
func Open(rawURL, name string, open session.Opener) (session.Handler, error) {
	var m session.Mux
	for _, scheme := range Schemes() {
		m.Register(scheme, name, open)
	}
	return m.Open(context.Background(), rawURL)
}

// ParseURL reads a store URL. Its errors show no value of it.
func ParseURL(u *url.URL) (*Config, error) {
	p := storeurl.New(u)
	kind, topology, _ := strings.Cut(u.Scheme, "+")
	c := &Config{
		Topology:     map[string]Topology{"cluster": Cluster, "sentinel": Sentinel}[topology],
		User:         u.User.Username(),
		Password:     p.Password(u),
		PoolSize:     p.Int("pool_size", defaultPoolSize, 1),
		DialTimeout:  p.Duration("dial_timeout", defaultTimeout),
		ReadTimeout:  p.Duration("read_timeout", defaultTimeout),
		WriteTimeout: p.Duration("write_timeout", defaultTimeout),
		PoolTimeout:  p.Duration("pool_timeout", defaultTimeout),
		Options: Options{Prefix: p.String("prefix", DefaultPrefix), MaxBytes: p.Int("max_bytes", DefaultMaxBytes, 1),
			Pipelines: p.Int("pipelines", batch.DefaultMost, 0)},
	}
	errs := []error{c.setAddress(u, p), c.setPassword(p)}
	if c.Options.Prefix == "" {
		errs = append(errs, errors.New("prefix must not be empty"))
	}
	if c.Options.Pipelines == 0 {
		c.Options.Pipelines = -1
	}
	if kind == "rediss" {
		c.TLS = p.TLS()
	}
	errs = append(errs, c.setReplicas(p))
	return c, errors.Join(append(errs, p.Err())...)
}

// setAddress reads where the servers are, and what to use of them.
func (c *Config) setAddress(u *url.URL, p *storeurl.Params) error {
	if u.Opaque != "" || u.Fragment != "" {
		return errors.New("the URL is malformed: special characters in user, password and path must be percent-encoded")
	}
	if u.Scheme == "redis+unix" {
		c.Network, c.Addrs, c.DB = "unix", []string{u.Path}, p.Int("db", 0, 0)
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return errors.New("the socket must be an absolute path: write redis+unix:///path/of/socket")
		}
		return nil
	}
	c.Network = "tcp"
	port := defaultPort
	if c.Topology == Sentinel {
		port = defaultSentinelPort
	}
	for host := range strings.SplitSeq(u.Host, ",") {
		addr, ok := address(host, port)
		if !ok {
			return errors.New("the URL must name a host, and a port between 1 and 65535 or none; several, with commas between, for a cluster or sentinels")
		}
		c.Addrs = append(c.Addrs, addr)
	}
	path := strings.TrimPrefix(u.Path, "/")
	switch c.Topology {
	case Cluster:
		if path != "" && path != "0" {
			return errors.New("a cluster has no database but 0")
		}
		return nil
	case Sentinel:
		if c.Master, path, _ = strings.Cut(path, "/"); c.Master == "" {
			return errors.New("the path must be the name by which the sentinels know the master, such as /mymaster, and perhaps a database")
		}
	case Single:
		if len(c.Addrs) > 1 {
			return errors.New("the URL must name one host; for several the scheme is redis+cluster or redis+sentinel")
		}
	}
	db, err := strconv.ParseUint(cmp.Or(path, "0"), 10, 31)
	if err != nil {
		return errors.New("the path must be the number of a database, such as /0")
	}
	c.DB = int(db)
	return nil
}

// address adds the default port to a host that has none.
func address(hostPort, defaultPort string) (addr string, ok bool) {
	u, err := url.Parse("redis://" + hostPort)
	if err != nil || u.Host != hostPort {
		return "", false
	}
	host, port := u.Hostname(), cmp.Or(u.Port(), defaultPort)
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return "", false
	}
	return net.JoinHostPort(host, port), true
}

// setReplicas reads what replicas are there for.
func (c *Config) setReplicas(p *storeurl.Params) error {
	c.Wait, c.WaitTimeout = p.Int("wait", 0, 0), p.Duration("wait_timeout", defaultWaitTimeout)
	if c.Wait > 0 && c.WaitTimeout < time.Millisecond {
		return errors.New("wait_timeout must be at least 1ms: for WAIT zero is for ever")
	}
	if c.Wait > 0 && c.WaitTimeout >= c.ReadTimeout {
		return errors.New("wait_timeout must be shorter than read_timeout, which would end it")
	}
	if c.Topology != Single {
		c.Replicas = p.Bool("replicas", false)
		return nil
	}
	list := p.String("replicas", "")
	if list == "" {
		return nil
	}
	if c.Replicas = true; c.Network != "tcp" {
		return errors.New("replicas cannot be told for a socket")
	}
	for host := range strings.SplitSeq(list, ",") {
		addr, ok := address(host, defaultPort)
		if !ok {
			return errors.New("replicas must be hosts, each with a port or none, with commas between")
		}
		c.ReplicaAddrs = append(c.ReplicaAddrs, addr)
	}
	return nil
}

// setPassword reads the credentials that are no part of the address.
func (c *Config) setPassword(p *storeurl.Params) error {
	if c.Topology == Sentinel {
		c.SentinelUser, c.SentinelPassword = p.String("sentinel_user", ""), p.String("sentinel_password", "")
		if c.SentinelUser != "" && c.SentinelPassword == "" {
			return errors.New("there is a sentinel_user and no sentinel_password")
		}
	}
	if c.User != "" && c.Password.IsZero() {
		return errors.New("the URL has a user and no password: write :password@ for a password alone")
	}
	return nil
}
