package goredis_test

import (
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for rawURL, want := range map[string]string{
		"redis://:S3CRET@h?unknown=S3CRET":         "unknown parameter unknown; known are",
		"redis://:S3CRET@h?prefix={S3CRET}":        "must not hold braces",
		"redis://:S3CRET@h?max_bytes=999999999999": "MaxBytes must be between",
		"redis+cluster://:S3CRET@h/1":              "no database but 0",
		"redis+sentinel://:S3CRET@h":               "name by which the sentinels know the master",
		"redis:S3CRET":                             "no scheme",
		"redis://:S3/CRET@h":                       "cannot be parsed",
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
