package session_test

import (
	"bytes"
	"context"
	"fmt"
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
	log.Reset()
	synctest.Test(t, func(t *testing.T) { // what only an operator can mend is said every ten seconds, whatever fails
		store := sessiontest.NewFaulty(memstore.New(nil))
		v := newVisitor(t, newManager(t, store, session.Options{}))
		v.do(func(s *session.Session) { _ = user.Set(s, "ann") })
		refuse := func(context.Context) error {
			return fmt.Errorf("%w: %w: wrong password", session.ErrUnavailable, session.ErrMisconfigured)
		}
		store.Before(sessiontest.OpRead, -1, refuse)
		store.Before(sessiontest.OpWrite, -1, refuse)
		calls := store.Calls(sessiontest.OpRead)
		for range 80 {
			v.do(func(*session.Session) {})
			newVisitor(t, v.m).do(func(s *session.Session) { _ = user.Set(s, "bob") })
			time.Sleep(250 * time.Millisecond)
		}
		if n := store.Calls(sessiontest.OpRead) - calls; n != 80 {
			t.Errorf("%d calls for 80 requests: none should be repeated", n)
		}
	})
	if got := strings.Count(log.String(), "\n"); got != 2 || strings.Count(log.String(), "misconfigured") != 2 {
		t.Errorf("%d lines in 20 seconds, want 2:\n%s", got, log.String())
	}
}
