package mysqlstore

import (
	"context"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// gcBatch is how many rows one statement removes at most: it is over in a few milliseconds, and so are the locks that it
// holds on them.
const gcBatch = 100

// GC implements session.Handler. It removes rows in batches: one statement finds them and locks nothing, the next removes
// those by their ids, so that it locks neither living sessions nor the gaps between rows where new ones go. A session counts
// as expired if that is so by the clocks of both this program and the server: one clock that is wrong removes nobody's.
func (s *Store) GC(ctx context.Context, limit int) (removed int, err error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer end()
	for batches := 0; removed < limit && batches <= limit/gcBatch+tries; batches++ {
		now := time.Now().UnixMilli()
		ids, err := s.expired(ctx, now, min(limit-removed, gcBatch))
		if err != nil || len(ids) == 0 {
			return removed, err
		}
		args := append(make([]any, 0, len(ids)+1), now)
		for i := range ids {
			args = append(args, ids[i][:])
		}
		n, err := s.exec(ctx, s.sql.remove+"(?"+strings.Repeat(",?", len(ids)-1)+")", args...)
		removed += int(n)
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}

// expired finds rows that may be removed, the oldest first.
func (s *Store) expired(ctx context.Context, now int64, limit int) ([]session.ID, error) {
	return s.ids(ctx, s.sql.find, now, limit)
}

// ids returns what a statement finds.
func (s *Store) ids(ctx context.Context, query string, args ...any) (ids []session.ID, err error) {
	err = s.twice(ctx, func() error {
		rows, err := s.db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		ids = ids[:0]
		for rows.Next() {
			var b []byte
			if err := rows.Scan(&b); err != nil {
				return err
			}
			var id session.ID
			copy(id[:], b)
			ids = append(ids, id)
		}
		return rows.Err()
	})
	return ids, err
}
