package redis_test

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/backends/redigo"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// effect is what a parameter of a URL changes. see starts a server and opens a Store with one or the other.
type effect struct {
	without, with string
	see           func(t *testing.T, params string) string
	want          string // is seen with the parameter, and not without it
}

// long is how long a call takes that is not cut short; whoever takes half of it has waited for it, on whatever machine.
const long = 6 * time.Second

const slow = "dial_timeout=6s&read_timeout=6s&write_timeout=6s&pool_timeout=6s"

// testEffects sets each parameter, and looks for what it changes. The house rules want each parameter to have a line.
func testEffects(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	must(t, "WriteFile", os.WriteFile(file, []byte("s3cret\n"), 0o600))
	sentinel := "sentinel_user=watch&sentinel_password=w4tch"
	for param, e := range map[string]effect{
		"redis://?prefix":        {"", "prefix=shop:", seeKeys, "shop:"},
		"redis://?max_bytes":     {"", "max_bytes=1000", seeLarge, "too large"},
		"redis://?db":            {"", "db=2", seeDatabase, "db2:keys=1"},
		"redis://?password_file": {"", "password_file=" + file, seeLogin, "<nil>"},
		"redis://?ca_file":       {"", "ca_file", seeTLS, "<nil>"},
		"redis://?cert_file":     {"ca_file", "ca_file&cert_file&key_file", seeTLS, "<nil>"},
		"redis://?key_file":      {"ca_file", "ca_file&cert_file&key_file", seeTLS, "<nil>"},
		"redis://?server_name":   {"ca_file&cert_file&key_file", "ca_file&cert_file&key_file&server_name=example.org", seeTLS, "unavailable"},

		"redis://?dial_timeout": {slow, strings.Replace(slow, "dial_timeout=6s", "dial_timeout=50ms", 1), seeFullBacklog, "soon"},
		"redis://?read_timeout": {slow, strings.Replace(slow, "read_timeout=6s", "read_timeout=50ms", 1), seeStall(10), "soon"},
		"redis://?write_timeout": {
			slow + "&max_bytes=100000000", strings.Replace(slow, "write_timeout=6s", "write_timeout=50ms", 1) + "&max_bytes=100000000",
			seeStall(50_000_000), "soon", // more than the buffers of both ends take
		},
		"redis://?pool_timeout": {
			slow + "&pool_size=1", strings.Replace(slow, "pool_timeout=6s", "pool_timeout=50ms", 1) + "&pool_size=1", seeNoConnection, "soon",
		},
		"redis://?pool_size": {patient + "&pipelines=0&pool_size=8", patient + "&pipelines=0&pool_size=1", seeConnections, "has 1 "},
		"redis://?pipelines": {patient, patient + "&pipelines=0", seeConnections, "has 8 "},

		"redis://?replicas":     {"", "replicas", seeReplica, "<nil>"},
		"redis://?wait":         {patient, patient + "&wait=1", seeWait, "unavailable"},
		"redis://?wait_timeout": {slow + "&wait=1&wait_timeout=5s", slow + "&wait=1&wait_timeout=50ms", seeWait, "soon"},

		"redis://?sentinel_user":     {"", sentinel, seeSentinel, "<nil>"},
		"redis://?sentinel_password": {"", sentinel, seeSentinel, "<nil>"},
	} {
		t.Run(param, func(t *testing.T) {
			t.Parallel()
			without, with := e.see(t, e.without), e.see(t, e.with)
			if strings.Contains(without, e.want) || !strings.Contains(with, e.want) {
				t.Errorf("without it: %s\nwith it: %s\nwant %s with it alone", without, with, e.want)
			}
		})
	}
}

