package redis_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// Many visitors at once share the round trips to each node of a cluster, unless the URL says that none are shared.
func testPipelinesCluster(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, nil)
	for params, shared := range map[string]bool{patient: true, patient + "&pipelines=0": false} { // one after another
		s := openAsIs(t, withParams(t, c.URL(), params))
		must(t, "Ping", s.Ping(t.Context()))
		before := readsOfAll(t, c)
		done, failed := visitAtOnce(t, s)
		if failed > 0 {
			t.Errorf("%s: %d visits failed", params, failed)
		}
		if trips := readsOfAll(t, c) - before; (2*trips <= 4*done) != shared {
			t.Errorf("%s: %d visits of four commands took %d round trips", params, done, trips)
		}
	}
}

func readsOfAll(t testing.TB, c *servers.RedisCluster) (n int64) {
	t.Helper()
	for _, node := range c.Nodes() {
		n += reads(t, node)
	}
	return n
}

// A node that stands still holds up nobody whose session is on another one, and those on it who have less time than the batch
// that they are in leave it.
func testPipelinesClusterStall(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, &servers.RedisClusterOptions{NodeTimeout: time.Minute})
	s := openAsIs(t, withParams(t, c.URL(), slow))
	must(t, "Ping", s.Ping(t.Context()))
	stalled := c.Nodes()[0] // it has the slots up to 5460
	stalled.Stop()
	expect := func(limit time.Duration, id session.ID, want error) {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if _, err := s.Read(ctx, id); !errors.Is(err, want) {
			t.Errorf("slot %d: got error %v, want %v", servers.Slot(key(id)), err, want)
		}
	}
	var patients, others sync.WaitGroup
	for range 64 {
		held, other := idIn(0, 5000), idIn(6000, 16383)
		patients.Go(func() { expect(long, held, session.ErrNotFound) })
		others.Go(func() { expect(300*time.Millisecond, held, session.ErrUnavailable) })
		others.Go(func() {
			for range 20 {
				expect(long, other, session.ErrNotFound)
			}
		})
	}
	begin := time.Now()
	others.Wait()
	if took := time.Since(begin); took > long/2 {
		t.Errorf("others took %v while a node stood still", took)
	}
	stalled.Continue()
	patients.Wait()
}

// idIn draws an id whose key is in one of some slots.
func idIn(from, to int) session.ID {
	for {
		id := newID()
		if slot := servers.Slot(key(id)); from <= slot && slot <= to {
			return id
		}
	}
}

// Answers of a node are lost in the middle of batches. None of the commands is repeated unseen, which would be a conflict with
// itself.
func testPipelinesClusterLost(t *testing.T) {
	t.Parallel()
	c := servers.StartRedisCluster(t, nil)
	proxies := announceProxies(t, c)
	var addrs []string
	for _, p := range proxies {
		addrs = append(addrs, p.Addr())
	}
	s := openAsIs(t, "redis+cluster://"+strings.Join(addrs, ","))
	var counters []*counter
	for range 12 {
		counters = append(counters, newCounter(t, s))
	}
	for _, p := range proxies {
		p.LoseShare(20)
	}
	lost := func() (n int64) {
		for _, p := range proxies {
			n += p.Lost()
		}
		return n
	}
	load(t, s, counters, long, func() { until(t, func() bool { return lost() >= 30 }) })
	var acked, unknown, calls int64
	for _, c := range counters {
		acked, unknown, calls = acked+c.acked.Load(), unknown+c.unknown.Load(), calls+c.calls.Load()
	}
	t.Logf("%d increases confirmed, %d unknown, %d calls without an answer, %d answers lost", acked, unknown, calls, lost())
	if acked == 0 {
		t.Error("no increase was confirmed")
	}
}

// announceProxies puts a proxy before each node of a cluster, and makes the nodes tell clients of these.
func announceProxies(t *testing.T, c *servers.RedisCluster) (proxies []*servers.Proxy) {
	var ports []string
	for _, node := range c.Nodes() {
		p := servers.StartProxy(t, node.Addr())
		_, port, err := net.SplitHostPort(p.Addr())
		must(t, "SplitHostPort", err)
		must(t, "CONFIG SET", node.Admin().ConfigSet(t.Context(), "cluster-announce-port", port).Err())
		proxies, ports = append(proxies, p), append(ports, port)
	}
	until(t, func() bool {
		for _, node := range c.Nodes() {
			slots, err := node.Admin().Do(t.Context(), "cluster", "slots").Slice()
			must(t, "CLUSTER SLOTS", err)
			if text := fmt.Sprint(slots); slices.ContainsFunc(ports, func(p string) bool { return !strings.Contains(text, " "+p+" ") }) {
				return false
			}
		}
		return true
	})
	return proxies
}
