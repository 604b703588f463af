package fallback_test

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

// link is the way from a node to a store.
type link struct {
	node *node
	tier *tier
}

func (l *link) call(ctx context.Context, what string, id session.ID, do func() error) (err error) {
	s := l.node.sim
	begin := s.now
	defer func() {
		s.logf("  %d %-12s store %d %-7s %x since %d: %v", l.node.index, ctx.Value(taskKey{}).(*task).name, l.tier.index, what, id[:2], begin.UnixMilli()%10_000_000, err)
	}()
	stop(ctx)
	half := s.now.Before(l.tier.half) && (what == "begin" || id[0]%2 == 1)
	if half || s.now.Before(l.tier.down) || s.now.Before(l.node.cut[l.tier.index]) {
		if s.chance(s.faults.lost[l.tier.index]) && ctx.Value(taskKey{}).(*task).name != creating {
			l.tier.late = append(l.tier.late, func() { _ = do() })
		}
		return session.ErrUnavailable
	}
	if s.chance(s.faults.lost[l.tier.index]) {
		_ = do()
		return session.ErrUnavailable
	}
	err = do()
	stop(ctx)
	return err
}

func (l *link) Read(ctx context.Context, id session.ID) (rec session.Record, err error) {
	err = l.call(ctx, "read", id, func() (err error) { rec, err = l.tier.Handler.Read(context.Background(), id); return err })
	return rec, err
}

func (l *link) Begin(ctx context.Context, name string) error {
	return l.call(ctx, "begin", session.ID{}, func() error { l.tier.began[name] = true; return nil })
}

func (l *link) ReadSince(ctx context.Context, name string, id session.ID) (rec session.Record, err error) {
	err = l.call(ctx, "since", id, func() (err error) {
		if !l.tier.began[name] {
			return session.ErrRestarted
		}
		rec, err = l.tier.Handler.Read(context.Background(), id)
		return err
	})
	return rec, err
}

func (l *link) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	return l.call(ctx, fmt.Sprintf("%x", rec.Version[3:6]), id, func() error {
		l.tier.known[id] = true
		err := l.tier.Handler.Write(context.Background(), id, rec, prev)
		l.node.sim.made[rec.Version] = l.node.sim.made[rec.Version] || err == nil && l.tier.index == 1
		return err
	})
}

func (l *link) Destroy(ctx context.Context, id session.ID) error {
	return l.call(ctx, "destroy", id, func() error { return l.tier.Handler.Destroy(context.Background(), id) })
}

// disk is the local store of a node. It does not fail, but the node may die before and after each call.
type disk struct {
	node *node
	*memstore.Store
}

func (d disk) Read(ctx context.Context, id session.ID) (rec session.Record, err error) {
	if ctx.Value(taskKey{}) == nil { // the node begins
		return d.Store.Read(ctx, id)
	}
	stop(ctx)
	rec, err = d.Store.Read(context.Background(), id)
	d.node.sim.logf("  %d %-12s disk reads: %v", d.node.index, ctx.Value(taskKey{}).(*task).name, err)
	return rec, err
}

func (d disk) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	stop(ctx)
	err := d.Store.Write(context.Background(), id, rec, prev)
	d.node.sim.logf("  %d %-12s disk writes %x over %x: %v", d.node.index, ctx.Value(taskKey{}).(*task).name, rec.Version[3:6], prev[3:6], err)
	stop(ctx)
	return err
}

func (d disk) DestroyVersion(ctx context.Context, id session.ID, version session.Version) error {
	stop(ctx)
	rec, err := d.Store.Read(context.Background(), id)
	switch {
	case err == nil && rec.Version != version:
		err = session.ErrConflict
	case err == nil:
		err = d.Store.Destroy(context.Background(), id)
	}
	d.node.sim.logf("  %d %-12s disk removes %x: %v", d.node.index, ctx.Value(taskKey{}).(*task).name, version[3:6], err)
	stop(ctx)
	return err
}

// mergeWords merges what sessions consist of here.
func mergeWords(base, winner, loser []byte) ([]byte, bool, error) {
	was, theirs := strings.Fields(string(base)), strings.Fields(string(loser))
	var words []string
	for w := range strings.FieldsSeq(string(winner)) {
		if !slices.Contains(was, w) || slices.Contains(theirs, w) {
			words = append(words, w)
		}
	}
	for _, w := range theirs {
		if !slices.Contains(words, w) && !slices.Contains(was, w) {
			words = append(words, w)
		}
	}
	return []byte(strings.Join(words, " ")), false, nil
}

// List implements session.Lister.
func (l *link) List(ctx context.Context) iter.Seq2[session.ID, error] {
	return func(yield func(session.ID, error) bool) {
		var ids []session.ID
		err := l.call(ctx, "list", session.ID{}, func() error {
			for id := range l.tier.Handler.(*memstore.Store).List(context.Background()) {
				ids = append(ids, id)
			}
			return nil
		})
		slices.SortFunc(ids, func(a, b session.ID) int { return bytes.Compare(a[:], b[:]) })
		for _, id := range ids {
			if !yield(id, nil) {
				return
			}
		}
		if err != nil {
			yield(session.ID{}, err)
		}
	}
}

func (l *link) GC(context.Context, int) (int, error) { return 0, nil }
