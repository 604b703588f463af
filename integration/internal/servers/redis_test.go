package servers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nonstick-go/nonstick/integration/internal/servers"
)

func TestRedis(t *testing.T) {
	t.Parallel()
	for _, server := range servers.All() {
		for name, opts := range map[string]servers.RedisOptions{
			"plain":    {},
			"tls":      {TLS: true},
			"mutual":   {Mutual: true},
			"unix":     {Unix: true},
			"password": {Password: "secret", Config: []string{"appendonly yes", "appendfsync always"}},
			"users":    {Users: []string{"web on >secret ~* +get"}},
		} {
			opts.Server = server
			t.Run(string(server)+"/"+name, func(t *testing.T) {
				t.Parallel()
				testRedis(t, &opts)
			})
		}
	}
}

// A server keeps its data while it is stopped, and what it wrote to disk when it is killed.
func testRedis(t *testing.T, opts *servers.RedisOptions) {
	t.Helper()
	r := servers.StartRedis(t, opts)
	if err := r.Admin().Set(t.Context(), "k", "v", 0).Err(); err != nil {
		t.Fatalf("SET: %v", err)
	}
	r.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := r.Admin().Get(ctx, "k").Err(); err == nil {
		t.Error("a stopped server answers")
	}
	r.Continue()
	if got, err := r.Admin().Get(t.Context(), "k").Result(); err != nil || got != "v" {
		t.Errorf("GET after Continue: %q, %v", got, err)
	}
	r.Kill()
	r.Restart()
	want := ""
	if strings.Contains(strings.Join(opts.Config, " "), "appendonly yes") {
		want = "v"
	}
	if got := r.Admin().Get(t.Context(), "k").Val(); got != want {
		t.Errorf("GET after a restart: got %q, want %q", got, want)
	}
}

// The server that runs is the one that was asked for.
func TestServer(t *testing.T) {
	t.Parallel()
	for server, want := range map[servers.Server]string{
		servers.Redis7:  "redis_version:7.0.",
		servers.Redis8:  "redis_version:8.",
		servers.Valkey8: "valkey_version:8.",
	} {
		t.Run(string(server), func(t *testing.T) {
			t.Parallel()
			r := servers.StartRedis(t, &servers.RedisOptions{Server: server})
			if info := r.Admin().Info(t.Context(), "server").Val(); r.Server() != server || !strings.Contains(info, want) {
				t.Errorf("no %s in %q; scripts/servers gets the right one", want, info)
			}
		})
	}
}

// A test that names no server gets the one that the environment names.
func TestServerOfEnvironment(t *testing.T) {
	for _, server := range servers.All() {
		t.Setenv("NONSTICK_TEST_SERVER", string(server))
		if got := servers.StartRedis(t, nil).Server(); got != server {
			t.Errorf("%s runs, not %s", got, server)
		}
	}
}
