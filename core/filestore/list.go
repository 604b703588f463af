package filestore

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"iter"

	"github.com/nonstick-go/nonstick/core/session"
)

// List implements session.Lister. It reads one of 256 folders at a time and no session.
func (s *Store) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		for i := range s.shards {
			ids, err := s.listed(ctx, byte(i))
			for _, id := range ids {
				if !yield(id, nil) {
					return
				}
			}
			if err != nil {
				yield(session.ID{}, err)
				return
			}
		}
	}
}

// listed returns the IDs in one folder.
func (s *Store) listed(ctx context.Context, shard byte) (ids []session.ID, err error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	f, err := s.folder(shard, false)
	if errors.Is(err, session.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	dir, err := f.root.Open(".")
	if err != nil {
		return nil, unavailable("a folder cannot be opened", err)
	}
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(scanBatch)
		for _, name := range names {
			var id session.ID
			if n, err := hex.Decode(id[:], []byte(name)[:min(len(name), idLen)]); err == nil && n == len(id) && len(name) == idLen {
				ids = append(ids, id)
			}
		}
		if errors.Is(err, io.EOF) {
			return ids, nil
		}
		if err != nil {
			return ids, unavailable("a folder cannot be listed", err)
		}
	}
}
