package session_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// Not parallel: it exchanges the default logger.
func TestDefaultObserverWarns(t *testing.T) { //nolint:paralleltest // see above
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	defer slog.SetDefault(before)
	for name, observer := range map[string]session.Observer{"default": nil, "silent": session.Silent{}} {
		log.Reset()
		synctest.Test(t, func(t *testing.T) {
			store := sessiontest.NewFaulty(memstore.New(nil))
			v := newVisitor(t, newManager(t, store, session.Options{Observer: observer}))
			v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
			store.Before(sessiontest.OpRead, -1, sessiontest.Fail)
			for range 40 { // ten seconds of four requests each
				v.do(func(*session.Session) {})
				time.Sleep(250 * time.Millisecond)
			}
		})
		want := map[string]int{"default": 10, "silent": 0}[name]
		if got := strings.Count(log.String(), "\n"); got != want {
			t.Errorf("%s: %d lines, want %d:\n%s", name, got, want, log.String())
		}
	}
}
