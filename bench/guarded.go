package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// guarded is go-redis by hand with what docs/security.md and docs/promises.md ask of each request: an id that is not stored as
// it travels, a time limit for each call, a record whose end and checksum are looked at, no lost update, and headers that keep
// the page out of caches. It tells how much of what Nonstick takes longer than plain commands is their price.
type guarded struct {
	c     *redis.Client
	write *redis.Script
}

func guardedHTTP(e env) (server, error) {
	st := guarded{goredisClient(e), redis.NewScript(guardedWrite)}
	all := rawOps(st, rawID, rawGive)
	all.change = func(x exchange) (int, error) {
		ctx, token := rawID(x)
		return st.change(ctx, token)
	}
	return serveHTTP(all, func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Vary", "Cookie")
			w.Header().Set("Cache-Control", "no-store")
			next.ServeHTTP(w, r)
		})
	}), nil
}

// A record begins with its version, its end in Unix seconds, and the checksum of what follows.
const (
	guardedVersion = 8
	guardedHead    = guardedVersion + 8 + 4
	guardedLimit   = time.Second // of a call
)

// guardedWrite takes the record, its time to live in milliseconds, and the version it replaces, empty for a new session.
const guardedWrite = `local old = redis.call('HMGET', KEYS[1], 'r', 't')
if (old[1] and string.sub(old[1], 1, 8) or '') ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'r', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`

var errGuarded = errors.New("the record is over or damaged")

func (g guarded) key(token string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	sum := sha256.Sum256(raw)
	return base64.URLEncoding.EncodeToString(sum[:]), err
}

// load returns a session and its version.
func (g guarded) load(ctx context.Context, token string) (data []byte, version string, err error) {
	key, err := g.key(token)
	if err != nil {
		return nil, "", err
	}
	ctx, cancel := context.WithTimeout(ctx, guardedLimit)
	defer cancel()
	fields, err := g.c.HMGet(ctx, key, "t", "r").Result()
	if err != nil {
		return nil, "", err
	}
	text, _ := fields[1].(string)
	rec := []byte(text)
	if len(rec) < guardedHead || time.Now().Unix() >= int64(binary.BigEndian.Uint64(rec[guardedVersion:])) ||
		guardedSum(rec[guardedHead:]) != binary.BigEndian.Uint32(rec[guardedHead-4:]) {
		return nil, "", errGuarded
	}
	return rec[guardedHead:], text[:guardedVersion], nil
}

// store reports whether the session had the version that is replaced.
func (g guarded) store(ctx context.Context, token, replaces string, data []byte) (bool, error) {
	key, err := g.key(token)
	if err != nil {
		return false, err
	}
	rec := make([]byte, guardedVersion, guardedHead+len(data))
	_, _ = rand.Read(rec) // never fails
	rec = binary.BigEndian.AppendUint64(rec, uint64(time.Now().Add(ttl).Unix()))
	rec = append(binary.BigEndian.AppendUint32(rec, guardedSum(data)), data...)
	ctx, cancel := context.WithTimeout(ctx, guardedLimit)
	defer cancel()
	return g.write.Run(ctx, g.c, []string{key}, rec, ttl.Milliseconds(), replaces).Bool()
}

func guardedSum(data []byte) uint32 {
	return crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))
}

func (g guarded) change(ctx context.Context, token string) (int, error) {
	for {
		data, version, err := g.load(ctx, token)
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(strings.TrimSpace(string(data[:counter])))
		if err != nil {
			return 0, err
		}
		copy(data, fmt.Appendf(nil, "%*d", counter, n+1))
		if stored, err := g.store(ctx, token, version, data); stored || err != nil {
			return n + 1, err
		}
	}
}

func (g guarded) get(ctx context.Context, token string) ([]byte, error) {
	data, _, err := g.load(ctx, token)
	return data, err
}

func (g guarded) slide(ctx context.Context, token string) ([]byte, error) { return g.get(ctx, token) }

func (g guarded) set(ctx context.Context, token string, data []byte) error {
	_, err := g.store(ctx, token, "", data)
	return err
}

func (g guarded) del(ctx context.Context, token string) error {
	key, err := g.key(token)
	if err != nil {
		return err
	}
	return g.c.Del(ctx, key).Err()
}