// TestOptionsHaveAnEffect is about the options of Stores on a client of the program's own.
func TestOptionsHaveAnEffect(t *testing.T) {
	t.Parallel()
	r := servers.StartRedis(t, nil)
	client := redis.NewClient(&redis.Options{Addr: r.Addr(), ContextTimeoutEnabled: true})
	defer client.Close()
	pool := newPool(t, r.Addr(), 2)
	for option, open := range map[string]func() (store, error){
		"goredis.Options.Prefix":   func() (store, error) { return goredis.New(client, &goredis.Options{Prefix: "a:"}) },
		"redigo.Options.Prefix":    func() (store, error) { return redigo.New(pool, &redigo.Options{Prefix: "b:"}) },
		"goredis.Options.MaxBytes": func() (store, error) { return goredis.New(client, &goredis.Options{MaxBytes: 1000}) },
		"redigo.Options.MaxBytes":  func() (store, error) { return redigo.New(pool, &redigo.Options{MaxBytes: 1000}) },
	} {
		s, err := open()
		must(t, option, err)
		id := newID()
		err = s.Write(t.Context(), id, record(session.Version{1}, strings.Repeat("x", 2000)), session.Version{})
		if strings.HasSuffix(option, "MaxBytes") != errors.Is(err, session.ErrTooLarge) {
			t.Errorf("%s: got error %v", option, err)
		}
		found := 0
		for _, prefix := range []string{"a:", "b:"} {
			found += len(r.Admin().Keys(t.Context(), prefix+string(id.AppendBase64(nil))).Val())
		}
		if strings.HasSuffix(option, "Prefix") != (found == 1) {
			t.Errorf("%s: %d keys have the prefix", option, found)
		}
		_ = s.Close()
	}
}

// created stores a session of so many bytes, and returns the error as a text.
func created(t *testing.T, s store, size int) string {
	return fmt.Sprint(s.Write(t.Context(), newID(), record(session.Version{1}, strings.Repeat("x", size)), session.Version{}))
}

func seeKeys(t *testing.T, params string) string {
	r := servers.StartRedis(t, nil)
	created(t, open(t, withParams(t, r.URL(), params)), 10)
	return fmt.Sprint(r.Admin().Keys(t.Context(), "*").Val())
}

func seeLarge(t *testing.T, params string) string {
	return created(t, open(t, withParams(t, servers.StartRedis(t, nil).URL(), params)), 2000)
}

func seeDatabase(t *testing.T, params string) string {
	r := servers.StartRedis(t, &servers.RedisOptions{Unix: true})
	created(t, open(t, withParams(t, "redis+unix://"+r.Addr(), params)), 10)
	return r.Admin().Info(t.Context(), "keyspace").Val()
}

func seeLogin(t *testing.T, params string) string {
	r := servers.StartRedis(t, &servers.RedisOptions{Password: "s3cret"})
	return fmt.Sprint(open(t, withParams(t, r.UserURL("", "", 0), params)).Ping(t.Context()))
}

// seeTLS uses those of the parameters of a server's URL that are named.
func seeTLS(t *testing.T, params string) string {
	r := servers.StartRedis(t, &servers.RedisOptions{TLS: true, Mutual: strings.Contains(params, "cert") || params == "ca_file" && isCert(t)})
	u, err := url.Parse(r.URL())
	must(t, "parse", err)
	q := u.Query()
	for _, name := range []string{"ca_file", "cert_file", "key_file"} {
		if !strings.Contains(params, name) {
			q.Del(name)
		}
	}
	if _, name, ok := strings.Cut(params, "server_name="); ok {
		q.Set("server_name", name)
	}
	u.RawQuery = q.Encode()
	return fmt.Sprint(open(t, u.String()).Ping(t.Context()))
}

// isCert tells whether the test is about the certificate of the client.
func isCert(t *testing.T) bool {
	return strings.Contains(t.Name(), "cert_file") || strings.Contains(t.Name(), "key_file")
}

// soon tells how long something takes.
func soon(do func() error) string {
	begin := time.Now()
	err := do()
	if took := time.Since(begin); took >= long/2 {
		return fmt.Sprint("late: ", err)
	}
	return fmt.Sprint("soon: ", err)
}

