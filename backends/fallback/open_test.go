package fallback_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	_ "github.com/nonstick-go/nonstick/core/filestore" // file://
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, rawURL := range map[string]string{
		"two":     "fallback://?fast=memory://&durable=file://" + dir + "/a",
		"three":   "fallback://?fast=memory://&durable=file://" + dir + "/b&local=file://" + dir + "/c&require_shared=true",
		"escaped": "fallback://?fast=memory://&durable=" + url.QueryEscape("file://"+dir+"/d?sync=false&lock_wait=1s"),
		"standby": "fallback://?fast=memory://&durable=file://" + dir + "/f&standby=true&serve_unverified=true",
		"slash":   "fallback:///?fast=memory://&durable=file://" + dir + "/e",
	} {
		s, err := fallback.Open(rawURL)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		rec := session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}
		if err := s.Write(t.Context(), session.ID{1}, rec, session.Version{}); err != nil {
			t.Errorf("%s: Write: %v", name, err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("%s: Close: %v", name, err)
		}
	}
}

// What is wrong with a URL is said, and nothing of it that may be a secret.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"fallback://":                "fast and durable",
		"fallback://?fast=memory://": "fast and durable",
		"fallback://?fast=memory://&durable=no://u:s3cret@h/":                           "durable: ",
		"fallback://s3cret@host?fast=memory://&durable=memory://":                       "nothing but parameters",
		"fallback://?fast=memory://&durable=file:///tmp?sync=false&lock_wait=1s":        "%26",
		"fallback://?fast=memory://&durable=memory://&local=redis+cluster://u:s3cret@h": "no backend is registered for redis+cluster",
		"fallback://?fast=memory://&durable=memory://&require_shared=s3cret":            "require_shared must be true or false",
		"fallback://?fast=memory://&durable=memory://&standby=true&require_shared=true": "Standby takes",
		"redis://u:s3cret@h": "fallback://",
	} {
		_, err := fallback.Open(rawURL)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got error %v, want one with %q", rawURL, err, want)
		}
	}
}

func TestStatusHandler(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		durable session.Handler
		local   fallback.Local
		method  string
		code    int
		serves  bool
	}{
		"all is well":            {durable: memstore.New(nil), method: http.MethodGet, code: http.StatusOK, serves: true},
		"no durable store":       {durable: broken(), method: http.MethodGet, code: http.StatusServiceUnavailable},
		"but a local one":        {durable: broken(), local: memstore.New(nil), method: http.MethodGet, code: http.StatusOK, serves: true},
		"a method that it lacks": {durable: memstore.New(nil), method: http.MethodPost, code: http.StatusMethodNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := quiet()
			opts.Local = c.local
			s, err := fallback.New(memstore.New(nil), c.durable, opts)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for range 5 { // so that it is noticed what is away
				_, _ = s.Read(t.Context(), session.ID{1})
			}
			answer := httptest.NewRecorder()
			s.StatusHandler().ServeHTTP(answer, httptest.NewRequest(c.method, "/health", nil))
			if answer.Code != c.code {
				t.Errorf("got status code %d, want %d", answer.Code, c.code)
			}
			var got fallback.Status
			if c.code != http.StatusMethodNotAllowed && (json.Unmarshal(answer.Body.Bytes(), &got) != nil || got.Serves != c.serves) {
				t.Errorf("got %s", answer.Body)
			}
		})
	}
}
