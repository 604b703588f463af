package servers_test

import (
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// The sentinels promote the replica when the master is gone, and make a replica of the master that comes back.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	for name, opts := range map[string]*servers.RedisSentinelOptions{
		"plain":  nil,
		"secure": {Mutual: true, Password: "s3cret", SentinelPassword: "w4tch"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := servers.StartRedisSentinel(t, opts)
			before := s.Master()
			if before != s.Nodes()[0] {
				t.Fatalf("the master is %v", before)
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
			_ = s.Master().Admin().Ping(t.Context()).Err() // it may have ended the connections of its time as a replica
			if err := s.Master().Admin().Set(t.Context(), "k", "v", 0).Err(); err != nil {
				t.Fatalf("SET on the master: %v", err)
			}
			if n, err := s.Master().Admin().Wait(t.Context(), 1, 10*time.Second).Result(); n != 1 || err != nil {
				t.Errorf("%d replicas have it, %v", n, err)
			}
		})
	}
}
