package goredis_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]struct {
		network, addr, user, password string
		db                            int
	}{
		"redis://localhost":                    {"tcp", "localhost:6379", "", "", 0},
		"redis://localhost/":                   {"tcp", "localhost:6379", "", "", 0},
		"redis://:secret@10.0.0.1:7000/3":      {"tcp", "10.0.0.1:7000", "", "secret", 3},
		"redis://web:s%2Fe%40cret@host/15":     {"tcp", "host:6379", "web", "s/e@cret", 15},
		"redis://[::1]:6380":                   {"tcp", "[::1]:6380", "", "", 0},
		"redis://[::1]":                        {"tcp", "[::1]:6379", "", "", 0},
		"rediss://cache.example.com":           {"tcp", "cache.example.com:6379", "", "", 0},
		"redis+unix:///run/redis.sock":         {"unix", "/run/redis.sock", "", "", 0},
		"redis+unix://web:secret@/r.sock?db=2": {"unix", "/r.sock", "web", "secret", 2},
	} {
		u, err := url.Parse(rawURL)
		if err != nil {
			t.Fatalf("%s: %v", rawURL, err)
		}
		o, opts, err := goredis.ParseURL(u)
		if err != nil {
			t.Errorf("%s: %v", rawURL, err)
			continue
		}
		if o.Network != want.network || o.Addr != want.addr || o.Username != want.user || o.Password != want.password || o.DB != want.db {
			t.Errorf("%s: got %s %s, user %q, password %q, database %d", rawURL, o.Network, o.Addr, o.Username, o.Password, o.DB)
		}
		if (o.TLSConfig != nil) != (u.Scheme == "rediss") {
			t.Errorf("%s: TLS is %v", rawURL, o.TLSConfig != nil)
		}
		if opts.Prefix != goredis.DefaultPrefix || opts.MaxBytes != goredis.DefaultMaxBytes {
			t.Errorf("%s: got options %+v", rawURL, opts)
		}
		if !o.ContextTimeoutEnabled || o.MaxRetries != -1 || o.DialerRetries != 1 || o.ReadTimeout != 150*time.Millisecond ||
			o.WriteTimeout != 150*time.Millisecond || o.DialTimeout != 150*time.Millisecond || o.PoolTimeout != 150*time.Millisecond {
			t.Errorf("%s: the client would hang or repeat: %+v", rawURL, o)
		}
	}
}

func TestParseURLParameters(t *testing.T) {
	t.Parallel()
	u, err := url.Parse("redis://h?prefix=shop:&max_bytes=1000&pool_size=7&dial_timeout=1s&read_timeout=2s&write_timeout=3s&pool_timeout=4s")
	if err != nil {
		t.Fatal(err)
	}
	o, opts, err := goredis.ParseURL(u)
	if err != nil {
		t.Fatal(err)
	}
	if opts.Prefix != "shop:" || opts.MaxBytes != 1000 || o.PoolSize != 7 || o.DialTimeout != time.Second ||
		o.ReadTimeout != 2*time.Second || o.WriteTimeout != 3*time.Second || o.PoolTimeout != 4*time.Second {
		t.Errorf("got %+v and %+v", opts, o)
	}
}

func TestOpenRefuses(t *testing.T) {
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
		"redis://:S3CRET@h?prefix={S3CRET}":             "must not hold braces",
		"redis://:S3CRET@h?max_bytes=999999999999":      "MaxBytes must be between",
		"redis://:S3CRET@h?ca_file=S3CRET":              "unknown parameter ca",
		"redis://:S3CRET@h?db=1":                        "unknown parameter db",
		"redis://:S3CRET@h?pool_size=1&pool_size=2":     "pool_size is given 2 times",
		"redis://:S3CRET@h/S3CRET":                      "number of a database",
		"redis://:S3CRET@h/-1":                          "number of a database",
		"redis://:S3CRET@h/1/2":                         "number of a database",
		"redis://S3CRET@h":                              "a user and no password",
		"redis://:S3CRET@":                              "one host",
		"redis://:S3CRET@h:0":                           "one host",
		"redis://:S3CRET@h:70000":                       "one host",
		"redis://:S3CRET@h,i":                           "one host",
		"redis://:S3CRET@h:1,i:2":                       "one host",
		"redis://:S3CRET@h#S3CRET":                      "percent-encoded",
		"redis:S3CRET":                                  "no scheme",
		"redis://:S3/CRET@h":                            "cannot be parsed",
		"redis+unix://:S3CRET@h/sock":                   "absolute path",
		"redis+unix://:S3CRET@":                         "absolute path",
		"redis+unix:///S3CRET?db=x":                     "db must be a whole number",
		"rediss://:S3CRET@h?ca_file=/S3CRET":            "ca_file cannot be read: no such file",
		"rediss://:S3CRET@h?cert_file=/S3CRET":          "go together",
		"rediss://h?cert_file=/S3CRET&key_file=/S3CRET": "cannot be used: no such file",
		"rediss://h?ca_file=" + url.QueryEscape(noPEM):  "ca_file holds no certificate",
		"rediss://h?skip_verify=true":                   "unknown parameter skip_verify",
	} {
		h, err := session.Open(t.Context(), rawURL)
		if err == nil {
			t.Errorf("%s: opened %T", rawURL, h)
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
		if _, _, err = goredis.ParseURL(u); err != nil && strings.Contains(err.Error(), password[:4]) {
			t.Errorf("the error shows the password: %v", err)
		}
	})
}
