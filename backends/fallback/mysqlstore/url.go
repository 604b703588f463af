package mysqlstore

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

	"github.com/go-sql-driver/mysql"

	"github.com/nonstick-go/nonstick/core/storeurl"
)

// Defaults of the connections made for a URL. The timeouts leave the session.Manager time to try twice within its shortest
// budget, or nearly so; 32 connections are what 32 statements at once need.
const (
	defaultPort        = "3306"
	defaultDialTimeout = 150 * time.Millisecond
	defaultTimeout     = 250 * time.Millisecond
	defaultPoolSize    = 32
)

// config is what a store URL says.
type config struct {
	network, addr string
	database      string
	user          string
	password      storeurl.Password
	tls           *tls.Config // nil for none
	poolSize      int

	dialTimeout, readTimeout, writeTimeout time.Duration

	options Options
}

// parseURL reads a store URL. Its errors show no value of it.
func parseURL(u *url.URL) (*config, error) {
	p := storeurl.New(u)
	c := &config{
		user:         u.User.Username(),
		password:     p.Password(u),
		poolSize:     p.Int("pool_size", defaultPoolSize, 1),
		dialTimeout:  p.Duration("dial_timeout", defaultDialTimeout),
		readTimeout:  p.Duration("read_timeout", defaultTimeout),
		writeTimeout: p.Duration("write_timeout", defaultTimeout),
		options: Options{
			Table: p.String("table", DefaultTable), MaxBytes: p.Int("max_bytes", DefaultMaxBytes, 1), NoCreate: !p.Bool("create_table", true),
			Batches: p.Int("batches", DefaultBatches, 0),
		},
	}
	errs := []error{c.setAddress(u, p)}
	if c.user == "" {
		errs = append(errs, errors.New("the URL must name a user"))
	}
	if c.options.Table == "" {
		errs = append(errs, errors.New("table must not be empty"))
	}
	if c.options.Batches == 0 {
		c.options.Batches = -1
	}
	if u.Scheme == "mysqls" {
		c.tls = p.TLS()
	}
	return c, errors.Join(append(errs, p.Err())...)
}

// setAddress reads where the server is, and the name of the database.
func (c *config) setAddress(u *url.URL, p *storeurl.Params) error {
	if u.Opaque != "" || u.Fragment != "" {
		return errors.New("the URL is malformed: special characters in user, password and path must be percent-encoded")
	}
	if u.Scheme == "mysql+unix" {
		c.network, c.addr, c.database = "unix", u.Path, p.String("db", "")
		if u.Host != "" || !strings.HasPrefix(u.Path, "/") {
			return errors.New("the socket must be an absolute path: write mysql+unix:///path/of/socket?db=database")
		}
		if c.database == "" {
			return errors.New("the URL must name a database: write ?db=database")
		}
		return nil
	}
	port := cmp.Or(u.Port(), defaultPort)
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || u.Hostname() == "" || strings.Contains(u.Host, ",") {
		return errors.New("the URL must name one host, and a port between 1 and 65535 or none")
	}
	c.network, c.addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	c.database = strings.TrimPrefix(u.Path, "/")
	if c.database == "" || strings.Contains(c.database, "/") {
		return errors.New("the path must be the name of the database, such as /sessions")
	}
	return nil
}

// driver returns the settings of the driver.
func (c *config) driver() *mysql.Config {
	d := mysql.NewConfig()
	d.User, d.Net, d.Addr, d.DBName = c.user, c.network, c.addr, c.database
	d.TLS = c.tls
	d.Timeout, d.ReadTimeout, d.WriteTimeout = c.dialTimeout, c.readTimeout, c.writeTimeout
	d.InterpolateParams = true // one round trip a statement
	d.ClientFoundRows = true   // a repeated touch matches its row and changes nothing
	d.RejectReadOnly = true    // a server that became a replica is left
	d.Logger = &mysql.NopLogger{}
	d.Params = map[string]string{
		"innodb_lock_wait_timeout": "1", // seconds, the least there is
		"lock_wait_timeout":        "1", // for somebody who alters the table
	}
	_ = d.Apply(mysql.BeforeConnect(func(_ context.Context, d *mysql.Config) (err error) { // never fails
		if d.Passwd, err = c.password.Read(); err != nil {
			return misconfigured(err.Error())
		}
		return nil
	}))
	return d
}
