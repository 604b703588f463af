package redis_test

import (
	"context"
	"strings"
	"testing"

	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/core/sessiontest"
	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

const (
	// clusterPrivilege is what a client of a cluster needs besides, to learn which nodes there are, and while slots move.
	clusterPrivilege = " +cluster|slots +asking"
	// sentinelPrivilege is what it needs of the sentinels.
	sentinelPrivilege = "&+switch-master &+slave-reconf-done +subscribe +ping +sentinel|get-master-addr-by-name +sentinel|sentinels"
)

// The suite on clusters.
func testSuiteCluster(t *testing.T) {
	for name, c := range map[string]struct {
		opts           servers.RedisClusterOptions
		user, password string
	}{
		"plain": {},
		"tls with least privilege": {
			opts: servers.RedisClusterOptions{Mutual: true, Password: "4dmin", Users: []string{"web on >s3cret " + leastPrivilege + lockPrivilege + clusterPrivilege}},
			user: "web", password: "s3cret",
		},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := servers.StartRedisCluster(t, &c.opts)
			client := clusterClient(t, cluster)
			u := cluster.UserURL(c.user, c.password)
			if name != "plain" { // one address is enough, as managed clusters have it
				u = strings.Replace(cluster.Nodes()[2].UserURL(c.user, c.password, 0), "://", "+cluster://", 1)
			}
			h := harness(t, nil, withParams(t, u, patient+"&pool_size=4"), defaultPrefix, 0, defaultMaxBytes)
			h.Garble = func(ctx context.Context, id session.ID) error {
				return client.HSet(ctx, key(id), "r", "not a record").Err()
			}
			h.Broken = opener(t, "redis+cluster://127.0.0.1:1") // nobody listens there
			t.Run("suite", func(t *testing.T) { sessiontest.Run(t, h) })
			for _, node := range cluster.Nodes() {
				expectAllExpire(t, node, defaultPrefix, 0) // and there is at least one on each node
			}
		})
	}
}

// The suite on a master that sentinels know.
func testSuiteSentinel(t *testing.T) {
	for name, c := range map[string]struct {
		opts           servers.RedisSentinelOptions
		user, password string
		params         string
		db             int
	}{
		"plain": {db: 2},
		"tls with least privilege": {
			opts: servers.RedisSentinelOptions{
				Mutual: true, Password: "4dmin", SentinelPassword: "s3ntinel", Users: []string{"web on >s3cret " + leastPrivilege + lockPrivilege},
				SentinelUsers: []string{"watch on >w4tch " + sentinelPrivilege},
			},
			user: "web", password: "s3cret", params: "&sentinel_user=watch&sentinel_password=w4tch",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := servers.StartRedisSentinel(t, &c.opts)
			u := withParams(t, s.UserURL(c.user, c.password, c.db), patient+"&pool_size=4"+c.params)
			h := harness(t, s.Master(), u, defaultPrefix, c.db, defaultMaxBytes)
			h.Broken = opener(t, "redis+sentinel://127.0.0.1:1/main") // nobody listens there
			t.Run("suite", func(t *testing.T) { sessiontest.Run(t, h) })
			expectAllExpire(t, s.Master(), defaultPrefix, c.db)
		})
	}
}
