package redisstore_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/internal/redisstore"
)

func parse(t testing.TB, rawURL string) *redisstore.Config {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatalf("%s: %v", rawURL, err)
	}
	c, err := redisstore.ParseURL(u)
	if err != nil {
		t.Fatalf("%s: %v", rawURL, err)
	}
	return c
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	const single, cluster, sentinel = redisstore.Single, redisstore.Cluster, redisstore.Sentinel
	for rawURL, want := range map[string]struct {
		topology       redisstore.Topology
		network, addrs string
		user, password string
		master         string
		db             int
	}{
		"redis://localhost":                    {single, "tcp", "localhost:6379", "", "", "", 0},
		"redis://localhost/":                   {single, "tcp", "localhost:6379", "", "", "", 0},
		"redis://:secret@10.0.0.1:7000/3":      {single, "tcp", "10.0.0.1:7000", "", "secret", "", 3},
		"redis://web:s%2Fe%40cret@host/15":     {single, "tcp", "host:6379", "web", "s/e@cret", "", 15},
		"redis://[::1]:6380":                   {single, "tcp", "[::1]:6380", "", "", "", 0},
		"redis://[::1]":                        {single, "tcp", "[::1]:6379", "", "", "", 0},
		"rediss://cache.example.com":           {single, "tcp", "cache.example.com:6379", "", "", "", 0},
		"redis+unix:///run/redis.sock":         {single, "unix", "/run/redis.sock", "", "", "", 0},
		"redis+unix://web:secret@/r.sock?db=2": {single, "unix", "/r.sock", "web", "secret", "", 2},

		"redis+cluster://a":                          {cluster, "tcp", "a:6379", "", "", "", 0},
		"redis+cluster://web:secret@a:7000,b,c:1/0":  {cluster, "tcp", "a:7000 b:6379 c:1", "web", "secret", "", 0},
		"rediss+cluster://cfg.example.com:6379/":     {cluster, "tcp", "cfg.example.com:6379", "", "", "", 0},
		"redis+cluster://[::1]:7000":                 {cluster, "tcp", "[::1]:7000", "", "", "", 0},
		"redis+sentinel://a/mymaster":                {sentinel, "tcp", "a:26379", "", "", "mymaster", 0},
		"rediss+sentinel://:secret@a,b:1,c:2/main/3": {sentinel, "tcp", "a:26379 b:1 c:2", "", "secret", "main", 3},
	} {
		c := parse(t, rawURL)
		password, _ := c.Password.Read() // it is in the URL
		if c.Topology != want.topology || c.Network != want.network || strings.Join(c.Addrs, " ") != want.addrs || c.User != want.user ||
			password != want.password || c.Master != want.master || c.DB != want.db {
			t.Errorf("%s: got %+v", rawURL, c)
		}
		if (c.TLS != nil) != strings.HasPrefix(rawURL, "rediss") {
			t.Errorf("%s: TLS is %v", rawURL, c.TLS != nil)
		}
		if c.Options != (redisstore.Options{Prefix: redisstore.DefaultPrefix, MaxBytes: redisstore.DefaultMaxBytes, Pipelines: 2}) {
			t.Errorf("%s: got options %+v", rawURL, c.Options)
		}
		for _, d := range []time.Duration{c.DialTimeout, c.ReadTimeout, c.WriteTimeout, c.PoolTimeout} {
			if d != 150*time.Millisecond {
				t.Errorf("%s: a timeout is %v by default", rawURL, d)
			}
		}
	}
}

func TestParseURLReplicas(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]struct {
		addrs string
		read  bool
		wait  int
	}{
		"redis://h":                             {"", false, 0},
		"redis://h?replicas=a,b:1,[::1]&wait=2": {"a:6379 b:1 [::1]:6379", true, 2},
		"redis+cluster://h?replicas=true":       {"", true, 0},
		"redis+cluster://h?replicas=false":      {"", false, 0},
		"redis+sentinel://h/m?replicas=true":    {"", true, 0},
		"redis://h?read_timeout=10ms":           {"", false, 0}, // there is no wait to be shorter
	} {
		c := parse(t, rawURL)
		if strings.Join(c.ReplicaAddrs, " ") != want.addrs || c.Replicas != want.read || c.Wait != want.wait || c.WaitTimeout != 100*time.Millisecond {
			t.Errorf("%s: got %+v", rawURL, c)
		}
	}
}

