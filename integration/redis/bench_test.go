package redis_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// bench is a session in a Store and the same bytes in a string, with one client for both.
type bench struct {
	client *redis.Client
	store  store
	id     session.ID
	rec    session.Record
	data   []byte // the record, encoded
}

const plainKey = "plain:0123456789012345678901234567890123456789012345678901234567890123456789"

func newBench(t testing.TB, size int) *bench {
	r := servers.StartRedis(t, nil)
	client := redis.NewClient(&redis.Options{Addr: r.Addr(), ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	store, err := goredis.New(client, nil)
	must(t, "New", err)
	b := &bench{client: client, store: store, id: newID(), rec: record(session.Version{1}, strings.Repeat("x", size))}
	b.data = session.AppendRecord(nil, &b.rec)
	ctx := context.WithoutCancel(t.Context())
	must(t, "create", store.Write(ctx, b.id, b.rec, session.Version{}))
	must(t, "SET", client.Set(ctx, plainKey, b.data, time.Hour).Err())
	return b
}

// trivial is the shortest script that stores a record.
var trivial = redis.NewScript("redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return 1")

// calls are pairs of a Store's call and the plain command that moves the same bytes.
func (b *bench) calls(ctx context.Context) map[string]func() error {
	var n ticks
	n.last.Store(1 << 60)
	keys := []string{plainKey}
	return map[string]func() error{
		"read/store":    func() error { _, err := b.store.Read(ctx, b.id); return err },
		"read/GET":      func() error { return b.client.Get(ctx, plainKey).Err() },
		"write/EVALSHA": func() error { return trivial.Run(ctx, b.client, keys, b.data, 3_600_000).Err() },
		"write/store": func() error {
			next := b.rec
			next.Version = n.next()
			err := b.store.Write(ctx, b.id, next, b.rec.Version)
			b.rec.Version = next.Version
			return err
		},
		"touch/store":   func() error { return b.store.Touch(ctx, b.id, b.rec) },
		"touch/PEXPIRE": func() error { return b.client.PExpire(ctx, plainKey, time.Hour).Err() },
	}
}

func BenchmarkStore(b *testing.B) {
	for _, size := range []int{256, 1024, 4096} {
		for name, call := range newBench(b, size).calls(b.Context()) {
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					must(b, name, call())
				}
			})
		}
	}
}

// What a Store allocates on top of the plain commands of go-redis.
func TestAllocations(t *testing.T) { // not parallel: others allocate, too
	calls := newBench(t, 1024).calls(t.Context())
	allocs := func(name string) float64 {
		return testing.AllocsPerRun(200, func() { must(t, name, calls[name]()) })
	}
	for _, c := range []struct {
		verb, plain string
		most        float64 // beyond the plain command
	}{
		{"read", "GET", 5}, // 4, and one more under the race detector
		{"write", "EVALSHA", 0},
		{"touch", "PEXPIRE", 3},
	} {
		plain, store := allocs(c.verb+"/"+c.plain), allocs(c.verb+"/store")
		t.Logf("%s: the Store allocates %v times, %s %v times", c.verb, store, c.plain, plain)
		if store > plain+c.most {
			t.Errorf("%s: the Store allocates %v times, %s %v times", c.verb, store, c.plain, plain)
		}
	}
}
