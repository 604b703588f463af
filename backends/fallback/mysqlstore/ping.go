package mysqlstore

import (
	"cmp"
	"context"
	"crypto/rand"
	"log/slog"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// canaryLife is how long the session of a Ping lives if its end is never reached.
const canaryLife = 10 * time.Second

// Ping implements session.Pinger: it creates, touches, changes, reads and destroys a session with a random id, by the very
// statements that serve visitors. The driver's ping would prove nothing: a read-only server answers it.
//
// The first time it also warns, with slog.Default, of settings of the server that lose sessions.
func (s *Store) Ping(ctx context.Context) error {
	var id session.ID
	_, _ = rand.Read(id[:]) // never fails
	now := time.Now()
	rec := session.Record{Version: session.Version{1}, Created: now, Seen: now, TTL: canaryLife}
	changed := rec
	changed.Version = session.Version{2}
	err := s.Write(ctx, id, rec, session.Version{})
	if err == nil {
		err = s.Touch(ctx, id, rec)
	}
	if err == nil {
		err = s.Write(ctx, id, changed, rec.Version)
	}
	if err == nil {
		_, err = s.Read(ctx, id)
	}
	if err = cmp.Or(err, s.Destroy(ctx, id)); err != nil || s.inspected.Load() {
		return err
	}
	return s.inspect(ctx)
}

// inspect warns once of what loses sessions.
func (s *Store) inspect(ctx context.Context) error {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	var flush, packet int64
	var engine string
	if err := s.queryRow(ctx, "SELECT @@innodb_flush_log_at_trx_commit, @@max_allowed_packet", nil, &flush, &packet); err != nil {
		return err
	}
	err = s.queryRow(ctx, "SELECT engine FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
		[]any{s.sql.table}, &engine)
	if err != nil || s.inspected.Swap(true) {
		return err
	}
	if engine != "InnoDB" {
		slog.WarnContext(ctx, "the table of the sessions may lose them all in a crash: its engine should be InnoDB", slog.String("engine", engine))
	}
	if flush == 0 {
		slog.WarnContext(ctx, "the server loses a second of sessions when it crashes: set innodb_flush_log_at_trx_commit to 1",
			slog.Int64("innodb_flush_log_at_trx_commit", flush))
	}
	if most := 2 * int64(s.maxBytes); packet < most {
		slog.WarnContext(ctx, "the server may refuse sessions that the store would take: raise max_allowed_packet, or lower max_bytes",
			slog.Int64("max_allowed_packet", packet), slog.Int("max_bytes", s.maxBytes))
	}
	return nil
}
