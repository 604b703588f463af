package adapters_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

// adapters are the folders that have the test TestAdapter, and the names of its package.
var adapters = map[string]string{
	"adapters/echo": "sessionecho_test", "adapters/fiber": "sessionfiber_test", "adapters/gin": "sessiongin_test", "core/session": "session_test",
}

// storeFile is added to an adapter's tests. They must not require a backend, so that they cannot have it themselves.
const storeFile = `package %s

import (
	"context"
	"os"

	_ "github.com/nonstick-go/nonstick/backends/%s"
	"github.com/nonstick-go/nonstick/core/session"
)

func init() {
	harness.Store = func(ctx context.Context) (session.Handler, error) { return session.Open(ctx, os.Getenv("STORE")) }
}
`

// patient are timeouts for a busy machine.
const patient = "dial_timeout=5s&read_timeout=5s&write_timeout=5s&pool_timeout=5s&pool_size=8"

// Each adapter, on Redis and Valkey, on one server, a cluster, and a master with sentinels, through each client.
func TestRedis(t *testing.T) {
	t.Parallel()
	programs := map[string]string{}
	for _, backend := range []string{"goredis", "redigo"} {
		for folder, pkg := range adapters {
			programs[folder+" "+backend] = build(t, folder, pkg, backend)
		}
	}
	for _, server := range servers.All() {
		single := servers.StartRedis(t, &servers.RedisOptions{Server: server})
		cluster := servers.StartRedisCluster(t, &servers.RedisClusterOptions{Server: server})
		sentinel := servers.StartRedisSentinel(t, &servers.RedisSentinelOptions{Server: server})
		for name, store := range map[string]struct {
			url   string
			nodes []*servers.Redis
		}{
			"single":   {single.URL(), []*servers.Redis{single}},
			"cluster":  {cluster.URL(), cluster.Nodes()},
			"sentinel": {sentinel.URL(), []*servers.Redis{sentinel.Master()}},
		} {
			for what, program := range programs {
				t.Run(fmt.Sprint(server, " ", name, " ", what), func(t *testing.T) {
					before := sessions(t, store.nodes)
					run(t, program, store.url+"?"+patient)
					if sessions(t, store.nodes) == before {
						t.Error("no session was in the store")
					}
				})
			}
		}
	}
}

// build makes the test program of an adapter, with a backend.
func build(t *testing.T, folder, pkg, backend string) string {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file, overlay, program := filepath.Join(dir, "store_test.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "adapter.test")
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, folder, "store_test.go"): file}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{file: fmt.Sprintf(storeFile, pkg, backend), overlay: string(replace)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-overlay", overlay, "-o", program, "./"+folder)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK="+filepath.Join(root, "go.work")) // it is where the two modules meet
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s with %s: %v\n%s", folder, backend, err, out)
	}
	return program
}

func run(t *testing.T, program, store string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "-test.run", "^TestAdapter$", "-test.timeout", "5m")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "STORE="+store)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// sessions returns how many there are.
func sessions(t *testing.T, nodes []*servers.Redis) (n int64) {
	t.Helper()
	for _, node := range nodes {
		size, err := node.Admin().DBSize(t.Context()).Result()
		if err != nil {
			t.Fatal(err)
		}
		n += size
	}
	return n
}