// seeFullBacklog connects to a socket that takes no more connections.
func seeFullBacklog(t *testing.T, params string) string {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	must(t, "socket", err)
	t.Cleanup(func() { _ = syscall.Close(fd) })
	must(t, "bind", syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	must(t, "listen", syscall.Listen(fd, 0))
	name, err := syscall.Getsockname(fd)
	must(t, "getsockname", err)
	in := name.(*syscall.SockaddrInet4)
	for range 4 { // one has room; those after it are not answered
		if c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", in.Port), 200*time.Millisecond); err == nil {
			t.Cleanup(func() { _ = c.Close() })
		}
	}
	s := openAsIs(t, withParams(t, fmt.Sprintf("redis://127.0.0.1:%d", in.Port), params))
	return soon(func() error { return s.Ping(t.Context()) })
}

// seeStall stores so many bytes in a server that has stopped.
func seeStall(size int) func(*testing.T, string) string {
	return func(t *testing.T, params string) string {
		r := servers.StartRedis(t, nil)
		s := openAsIs(t, withParams(t, r.URL(), params))
		must(t, "Ping", s.Ping(t.Context()))
		r.Stop()
		defer r.Continue()
		return soon(func() error { return errors.New(created(t, s, size)) })
	}
}

// seeNoConnection asks while somebody else has the only connection, to a server that has stopped.
func seeNoConnection(t *testing.T, params string) string {
	r := servers.StartRedis(t, nil)
	s := openAsIs(t, withParams(t, r.URL(), params))
	must(t, "Ping", s.Ping(t.Context()))
	r.Stop()
	defer r.Continue()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { created(t, s, 10) })
	time.Sleep(100 * time.Millisecond)
	return soon(func() error { return errors.New(created(t, s, 10)) })
}

// seeConnections counts the connections of many calls at once, to a server that has stopped for a while.
func seeConnections(t *testing.T, params string) string {
	r := servers.StartRedis(t, nil)
	s := openAsIs(t, withParams(t, r.URL(), params))
	r.Stop()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { created(t, s, 10) })
	}
	time.Sleep(500 * time.Millisecond)
	r.Continue()
	wg.Wait()
	clients := strings.Count(r.Admin().ClientList(t.Context()).Val(), "\n") - int(r.Admin().PoolStats().TotalConns)
	return fmt.Sprintf("it has %d connections", clients)
}

func seeReplica(t *testing.T, params string) string {
	_, replica, rawURL := pair(t)
	rawURL, _, _ = strings.Cut(rawURL, "?")
	if params != "" {
		rawURL = withParams(t, rawURL, params+"="+replica.Addr())
	}
	s := open(t, rawURL)
	id := newID()
	must(t, "Write", s.Write(t.Context(), id, record(session.Version{1}, "x"), session.Version{}))
	reader, ok := s.(session.ReplicaReader)
	if !ok {
		return "reads from no replica"
	}
	err := errors.ErrUnsupported
	for begin := time.Now(); err != nil && time.Since(begin) < long; time.Sleep(10 * time.Millisecond) {
		if _, err = reader.ReadReplica(t.Context(), id); errors.Is(err, errors.ErrUnsupported) {
			break
		}
	}
	return fmt.Sprint(err)
}

// seeWait creates a session while the replica has stopped.
func seeWait(t *testing.T, params string) string {
	_, replica, rawURL := pair(t)
	rawURL, _, _ = strings.Cut(rawURL, "?")
	s := openAsIs(t, withParams(t, rawURL, params))
	must(t, "Ping", s.Ping(t.Context()))
	replica.Stop()
	defer replica.Continue()
	return soon(func() error { return errors.New(created(t, s, 10)) })
}

func seeSentinel(t *testing.T, params string) string {
	s := servers.StartRedisSentinel(t, &servers.RedisSentinelOptions{
		Password: "4dmin", SentinelPassword: "s3ntinel", SentinelUsers: []string{"watch on >w4tch " + sentinelPrivilege},
	})
	return fmt.Sprint(open(t, withParams(t, s.URL(), params)).Ping(t.Context()))
}
