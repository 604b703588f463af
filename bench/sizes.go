package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/compress"
	"github.com/nonstick-go/nonstick/core/session"
)

const rawString = "raw string" // what the others are measured against

// memorySizes are those of the sessions whose memory in Redis is asked for.
func memorySizes() []int { return []int{1 << 10, 4 << 10, 64 << 10} }

// sizes asks Redis what it needs for sessions of several sizes, compressed in several ways, and for a string with the same
// values.
func (b *bench) sizes() error {
	ctx := context.Background()
	db := redis.NewClient(&redis.Options{Addr: b.spare.addr, DB: 1, DisableIdentity: true})
	defer func() { _ = db.Close() }()
	for _, size := range memorySizes() {
		values := prose(size)
		data, err := json.Marshal(values)
		if err != nil {
			return err
		}
		// Under a key of the length of ours, and with a time to live, as ours.
		if err := db.Set(ctx, strings.Repeat("k", len("nonstick:")+44), data, ttl).Err(); err != nil {
			return err
		}
		if err := b.addMemory(ctx, db, rawString, size); err != nil {
			return err
		}
		for _, way := range []struct {
			name   string
			method session.Compressor
		}{
			{"nonstick", nil}, {"gzip", new(session.Gzip)}, {"lz4", compress.LZ4()}, {"snappy", compress.Snappy()}, {"zstd", compress.Zstd()},
		} {
			if err := storeOne(env{redis: b.spare.addr, db: 1}, way.method, values); err != nil {
				return err
			}
			if err := b.addMemory(ctx, db, way.name, size); err != nil {
				return err
			}
		}
	}
	return nil
}

// addMemory asks for the only key there is, and removes it.
func (b *bench) addMemory(ctx context.Context, db *redis.Client, how string, size int) error {
	key, err := db.RandomKey(ctx).Result()
	if err != nil {
		return err
	}
	n, err := db.MemoryUsage(ctx, key).Result()
	if err != nil {
		return err
	}
	b.result.Memory = append(b.result.Memory, MemoryRun{how, size, n})
	return db.FlushDB(ctx).Err()
}

// storeOne stores a session.
func storeOne(e env, method session.Compressor, values map[string]string) error {
	store, err := openGoredisURL(e)
	if err != nil {
		return err
	}
	m, err := session.New(store, session.Options{GCInterval: -1, Compression: session.Compression{Method: method, Threshold: -1}})
	if err != nil {
		return err
	}
	defer func() { _ = m.Close() }()
	return request(m, make(http.Header), make(http.Header), session.Optimistic, func(s *session.Session) error {
		for name, value := range values {
			if err := session.NewKey[string](name).Set(s, value); err != nil {
				return err
			}
		}
		return nil
	})
}

// prose are texts and tokens with which a session has a little less than a size, so that it fits into the same class of
// Redis' allocator as a string does; the same ones each time: words of a vocabulary of 3,000, as often as Zipf says, and a
// token of random letters for each 200 bytes of them.
func prose(size int) map[string]string {
	r := rand.New(rand.NewPCG(1, 2))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = 'a' + byte(r.IntN(26))
		}
		return string(b)
	}
	vocabulary := make([]string, 3000)
	for i := range vocabulary {
		vocabulary[i] = letters(3 + r.IntN(8))
	}
	often := rand.NewZipf(r, 1.1, 1, uint64(len(vocabulary)-1))
	values := map[string]string{"user": userValue}
	for left := size*15/16 - 48; left > 0; {
		var b strings.Builder
		for b.Len() < min(200, left-60) {
			b.WriteString(vocabulary[often.Uint64()] + " ")
		}
		b.WriteString(letters(32))
		values[fmt.Sprintf("text%d", len(values))] = b.String()
		left -= b.Len() + 12
	}
	return values
}
