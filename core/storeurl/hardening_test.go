package storeurl_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/storeurl"
)

func TestUnescapedAmpersandHidesTheValue(t *testing.T) {
	t.Parallel()
	u, _ := url.Parse("redis://h?password=abc&hunter")
	p := storeurl.New(u)
	p.String("password", "")
	if err := p.Err(); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("%v", err)
	}
}

func TestStrictAndStable(t *testing.T) {
	t.Parallel()
	p := storeurl.New(&url.URL{RawQuery: "tls=1"})
	if p.Bool("tls", false); p.Err() == nil {
		t.Error("1 is taken for true, against the documentation")
	}
	if err := storeurl.New(&url.URL{RawQuery: "=x"}).Err(); strings.Contains(err.Error(), "parameter ;") {
		t.Errorf("%q", err)
	}
	first := storeurl.New(&url.URL{RawQuery: "a=&b=&c=&d="}).Err().Error()
	for range 50 {
		if got := storeurl.New(&url.URL{RawQuery: "a=&b=&c=&d="}).Err().Error(); got != first {
			t.Errorf("the order of messages changes")
			break
		}
	}
}
