package servers_test

import (
	"slices"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The sentinels promote the replica when the master is gone, and make a replica of the master that comes back.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	for server, opts := range map[servers.Server]servers.RedisSentinelOptions{
		servers.Redis7:  {Replicas: 2},
		servers.Redis8:  {Mutual: true, Password: "s3cret", SentinelPassword: "w4tch"},
		servers.Valkey8: {Mutual: true, Password: "s3cret", SentinelPassword: "w4tch"},
	} {
		opts.Server = server
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			testSentinel(t, servers.StartRedisSentinel(t, &opts), max(opts.Replicas, 1))
		})
	}
}

func testSentinel(t *testing.T, s *servers.RedisSentinel, replicas int) {
	t.Helper()
	before := s.Master()
	if before != s.Nodes()[0] || len(s.Replicas()) != replicas || len(s.Sentinels()) != 3 {
		t.Fatalf("the master is %v, with %d replicas and %d sentinels", before, len(s.Replicas()), len(s.Sentinels()))
	}
	before.Kill()
	for begin := time.Now(); s.Master() == before; time.Sleep(20 * time.Millisecond) {
		if time.Since(begin) > 30*time.Second {
			t.Fatal("no replica was promoted")
		}
	}
	s.Await() // a sentinel that has not heard of it would make the old master one again
	before.Restart()
	s.Await()
	if s.Master() == before || !slices.Contains(s.Replicas(), before) {
		t.Error("the old master is no replica")
	}
	_ = s.Master().Admin().Ping(t.Context()).Err() // it may have ended the connections of its time as a replica
	if err := s.Master().Admin().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatalf("SET on the master: %v", err)
	}
	if n, err := s.Master().Admin().Wait(t.Context(), replicas, 10*time.Second).Result(); n != int64(replicas) || err != nil {
		t.Errorf("%d replicas have it, %v", n, err)
	}
	client := redis.NewFailoverClient(s.Options())
	defer client.Close()
	if got, err := client.Get(t.Context(), "k").Result(); got != "v" {
		t.Errorf("a client gets %q, %v", got, err)
	}
}
