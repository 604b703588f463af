package storeurl_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/storeurl"
)

func parsePassword(t *testing.T, rawURL string) (storeurl.Password, error) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	p := storeurl.New(u)
	return p.Password(u), p.Err()
}

func TestPassword(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"db://h": "", "db://web@h": "", "db://web:@h?password_file=": "", "db://web:S3CRET@h": "S3CRET", "db://:a%2F%40%25@h": "a/@%",
	} {
		w, err := parsePassword(t, rawURL)
		got, readErr := w.Read()
		if got != want || err != nil || readErr != nil || w.IsZero() != (want == "") {
			t.Errorf("%s: got %q, zero %v, errors %v and %v", rawURL, got, w.IsZero(), err, readErr)
		}
		if text := fmt.Sprintf("%v %+v %#v %s %q %d %x", w, &w, w, w, w, w, []any{w}); want != "" && strings.Contains(text, want) {
			t.Errorf("%s: it shows itself: %s", rawURL, text)
		}
	}
}

// A file is read for each connection, so that its password can be exchanged while the program runs.
func TestPasswordFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "S3CRET")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first\n")
	w, err := parsePassword(t, "db://web@h?password_file="+url.QueryEscape(file))
	if err != nil || w.IsZero() {
		t.Fatalf("zero %v, error %v", w.IsZero(), err)
	}
	for _, text := range []string{"first\n", " second ", "th\nird\r\n"} {
		write(text)
		if got, err := w.Read(); err != nil || got != strings.TrimRight(text, "\r\n") {
			t.Errorf("got %q and error %v, want %q", got, err, text)
		}
	}
	for _, change := range []func(){func() { write("\r\n") }, func() { _ = os.Remove(file) }} {
		change()
		got, err := w.Read()
		var refused *storeurl.PasswordError
		if got != "" || !errors.As(err, &refused) || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("got %q and error %v", got, err)
		}
	}
	if _, err := w.Read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got error %v, want %v", err, fs.ErrNotExist)
	}
}

func TestPasswordRefuses(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"db://w:S3CRET@h?password_file=/S3CRET":  "the URL has a password and a password_file",
		"db://w@h?password_file=/S3CRET":         "password_file cannot be read: no such file",
		"db://w@h?password_file=%00S3CRET":       "password_file cannot be read: invalid argument",
		"db://w@h?password_file=/&password_file": "password_file is given 2 times",
		"db://w@h?password_file=/":               "password_file cannot be read: is a directory",
	} {
		if _, err := parsePassword(t, rawURL); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "S3CRET") {
			t.Errorf("%s: got error %v, want %q", rawURL, err, want)
		}
	}
}
