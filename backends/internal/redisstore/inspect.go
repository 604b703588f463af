package redisstore

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
)

// oldest is the first major version of Redis whose scripts do what ours need. Valkey says that it is 7.2.
const oldest = 7

// inspect looks at the server once. One that does not tell, or does not tell us, is taken as it is.
func (s *Store) inspect(ctx context.Context) error {
	if s.inspected.Load() {
		return nil
	}
	server, err := s.info(ctx, "server")
	if err != nil {
		return err
	}
	if version := server["redis_version"]; version != "" {
		number, _, _ := strings.Cut(version, ".")
		if major, err := strconv.Atoi(number); err == nil && major < oldest {
			return fmt.Errorf("%w: %w: Redis %.20s is too old, %d.0 is needed", session.ErrUnavailable, session.ErrMisconfigured, version, oldest)
		}
	}
	memory, err := s.info(ctx, "memory")
	if err != nil {
		return err
	}
	if policy := memory["maxmemory_policy"]; policy != "" && policy != "noeviction" && memory["maxmemory"] != "0" && !s.inspected.Load() {
		slog.WarnContext(ctx, "redis evicts living sessions when its memory is full, which logs their users out: set maxmemory-policy to noeviction",
			slog.String("maxmemory-policy", policy))
	}
	s.inspected.Store(true)
	return nil
}

// info returns the fields of a section of INFO. There are none if the server refuses.
func (s *Store) info(ctx context.Context, section string) (map[string]string, error) {
	reply, err := s.conn.Do(ctx, 0, "info", section)
	if is[serverError](err) {
		return nil, nil
	}
	if err != nil {
		return nil, s.failed(ctx, err)
	}
	fields := make(map[string]string)
	for line := range strings.Lines(textOf(reply)) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			fields[name] = value
		}
	}
	return fields, nil
}
