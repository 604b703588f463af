package memstore_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// TestEveryOptionHasAnEffect stores two sessions of 1,000 bytes. The house rules want each option and parameter to have a line.
func TestEveryOptionHasAnEffect(t *testing.T) {
	t.Parallel()
	open := func(rawURL string) session.Handler {
		h, err := session.Open(t.Context(), rawURL)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	see := func(h session.Handler) (seen string) {
		for n := range byte(2) {
			rec := record(1, time.Hour)
			rec.Payload = make([]byte, 1000)
			seen += fmt.Sprintln(h.Write(t.Context(), session.ID{n}, rec, session.Version{}))
		}
		return seen
	}
	for option, c := range map[string]struct {
		store session.Handler
		want  string
	}{
		"memory://":                    {open("memory://"), "<nil>\n<nil>\n"},
		"memory://?max_bytes":          {open("memory://?max_bytes=999"), session.ErrTooLarge.Error()},
		"memory://?max_sessions":       {open("memory://?max_sessions=1"), "<nil>\n" + session.ErrUnavailable.Error()},
		"memstore.Options.MaxBytes":    {memstore.New(&memstore.Options{MaxBytes: 999}), session.ErrTooLarge.Error()},
		"memstore.Options.MaxSessions": {memstore.New(&memstore.Options{MaxSessions: 1}), "<nil>\n" + session.ErrUnavailable.Error()},
	} {
		if got := see(c.store); len(got) < len(c.want) || got[:len(c.want)] != c.want {
			t.Errorf("%s: got %q, want %q", option, got, c.want)
		}
	}
}
