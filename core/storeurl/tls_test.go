package storeurl_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/storeurl"
)

// What is wrong with the files of TLS is told without their paths.
func TestTLSRefuses(t *testing.T) {
	t.Parallel()
	garbage := filepath.Join(t.TempDir(), "S3CRET")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]string{
		"ca_file=/S3CRET/none":                          "ca_file cannot be read",
		"ca_file=" + garbage:                            "ca_file holds no certificate",
		"cert_file=" + garbage:                          "cert_file and key_file go together",
		"cert_file=" + garbage + "&key_file=" + garbage: "cert_file and key_file cannot be used",
		"cert_file=/S3CRET/none&key_file=/S3CRET/none":  "cert_file and key_file cannot be used",
		"server_name=a&server_name=b":                   "server_name is given 2 times",
		"server_name=db.example.org&insecure_skip=yes":  "unknown parameter insecure_skip",
	} {
		p := storeurl.New(&url.URL{RawQuery: query})
		p.TLS()
		if err := p.Err(); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: got error %v, want %q", query, err, want)
		}
	}
	p := storeurl.New(&url.URL{RawQuery: "server_name=db.example.org"})
	if c := p.TLS(); c.ServerName != "db.example.org" || c.InsecureSkipVerify || p.Err() != nil {
		t.Errorf("got server name %q, unchecked %v, error %v", c.ServerName, c.InsecureSkipVerify, p.Err())
	}
}
