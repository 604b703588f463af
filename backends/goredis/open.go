package goredis

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/storeurl"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

const (
	schemeTCP  = "redis"
	schemeTLS  = "rediss"
	schemeUnix = "redis+unix"
)

// Defaults of a client made from a URL.
//
// The timeouts leave the session.Manager time to try twice within its shortest budget. The pool is as small as is still
// fast: 200 requests at once take 5 ms with 16 connections as with 64, but the first 200 over TLS, which have to make the
// connections, take 30 ms with 16, 60 ms with 32, and with 64 some fail (measured on two cores).
const (
	defaultPort     = "6379"
	defaultTimeout  = 150 * time.Millisecond
	defaultPoolSize = 32
)

func init() {
	const name = "github.com/nonstick-go/nonstick/backends/goredis"
	session.Register(schemeTCP, name, open)
	session.Register(schemeTLS, name, open)
	session.Register(schemeUnix, name, open)
}

func open(_ context.Context, u *url.URL) (session.Handler, error) {
	clientOpts, opts, err := parseURL(u)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(clientOpts)
	s, err := New(client, opts)
	if err != nil {
		_ = client.Close()
		return nil, err
	}
	s.owned = client
	return s, nil
}

// parseURL makes the options of a client and of a Store. Its errors show no value of the URL.
func parseURL(u *url.URL) (*redis.Options, *Options, error) {
	p := storeurl.New(u)
	o := &redis.Options{
		ContextTimeoutEnabled: true,
		DialTimeout:           p.Duration("dial_timeout", defaultTimeout),
		ReadTimeout:           p.Duration("read_timeout", defaultTimeout),
		WriteTimeout:          p.Duration("write_timeout", defaultTimeout),
		PoolTimeout:           p.Duration("pool_timeout", defaultTimeout),
		PoolSize:              p.Int("pool_size", defaultPoolSize, 1),
		MaxRetries:            -1, // go-redis would repeat scripts that may have been run, and outlive the budget
		DialerRetries:         1,
		ConnMaxLifetime:       5 * time.Minute, // so that the address of a server that moved is looked up again
		ConnMaxLifetimeJitter: time.Minute,
		PipelinePoolSize:      -1,   // there are no pipelines
		DisableIdentity:       true, // saves a round trip for each connection, and a permission
		// Maintenance notifications would stretch the timeouts to 10 s, and cost a round trip to ask for them.
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	opts := &Options{Prefix: p.String("prefix", DefaultPrefix), MaxBytes: p.Int("max_bytes", DefaultMaxBytes, 1)}
	errs := []error{setAddress(o, u, p), setUser(o, u.User)}
	if opts.Prefix == "" {
		errs = append(errs, errors.New("prefix must not be empty"))
	}
	if u.Scheme == schemeTLS {
		errs = append(errs, setTLS(o, p))
	}
	return o, opts, errors.Join(append(errs, p.Err())...)
}

// setAddress reads where the server is, and which of its databases to use.
func setAddress(o *redis.Options, u *url.URL, p *storeurl.Params) error {
	if u.Opaque != "" || u.Fragment != "" {
		return errors.New("the URL is malformed: special characters in user, password and path must be percent-encoded")
	}
	if u.Scheme == schemeUnix {
		o.Network, o.Addr, o.DB = "unix", u.Path, p.Int("db", 0, 0)
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return errors.New("the socket must be an absolute path: write redis+unix:///path/of/socket")
		}
		return nil
	}
	port := u.Port()
	if port == "" {
		port = defaultPort
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || u.Hostname() == "" || strings.Contains(u.Hostname(), ",") {
		return errors.New("the URL must name one host, and a port between 1 and 65535 or none")
	}
	o.Network, o.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	if path := strings.TrimPrefix(u.Path, "/"); path != "" {
		db, err := strconv.ParseUint(path, 10, 31)
		if err != nil {
			return errors.New("the path must be the number of a database, such as /0")
		}
		o.DB = int(db)
	}
	return nil
}

func setUser(o *redis.Options, user *url.Userinfo) error {
	o.Username = user.Username()
	o.Password, _ = user.Password()
	if o.Username != "" && o.Password == "" {
		return errors.New("the URL has a user and no password: write :password@ for a password alone")
	}
	return nil
}
