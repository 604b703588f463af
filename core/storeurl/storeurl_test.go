package storeurl_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/storeurl"
)

// config is what a backend might read.
type config struct {
	prefix string
	tls    bool
	db     int
	wait   time.Duration
}

func read(u *url.URL) (config, error) {
	p := storeurl.New(u)
	c := config{p.String("prefix", "s:"), p.Bool("tls", false), p.Int("db", 7, -1), p.Duration("wait", time.Second)}
	return c, p.Err()
}

func TestParams(t *testing.T) {
	t.Parallel()
	defaults := config{"s:", false, 7, time.Second}
	for _, c := range []struct {
		query string
		want  config
		errs  []string // parts of the error; nil for none
	}{
		{"", defaults, nil},
		{"&&", defaults, nil},
		{"prefix=a%26b+c&tls=true&db=3&wait=150ms", config{"a&b c", true, 3, 150 * time.Millisecond}, nil},
		{"prefix=", config{"", false, 7, time.Second}, nil}, // empty is a value
		{"tls=false&db=-1&wait=1h2m", config{"s:", false, -1, 62 * time.Minute}, nil},
		{"db=0", config{"s:", false, 0, time.Second}, nil},
		{"tls=yes", config{}, []string{"tls must be true or false"}},
		{"tls=", config{}, []string{"tls must be"}},
		{"tls", config{}, []string{"tls must be"}},
		{"db=-2", config{}, []string{"db must be a whole number of at least -1"}},
		{"db=1.5", config{}, []string{"db must be"}},
		{"db=0x10", config{}, []string{"db must be"}},
		{"db=", config{}, []string{"db must be"}},
		{"db=99999999999999999999", config{}, []string{"db must be"}},
		{"wait=0", config{}, []string{"wait must be a positive duration such as 150ms"}},
		{"wait=-1s", config{}, []string{"wait must be"}},
		{"wait=5", config{}, []string{"wait must be"}},
		{"wait=300000h", config{}, nil}, // 34 years
		{"wait=3000000h", config{}, []string{"wait must be"}},
		{"db=1&db=1", config{}, []string{"db is given 2 times"}},
		{"db=1&db=2&db=3", config{}, []string{"db is given 3 times"}},
		{"dbb=1", config{}, []string{"unknown parameter dbb; known are: db, prefix, tls, wait"}},
		{"DB=1", config{}, []string{"unknown parameter; known are: db"}},
		{"x=1&wait=x&tls=2", config{}, []string{"unknown parameter x", "wait must be", "tls must be"}},
		{strings.Repeat("a", 200) + "=1", config{}, []string{"unknown parameter " + strings.Repeat("a", 40) + ";"}},
		{"db=1;tls=true", config{}, []string{"malformed"}},
		{"db=%zz", config{}, []string{"malformed"}},
		{"db=1&%", config{}, []string{"malformed"}},
	} {
		got, err := read(&url.URL{RawQuery: c.query})
		if (err == nil) != (c.errs == nil) {
			t.Errorf("%q: error %v", c.query, err)
			continue
		}
		if err == nil && c.want != (config{}) && got != c.want {
			t.Errorf("%q: got %+v, want %+v", c.query, got, c.want)
		}
		for _, want := range c.errs {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v\nwithout %q", c.query, err, want)
			}
		}
	}
}

// Err may be asked twice, and a URL without a query has no errors whatever is asked.
func TestErrIsStable(t *testing.T) {
	t.Parallel()
	p := storeurl.New(&url.URL{RawQuery: "db=x&other=1"})
	p.Int("db", 0, 0)
	first, second := p.Err(), p.Err()
	if first == nil || second == nil || first.Error() != second.Error() {
		t.Errorf("first %v, then %v", first, second)
	}
	if err := storeurl.New(&url.URL{}).Err(); err != nil {
		t.Error(err)
	}
}

// The URL that a Params was made of is the caller's and stays as it is.
func TestURLIsNotChanged(t *testing.T) {
	t.Parallel()
	u := &url.URL{Scheme: "x", RawQuery: "db=1&db=2&y=z"}
	before := u.String()
	if _, err := read(u); err == nil || u.String() != before {
		t.Errorf("%s became %s", before, u)
	}
}

const secret = "Tr0ub4dor"

// FuzzParams puts a secret into the value of any parameter: no error shows it.
func FuzzParams(f *testing.F) {
	for _, name := range []string{"prefix", "tls", "db", "wait", "password", "", "db=1&db", "%zz&db", "a;b", "tls=1&wait"} {
		f.Add(name, "", "")
		f.Add(name, "x&y=", ";%zz")
	}
	f.Fuzz(func(t *testing.T, name, before, after string) {
		for _, query := range []string{
			name + "=" + url.QueryEscape(before+secret+after), // as it should be written
			name + "=" + before + secret + after,              // and as people write it
		} {
			if strings.Count(query, secret) != 1 || strings.Contains(name, "Tr0") {
				return // the fuzzer has learnt the secret
			}
			c, err := read(&url.URL{RawQuery: query})
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Fatalf("%q: %v", query, err)
			}
			if err == nil && (c.db < -1 || c.wait <= 0) {
				t.Fatalf("%q: accepted as %+v", query, c)
			}
		}
	})
}
