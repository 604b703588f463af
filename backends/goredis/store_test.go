package goredis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
)

var (
	_ session.Handler = (*goredis.Store)(nil)
	_ session.Toucher = (*goredis.Store)(nil)
	_ session.Pinger  = (*goredis.Store)(nil)

	_ goredis.Client = (redis.UniversalClient)(nil)
	_ goredis.Client = (*redis.AutoPipeliner)(nil)
)

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	good := redis.NewClient(&redis.Options{Addr: nobody, ContextTimeoutEnabled: true})
	defer good.Close()
	cluster := func(o redis.ClusterOptions) goredis.Client {
		o.Addrs = []string{nobody}
		c := redis.NewClusterClient(&o)
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	unbounded := redis.NewClient(&redis.Options{Addr: nobody})
	defer unbounded.Close()
	ring := redis.NewRing(&redis.RingOptions{Addrs: map[string]string{"a": nobody}})
	defer ring.Close()
	for name, c := range map[string]struct {
		client goredis.Client
		opts   *goredis.Options
		want   string // in the error; "" for none
	}{
		"good":              {good, nil, ""},
		"cluster":           {cluster(redis.ClusterOptions{ContextTimeoutEnabled: true}), nil, ""},
		"no client":         {nil, nil, "the client is nil"},
		"no deadlines":      {unbounded, nil, "set ContextTimeoutEnabled: true"},
		"cluster without":   {cluster(redis.ClusterOptions{}), nil, "set ContextTimeoutEnabled: true"},
		"ring without":      {ring, nil, "set ContextTimeoutEnabled: true"},
		"replicas":          {cluster(redis.ClusterOptions{ContextTimeoutEnabled: true, ReadOnly: true}), nil, "reads from replicas"},
		"nearest":           {cluster(redis.ClusterOptions{ContextTimeoutEnabled: true, RouteByLatency: true}), nil, "reads from replicas"},
		"hash tag":          {good, &goredis.Options{Prefix: "{a}"}, "must not hold braces"},
		"MaxBytes negative": {good, &goredis.Options{MaxBytes: -1}, "MaxBytes must be between"},
		"MaxBytes huge":     {good, &goredis.Options{MaxBytes: 1 << 30}, "MaxBytes must be between"},
	} {
		s, err := goredis.New(c.client, c.opts)
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: got %v and error %v, want %q", name, s, err, c.want)
		}
	}
}

// nobody is an address where nobody listens.
const nobody = "127.0.0.1:1"

// A Store that cannot reach its server still knows what needs no server.
func TestWithoutServer(t *testing.T) {
	t.Parallel()
	h, err := session.Open(t.Context(), "redis://"+nobody+"?max_bytes=1000")
	if err != nil {
		t.Fatal(err)
	}
	store := h.(*goredis.Store)
	alive := session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}
	over, large := alive, alive
	over.TTL = -time.Hour
	large.Payload = make([]byte, 1000)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancel := context.WithDeadline(t.Context(), time.Now())
	defer cancel()
	read := func(ctx context.Context) error { _, err := store.Read(ctx, session.ID{1}); return err }
	write := func(rec session.Record) error { return store.Write(t.Context(), session.ID{1}, rec, session.Version{}) }

	for name, c := range map[string]struct{ got, want error }{
		"write past deadline": {write(over), session.ErrNotFound},
		"touch past deadline": {store.Touch(t.Context(), session.ID{1}, over), session.ErrNotFound},
		"write too large":     {write(large), session.ErrTooLarge},
		"write":               {write(alive), session.ErrUnavailable},
		"touch":               {store.Touch(t.Context(), session.ID{1}, alive), session.ErrUnavailable},
		"read":                {read(t.Context()), session.ErrUnavailable},
		"destroy":             {store.Destroy(t.Context(), session.ID{1}), session.ErrUnavailable},
		"ping":                {store.Ping(t.Context()), session.ErrUnavailable},
		"cancelled":           {read(cancelled), session.ErrUnavailable},
		"cancelled, cause":    {read(cancelled), context.Canceled},
		"late":                {read(late), session.ErrUnavailable},
		"late, cause":         {read(late), context.DeadlineExceeded},
	} {
		if !errors.Is(c.got, c.want) {
			t.Errorf("%s: got error %v, want %v", name, c.got, c.want)
		}
	}
	if n, err := store.GC(t.Context(), 10); n != 0 || err != nil {
		t.Errorf("GC: got %d, %v", n, err)
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	h, err := session.Open(t.Context(), "redis://"+nobody)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: nobody, ContextTimeoutEnabled: true})
	shared, err := goredis.New(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	orphan, err := goredis.New(client, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []*goredis.Store{h.(*goredis.Store), shared} {
		for range 2 {
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		_, gcErr := s.GC(t.Context(), 1)
		for name, err := range map[string]error{
			"Write": s.Write(t.Context(), session.ID{}, session.Record{}, session.Version{}), "Touch": s.Touch(t.Context(), session.ID{}, session.Record{}),
			"Destroy": s.Destroy(t.Context(), session.ID{}), "Ping": s.Ping(t.Context()), "GC": gcErr,
		} {
			if !errors.Is(err, session.ErrClosed) {
				t.Errorf("%s after Close: got error %v", name, err)
			}
		}
	}
	if _, err := orphan.Read(t.Context(), session.ID{}); !errors.Is(err, session.ErrUnavailable) {
		t.Errorf("Read while another Store of the client is closed: got error %v, want %v", err, session.ErrUnavailable)
	}
	if err := client.Close(); err != nil {
		t.Errorf("a Store has closed the caller's client: %v", err)
	}
	if _, err := orphan.Read(t.Context(), session.ID{}); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Read with a closed client: got error %v, want %v", err, session.ErrClosed)
	}
}
