package life_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/compress"
	"github.com/nonstick-go/nonstick/core/session"
)

// Compression is switched through all methods and back while visitors come: nobody loses his session.
func TestCompressionIsSwitchedUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	way := func(m session.Compressor) session.Options {
		return session.Options{Compression: session.Compression{Method: m, Reads: compress.All()}}
	}
	methods := []session.Compressor{nil, new(session.Gzip), compress.Zstd(), compress.LZ4(), compress.Snappy(), compress.LZF()}
	for i := range nodes {
		s.boot(i, way(nil))
	}
	stop, everyone := make(chan struct{}), new(sync.WaitGroup)
	s.visit(stop, everyone)
	tags := map[byte]bool{}
	for i := range 2*len(methods) - 1 {
		s.roll(way(methods[min(i, 2*len(methods)-2-i)]))
		for _, payload := range s.payloads() {
			if len(payload) > 2 && payload[0] == 0 {
				tags[payload[2]] = true
			}
		}
	}
	close(stop)
	everyone.Wait()
	s.whole(s.payloads())
	if len(tags) != len(methods)-1 {
		t.Errorf("the methods that were met in Redis are %v, want %d", tags, len(methods)-1)
	}
	s.report()
}

// Encryption is begun, its key changed twice, and the visitor's token made a part of it, while visitors come: nobody loses
// his session, and at the end all are encrypted with the last key.
func TestEncryptionIsRotatedUnderLoad(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	key := func(letter string) session.Secret { return session.Secret(strings.Repeat(letter, 32)) }
	a, b, c := key("a"), key("b"), key("c")
	later := time.Now().Add(time.Hour)
	for i := range nodes {
		s.boot(i, session.Options{Compression: session.Compression{Reads: compress.All()}})
	}
	stop, everyone := make(chan struct{}), new(sync.WaitGroup)
	s.visit(stop, everyone)
	last := session.Encryption{Keys: []session.Secret{c}, Token: true}
	for _, e := range []session.Encryption{
		{Keys: []session.Secret{a}, Begin: later, PlainUntil: later.Add(time.Hour)}, // so that all can read what some will write
		{Keys: []session.Secret{a}, PlainUntil: later},
		{Keys: []session.Secret{a}},
		{Keys: []session.Secret{a, b}},
		{Keys: []session.Secret{b, a}},
		{Keys: []session.Secret{b}},
		{Keys: []session.Secret{b, c}},
		{Keys: []session.Secret{c, b}},
		{Keys: []session.Secret{c}},
		last,
	} {
		s.roll(session.Options{Encryption: e, Compression: session.Compression{Method: compress.Zstd()}})
	}
	close(stop)
	everyone.Wait()
	payloads := s.payloads()
	s.whole(payloads)
	for _, payload := range payloads {
		if !session.Sealed(payload) || payload[1] != 2 || payload[2] != 1 || bytes.Contains(payload, []byte("item number")) {
			t.Errorf("a session in Redis is not encrypted with its token: %.40q", payload)
		}
	}
	s.report()
}

// payloads are those of all sessions in Redis. While visitors come, those that are renewed meanwhile may be missing.
func (s *site) payloads() (payloads [][]byte) {
	s.t.Helper()
	admin, ctx := s.redis.Admin(), context.Background()
	for _, key := range admin.Keys(ctx, "*").Val() {
		fields, err := admin.HGetAll(ctx, key).Result()
		if err != nil {
			s.t.Fatal(err)
		}
		for _, value := range fields {
			if rec, err := session.ParseRecord([]byte(value)); err == nil && rec.Successor.IsZero() {
				payloads = append(payloads, rec.Payload)
			}
		}
	}
	return payloads
}

// whole fails the test if these are not the payloads of all visitors, who have gone.
func (s *site) whole(payloads [][]byte) {
	s.t.Helper()
	if len(payloads) != visitors {
		s.t.Errorf("%d sessions in Redis, want %d", len(payloads), visitors)
	}
}

func (s *site) report() {
	total := int64(0)
	for i := range s.rounds {
		total += s.rounds[i].Load()
	}
	s.t.Logf("%d requests of %d visitors", total, visitors)
}

// forged counts tokens that were refused.
type forged struct{ n atomic.Int64 }

func (f *forged) Observe(_ context.Context, e session.Event) {
	if e.Kind == session.EventForged {
		f.n.Add(1)
	}
}

// 20,000 made-up ids make no command and no key in Redis if tokens have a code.
func TestMadeUpTokensNeverReachRedis(t *testing.T) {
	t.Parallel()
	s, heard := newSite(t), new(forged)
	look := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { // the page would store something for newcomers
		if sess, err := session.Get(r.Context()); err != nil || !sess.IsNew() {
			t.Errorf("somebody was let in, or error %v", err)
		}
	})
	m, err := session.New(s.store, session.Options{Observer: heard, GCInterval: -1,
		TokenMAC: session.TokenMAC{Keys: []session.Secret{session.Secret(strings.Repeat("m", 32))}}})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	h := m.Middleware(look)
	before := s.commands()
	const n = 20_000
	for i := range n {
		raw := make([]byte, []int{32, 50}[i%2])
		_, _ = rand.Read(raw) // never fails
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", "__Host-session="+base64.RawURLEncoding.EncodeToString(raw))
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	if got := s.commands() - before; got != 0 {
		t.Errorf("Redis was sent %d commands", got)
	}
	if keys := s.redis.Admin().DBSize(t.Context()).Val(); keys != 0 {
		t.Errorf("Redis has %d keys", keys)
	}
	if got := heard.n.Load(); got != n {
		t.Errorf("the Observer heard of %d, want %d", got, n)
	}
}

// commands is how many commands Redis has run, but for those of this function.
func (s *site) commands() (n int) {
	s.t.Helper()
	info, err := s.redis.Admin().Info(context.Background(), "commandstats").Result()
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(info) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		if !ok || name == "info" || name == "hello" || name == "client" || strings.HasPrefix(name, "client|") || strings.HasPrefix(name, "config") {
			continue
		}
		calls := 0
		for _, digit := range strings.SplitN(rest, ",", 2)[0] {
			calls = calls*10 + int(digit-'0')
		}
		n += calls
	}
	return n
}