func TestParseURLParameters(t *testing.T) {
	t.Parallel()
	c := parse(t, "rediss+sentinel://h/m?prefix=shop:&max_bytes=1000&pipelines=3&pool_size=7&dial_timeout=1s&read_timeout=2s&write_timeout=3s&pool_timeout=4s"+
		"&sentinel_user=watch&sentinel_password=s%26ecret&server_name=redis.example.com")
	if c.Options != (redisstore.Options{Prefix: "shop:", MaxBytes: 1000, Pipelines: 3}) || c.PoolSize != 7 || c.DialTimeout != time.Second ||
		c.ReadTimeout != 2*time.Second || c.WriteTimeout != 3*time.Second || c.PoolTimeout != 4*time.Second ||
		c.SentinelUser != "watch" || c.SentinelPassword != "s&ecret" || c.TLS.ServerName != "redis.example.com" {
		t.Errorf("got %+v", c)
	}
	if none := parse(t, "redis://h?pipelines=0"); none.Options.Pipelines >= 0 {
		t.Errorf("pipelines=0: got %+v", none.Options)
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	noPEM := filepath.Join(t.TempDir(), "no-pem-S3CRET")
	if err := os.WriteFile(noPEM, []byte("S3CRET"), 0o600); err != nil {
		t.Fatal(err)
	}
	for rawURL, want := range map[string]string{
		"redis://:S3CRET@h?unknown=S3CRET":              "unknown parameter unknown; known are",
		"redis://:S3CRET@h?read_timeout=S3CRET":         "read_timeout must be a positive duration",
		"redis://:S3CRET@h?pool_size=0":                 "pool_size must be a whole number",
		"redis://:S3CRET@h?prefix=":                     "prefix must not be empty",
		"redis://:S3CRET@h?ca_file=S3CRET":              "unknown parameter ca",
		"redis://:S3CRET@h?db=1":                        "unknown parameter db",
		"redis://:S3CRET@h?pool_size=1&pool_size=2":     "pool_size is given 2 times",
		"redis://:S3CRET@h/S3CRET":                      "number of a database",
		"redis://:S3CRET@h/-1":                          "number of a database",
		"redis://:S3CRET@h/1/2":                         "number of a database",
		"redis://S3CRET@h":                              "a user and no password",
		"redis://:S3CRET@":                              "must name",
		"redis://:S3CRET@h:0":                           "must name",
		"redis://:S3CRET@h:70000":                       "must name",
		"redis+cluster://:S3CRET@h/1":                   "no database but 0",
		"redis+cluster://:S3CRET@h,":                    "must name a host",
		"redis+cluster://:S3CRET@h:1,i:70000":           "must name a host",
		"redis+cluster://S3CRET@h":                      "a user and no password",
		"redis+cluster://:S3CRET@h?sentinel_user=a":     "unknown parameter sentinel_user",
		"redis+sentinel://:S3CRET@h":                    "name by which the sentinels know the master",
		"redis+sentinel://:S3CRET@h/m/S3CRET":           "number of a database",
		"redis+sentinel://h/m?sentinel_user=S3CRET":     "no sentinel_password",
		"redis+unix://:S3CRET@/s?server_name=x":         "unknown parameter server_name",
		"redis://:S3CRET@h?replicas=S3CRET:x":           "replicas must be hosts",
		"redis://:S3CRET@h?replicas=a,,b":               "replicas must be hosts",
		"redis+unix://:S3CRET@/s?replicas=a":            "replicas cannot be told for a socket",
		"redis+cluster://:S3CRET@h?replicas=S3CRET":     "replicas must be",
		"redis://:S3CRET@h?wait=1&wait_timeout=1us":     "wait_timeout must be at least 1ms",
		"redis://:S3CRET@h?wait=-1":                     "wait must be a whole number",
		"redis://:S3CRET@h?wait=1&read_timeout=100ms":   "wait_timeout must be shorter than read_timeout",
		"redis://:S3CRET@h?password_file=S3CRET":        "a password and a password_file",
		"redis://h?password_file=/S3CRET":               "password_file cannot be read: no such file",
		"redis://:S3CRET@h,i":                           "must name",
		"redis://:S3CRET@h:1,i:2":                       "must name",
		"redis://:S3CRET@h#S3CRET":                      "percent-encoded",
		"redis+unix://:S3CRET@h/sock":                   "absolute path",
		"redis+unix://:S3CRET@":                         "absolute path",
		"redis+unix:///S3CRET?db=x":                     "db must be a whole number",
		"rediss://:S3CRET@h?ca_file=/S3CRET":            "ca_file cannot be read: no such file",
		"rediss://:S3CRET@h?cert_file=/S3CRET":          "go together",
		"rediss://h?cert_file=/S3CRET&key_file=/S3CRET": "cannot be used: no such file",
		"rediss://h?ca_file=" + url.QueryEscape(noPEM):  "ca_file holds no certificate",
		"rediss://h?skip_verify=true":                   "unknown parameter skip_verify",
	} {
		u, err := url.Parse(rawURL)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = redisstore.ParseURL(u); err == nil {
			t.Errorf("%s: is accepted", rawURL)
			continue
		}
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %q, want %q", rawURL, err, want)
		}
		if strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: the error shows the secret: %v", rawURL, err)
		}
	}
}

// FuzzParseURL mangles a URL around its password. No error may show the password, and what is accepted must be usable.
func FuzzParseURL(f *testing.F) {
	for _, rest := range []string{"h", "h:1/2", "h?prefix=x", "/sock?db=1", "h?a=b&c#d", "h/%zz", "[::1", "h:port", "\x00", "a@b", "?@"} {
		f.Add("redis", "web", rest)
		f.Add("rediss", "", rest)
		f.Add("redis+unix", "a/b", rest)
		f.Add("redis+cluster", "", rest)
		f.Add("rediss+sentinel", "", rest)
	}
	const password = "P4s:w0rd" // cannot be the name of a parameter, a port or a host
	f.Fuzz(func(t *testing.T, scheme, user, rest string) {
		if strings.Contains(scheme+user+rest, password[:4]) {
			return
		}
		rawURL := scheme + "://" + user + ":" + password + "@" + rest
		u, err := url.Parse(rawURL)
		if err != nil {
			return // session.Open shows nothing of it
		}
		if _, err = redisstore.ParseURL(u); err != nil && strings.Contains(err.Error(), password[:4]) {
			t.Errorf("the error shows the password: %v", err)
		}
	})
}
