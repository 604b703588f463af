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
	for name, opts := range map[string]*servers.RedisOptions{
		"plain":    nil,
		"tls":      {TLS: true},
		"mutual":   {Mutual: true},
		"unix":     {Unix: true},
		"password": {Password: "secret", Config: []string{"appendonly yes", "appendfsync always"}},
		"users":    {Users: []string{"web on >secret ~* +get"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
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
			if opts != nil && strings.Contains(strings.Join(opts.Config, " "), "appendonly yes") {
				want = "v"
			}
			if got := r.Admin().Get(t.Context(), "k").Val(); got != want {
				t.Errorf("GET after a restart: got %q, want %q", got, want)
			}
		})
	}
}
