package fallback_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/core/filestore"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
)

func init() { session.Register("away", "a test", openAway) }

func openAway(context.Context, *url.URL) (session.Handler, error) { return away{broken()}, nil }

// away never answers, and could list its sessions.
type away struct{ *sessiontest.Faulty }

func (away) List(context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) { yield(session.ID{}, session.ErrUnavailable) }
}

// effect is what an option changes. Each side opens the store without it or with it; {f}, {d} and {l} are folders.
type effect struct {
	without, with opener
	see           func(t *testing.T, s *fallback.Store, folders string) string
	want          string // is seen with the option, and not without it
}

type opener func(t *testing.T, folders string) (*fallback.Store, error)

func at(params string) opener {
	return func(_ *testing.T, folders string) (*fallback.Store, error) {
		return fallback.Open("fallback://?" + strings.NewReplacer("{f}", "file://"+folders+"/f", "{d}", "file://"+folders+"/d",
			"{l}", "file://"+folders+"/l").Replace(params))
	}
}

func by(fast, durable func() session.Handler, o fallback.Options) opener {
	return func(*testing.T, string) (*fallback.Store, error) {
		if o.Logger == nil {
			o.Logger = quiet().Logger
		}
		return fallback.New(fast(), durable(), &o)
	}
}

// TestEveryOptionHasAnEffect sets each option there is, and looks for what it changes. The house rules want a line of each.
func TestEveryOptionHasAnEffect(t *testing.T) {
	t.Parallel()
	type options = fallback.Options
	memory := func() session.Handler { return memstore.New(nil) }
	gone := func() session.Handler { return away{broken()} }
	var lines, calls atomic.Int32
	heard := func(n *atomic.Int32) func(*testing.T, *fallback.Store, string) string {
		return func(t *testing.T, s *fallback.Store, _ string) string {
			stored(t, s)
			if err := s.Close(); err != nil { // which waits for those who are told
				t.Error(err)
			}
			return fmt.Sprint("heard: ", n.Load() > 0)
		}
	}
	for option, e := range map[string]effect{
		"fallback://?fast":           {at("fast=memory://&durable=memory://&standby=true"), at("fast={f}&durable=memory://&standby=true"), inFolder("f"), "true"},
		"fallback://?durable":        {at("fast=memory://&durable=memory://"), at("fast=memory://&durable={d}"), inFolder("d"), "true"},
		"fallback://?local":          {at("fast=memory://&durable=away://"), at("fast=memory://&durable=away://&local={l}"), seeStored, "<nil>"},
		"fallback.Options.Local":     {by(memory, gone, options{}), by(memory, gone, options{Local: memstore.New(nil)}), seeStored, "<nil>"},
		"fallback://?standby":        {at("fast=memory://&durable={d}"), at("fast=memory://&durable={d}&standby=true"), inFolder("d"), "false"},
		"fallback.Options.Mode":      {at("fast=memory://&durable={d}"), standbyOn, inFolder("d"), "false"},
		"fallback.Options.Logger":    {by(memory, gone, options{}), by(memory, gone, options{Logger: slog.New(counter{&lines})}), heard(&lines), "true"},
		"fallback.Options.Observe":   {by(memory, gone, options{}), by(memory, gone, options{Observe: func(fallback.Event) { calls.Add(1) }}), heard(&calls), "true"},
		"fallback://?require_shared": {at("fast=away://&durable=away://&local={l}"), at("fast=away://&durable=away://&local={l}&require_shared=true"), seeStored, "unavailable"},
		"fallback.Options.RequireShared": {
			by(gone, gone, options{Local: memstore.New(nil)}), by(gone, gone, options{Local: memstore.New(nil), RequireShared: true}), seeStored, "unavailable",
		},
		"fallback://?serve_unverified":     {onUsed("standby=true"), onUsed("standby=true&serve_unverified=true"), seeUsed, "<nil>"},
		"fallback.Options.ServeUnverified": {onUsed("standby=true"), unverifiedOnUsed, seeUsed, "<nil>"},
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			var seen [2]string
			for i, open := range []opener{e.without, e.with} {
				folders := t.TempDir()
				synctest.Test(t, func(t *testing.T) {
					s, err := open(t, folders)
					if err != nil {
						t.Fatal(err)
					}
					seen[i] = e.see(t, s, folders)
					_ = s.Close()
				})
			}
			if strings.Contains(seen[0], e.want) || !strings.Contains(seen[1], e.want) {
				t.Errorf("without it: %s\nwith it: %s\nwant %s with it alone", seen[0], seen[1], e.want)
			}
		})
	}
}

// counter is a handler of a logger that counts lines.
type counter struct{ n *atomic.Int32 }

func (c counter) Enabled(context.Context, slog.Level) bool  { return true }
func (c counter) Handle(context.Context, slog.Record) error { c.n.Add(1); return nil }
func (c counter) WithAttrs([]slog.Attr) slog.Handler        { return c }
func (c counter) WithGroup(string) slog.Handler             { return c }

func alive() session.Record {
	return session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}
}

// stored creates a session, for which a node takes its time until it has noticed what is away.
func stored(t *testing.T, s *fallback.Store) (id session.ID, err error) {
	for id[0] = 1; id[0] < 100; id[0]++ {
		if err = s.Write(t.Context(), id, alive(), session.Version{}); err == nil {
			break
		}
		time.Sleep(time.Second)
	}
	return id, err
}

func seeStored(t *testing.T, s *fallback.Store, _ string) string {
	_, err := stored(t, s)
	return fmt.Sprint("stored: ", err)
}

// inFolder tells whether one of the stores is in a folder, and has what was stored.
func inFolder(name string) func(*testing.T, *fallback.Store, string) string {
	return func(t *testing.T, s *fallback.Store, folders string) string {
		id, err := stored(t, s)
		if err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		f, err := filestore.New(folders+"/"+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		_, err = f.Read(t.Context(), id)
		return fmt.Sprint("it is there: ", err == nil)
	}
}

func standbyOn(_ *testing.T, folders string) (*fallback.Store, error) {
	durable, err := filestore.New(folders+"/d", nil)
	if err != nil {
		return nil, err
	}
	return fallback.New(memstore.New(nil), durable, &fallback.Options{Mode: fallback.Standby, Logger: quiet().Logger})
}

// use stores a session in the fast store of a node that ends.
func use(t *testing.T, folders string) {
	s, err := at("fast={f}&durable=memory://&standby=true")(t, folders)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Write(t.Context(), session.ID{1}, alive(), session.Version{}); err != nil {
		t.Error(err)
	}
}

// onUsed opens a node that has begun while the durable store is away.
func onUsed(params string) opener {
	return func(t *testing.T, folders string) (*fallback.Store, error) {
		use(t, folders)
		return at("fast={f}&durable=away://&"+params)(t, folders)
	}
}

func unverifiedOnUsed(t *testing.T, folders string) (*fallback.Store, error) {
	use(t, folders)
	fast, err := filestore.New(folders+"/f", nil)
	if err != nil {
		return nil, err
	}
	return fallback.New(fast, away{broken()}, &fallback.Options{Mode: fallback.Standby, ServeUnverified: true, Logger: quiet().Logger})
}

func seeUsed(t *testing.T, s *fallback.Store, _ string) string {
	_, err := s.Read(t.Context(), session.ID{1})
	return fmt.Sprint("served: ", err)
}
