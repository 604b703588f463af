package mysqlstore

import (
	"context"
	"iter"

	"github.com/nonstick-go/nonstick/core/session"
)

// listBatch is how many ids one statement reads.
const listBatch = 1000

// List implements session.Lister. It reads ids in their order, a batch at a time by the primary key, and no session. Each batch
// has the deadline of a call of its own.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		for after := (session.ID{}); ; { // no session has the id of zeros
			ids, err := s.batch(ctx, after)
			for _, id := range ids {
				if !yield(id, nil) {
					return
				}
			}
			if err != nil {
				yield(session.ID{}, err)
				return
			}
			if len(ids) < listBatch {
				return
			}
			after = ids[len(ids)-1]
		}
	}
}

// batch returns the ids that come after one.
func (s *Store) batch(ctx context.Context, after session.ID) ([]session.ID, error) {
	ctx, end, err := s.begin(ctx)
	if err != nil {
		return nil, err
	}
	defer end()
	return s.ids(ctx, s.sql.list, after[:], listBatch)
}
