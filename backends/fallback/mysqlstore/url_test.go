package mysqlstore_test

import (
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
)

// Whatever is wrong with a URL, the error does not show its password.
func FuzzOpen(f *testing.F) {
	for _, rest := range []string{"h/d", "h:1/d", "h/d?table=x", "/sock?db=d", "h?a=b&c#d", "h/%zz", "[::1", "h:port", "\x00", "a@b", "?@"} {
		f.Add("mysql", "web", rest)
		f.Add("mysqls", "", rest)
		f.Add("mysql+unix", "a/b", rest)
	}
	const password = "P4s:w0rd" // cannot be the name of a parameter, a port or a host
	f.Fuzz(func(t *testing.T, scheme, user, rest string) {
		if strings.Contains(scheme+user+rest, password[:4]) {
			return
		}
		s, err := mysqlstore.Open(scheme + "://" + user + ":" + password + "@" + rest)
		if err == nil {
			err = s.Close()
		}
		if err != nil && strings.Contains(err.Error(), password[:4]) {
			t.Errorf("the error shows the password: %v", err)
		}
	})
}
