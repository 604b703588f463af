package mysqlstore

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
)

// Schema returns the SQL that makes the table of a Store, for those who make it themselves: one statement, which does
// nothing if the table is there. An empty name means DefaultTable. The error says what is wrong with the name.
func Schema(table string) (string, error) {
	table, err := checkTable(table)
	if err != nil {
		return "", fmt.Errorf("mysqlstore: %w", err)
	}
	return createTable(table), nil
}

// checkTable returns the name of the table, or why it cannot be one. Names are a part of statements.
func checkTable(name string) (string, error) {
	name = cmp.Or(name, DefaultTable)
	strange := strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '_'
	})
	if strange || len(name) > maxTable || name[0] < 'a' {
		return "", fmt.Errorf("the table's name must be lower-case letters, digits and underscores, begin with a letter, and have at most %d of them", maxTable)
	}
	return name, nil
}

func createTable(name string) string {
	return "CREATE TABLE IF NOT EXISTS `" + name + "` (\n" +
		"  id         BINARY(32)      NOT NULL,\n" +
		"  version    BINARY(16)      NOT NULL,\n" +
		"  seen       BIGINT          NOT NULL,\n" + // milliseconds since 1970
		"  expires    BIGINT          NOT NULL,\n" +
		"  lock_turn  BIGINT UNSIGNED NOT NULL DEFAULT 0,\n" +
		"  lock_state MEDIUMBLOB      NULL,\n" +
		"  record     MEDIUMBLOB      NOT NULL,\n" +
		"  PRIMARY KEY (id),\n" +
		"  KEY expires (expires)\n" +
		") ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARACTER SET binary COMMENT='" + commentPrefix + format + "'"
}

// prepare sees to it that the table can be used, and learns what the server takes. A refusal stands for a second: else
// each request would try to make the table that it may not make.
func (s *Store) prepare(ctx context.Context) error {
	select {
	case s.preparer <- struct{}{}:
	case <-ctx.Done():
		return s.failed(ctx, ctx.Err())
	}
	defer func() { <-s.preparer }()
	if s.ready.Load() {
		return nil
	}
	if err := s.gate.Attempt(); err != nil {
		return err
	}
	err := s.lookAtTable(ctx)
	if err == nil {
		s.ready.Store(true)
	}
	s.gate.Note(err)
	return err
}

func (s *Store) lookAtTable(ctx context.Context) error {
	var packet int64
	if err := s.queryRow(ctx, "SELECT @@max_allowed_packet", nil, &packet); err != nil {
		return err
	}
	s.packet.Store(packet)
	comment, err := s.comment(ctx)
	if errors.Is(err, sql.ErrNoRows) && !s.noCreate {
		// Nodes that do this at once do not disturb each other.
		if _, err := s.exec(ctx, s.sql.schema); err != nil {
			return fmt.Errorf("make the table: %w", err)
		}
		comment, err = s.comment(ctx)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return misconfigured("the table is missing: make it with what Schema returns, and give the user the permissions of the package documentation")
	case err != nil:
		return err
	case comment == commentPrefix+format:
		return nil
	case strings.HasPrefix(comment, commentPrefix):
		return misconfigured("the table is one of another version of this library")
	}
	return misconfigured("the table is none of this library, or its comment was changed: name another one")
}

// comment returns the comment of the table, or sql.ErrNoRows if there is no table that we may see.
func (s *Store) comment(ctx context.Context) (comment string, err error) {
	err = s.queryRow(ctx, "SELECT table_comment FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = ?",
		[]any{s.sql.table}, &comment)
	return comment, err
}

func misconfigured(text string) error {
	return fmt.Errorf("%w: %w: %s", session.ErrUnavailable, session.ErrMisconfigured, text)
}
