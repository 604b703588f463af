package servers

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

func (r *Redis) config() string {
	lines := []string{"loglevel warning", "dir " + r.dir, "protected-mode no"}
	if !r.opts.sentinel {
		lines = append(lines, `save ""`, "appendonly no",
			// Through a file, which is removed: else a master sends nothing in the second after the first copy.
			"repl-diskless-sync no", "rdb-del-sync-files yes")
	}
	if r.together() {
		lines = append(lines, "bind 127.0.0.1")
	} else {
		lines = append(lines, "bind "+listenHost())
	}
	if r.opts.cluster {
		// Not 10,000 above the port, as is usual: that may be no port, or taken.
		lines = append(lines, "cluster-enabled yes", fmt.Sprint("cluster-port ", r.bus))
	}
	switch {
	case r.opts.Unix:
		lines = append(lines, "port 0", "unixsocket "+r.Addr(), "unixsocketperm 777")
	case r.opts.TLS:
		auth := "no"
		if r.opts.Mutual {
			auth = "yes"
		}
		lines = append(lines, "port 0", fmt.Sprint("tls-port ", r.port), "tls-auth-clients "+auth,
			"tls-ca-cert-file "+r.certs.CA, "tls-cert-file "+r.certs.ServerCert, "tls-key-file "+r.certs.ServerKey)
	default:
		lines = append(lines, fmt.Sprint("port ", r.port))
	}
	if r.opts.TLS && r.together() {
		lines = append(lines, "tls-replication yes")
		if r.opts.cluster {
			lines = append(lines, "tls-cluster yes")
		}
	}
	if r.opts.Password != "" {
		lines = append(lines, "requirepass "+r.opts.Password)
		if r.together() && !r.opts.sentinel {
			lines = append(lines, "masterauth "+r.opts.Password)
		}
	}
	for _, u := range r.opts.Users {
		lines = append(lines, "user "+u)
	}
	return strings.Join(append(lines, r.opts.Config...), "\n") + "\n"
}

// options are those of the admin client. They leave the server more time than a session store would.
func (r *Redis) options() *redis.Options {
	o := &redis.Options{
		Network: "tcp", Addr: r.Addr(), Password: r.opts.Password,
		ContextTimeoutEnabled: true, MaxRetries: -1, DialerRetries: 1, DisableIdentity: true, PoolSize: 4,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if r.opts.Unix {
		o.Network = "unix"
	}
	if r.opts.TLS {
		o.TLSConfig = r.certs.ClientConfig(r.t)
	}
	return o
}

// Addr is host:port, or the path of the unix socket.
func (r *Redis) Addr() string {
	if r.opts.Unix {
		return filepath.Join(r.dir, "redis.sock")
	}
	return loopback(r.port)
}

// Certs are the certificates of a server that speaks TLS, else nil.
func (r *Redis) Certs() *Certs { return r.certs }

// URL is the store URL for the default user and database 0.
func (r *Redis) URL() string { return r.UserURL("", r.opts.Password, 0) }

// UserURL is the store URL for a user and a database. It names the authority's certificate, and the client's if the server
// asks for one.
func (r *Redis) UserURL(user, password string, db int) string {
	u := &url.URL{Scheme: "redis", Host: r.Addr()}
	q := url.Values{}
	if password != "" {
		u.User = url.UserPassword(user, password)
	}
	switch {
	case r.opts.Unix:
		u.Scheme, u.Host, u.Path = "redis+unix", "", r.Addr()
		q.Set("db", fmt.Sprint(db))
	case db > 0:
		u.Path = fmt.Sprint("/", db)
	}
	if r.opts.TLS {
		u.Scheme = "rediss"
		q.Set("ca_file", r.certs.CA)
	}
	if r.opts.Mutual {
		q.Set("cert_file", r.certs.ClientCert)
		q.Set("key_file", r.certs.ClientKey)
	}
	u.RawQuery = q.Encode()
	return u.String()
}
