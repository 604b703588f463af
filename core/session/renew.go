package session

import (
	"context"
	"fmt"
	"time"
)

// successorLife is how long the record of a renewed session stays to refuse late writes with a reason. After it they are
// refused because nothing is there.
const successorLife = 10 * time.Second

// move renews the session in two writes: the data goes to a new id, then the old record is exchanged for one that
// names the successor. The exchange compares versions, so a change that another request stored under the old id in
// between is not lost: it is merged, and the exchange is tried again. Only then does the visitor get the new token.
func (s *Session) move(ctx context.Context, out *outcome) error {
	old := s.id
	turn, err := s.m.gates.enter(ctx, old)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConflict, err)
	}
	defer s.m.gates.leave(old, turn)
	base, changes := s.rec, s.changes
	rec := base
	rec.Payload, _ = changes.splice(base.Payload)
	token, err := s.put(ctx, &rec)
	if err != nil {
		return err
	}
	fresh := s.id
	for tries := 1; ; tries++ {
		s.id, s.rec, s.changes = old, base, changes
		dead := Record{Created: base.Created, Seen: now(), TTL: successorLife, Successor: fresh}
		dead.Version = s.m.versions.next(dead.Seen, base.Version)
		_, err := s.m.write(ctx, old, dead, base.Version)
		if err == nil {
			break
		}
		if base, err = s.yield(ctx, err, false, tries); err == nil {
			prev := rec.Version
			rec.Payload, _ = changes.splice(base.Payload)
			if err = s.m.stamp(&rec); err == nil {
				_, err = s.m.write(ctx, fresh, rec, prev)
			}
		}
		if err != nil {
			// Nobody has the new token. Do not leave its data behind; if this fails too, it expires.
			_ = s.m.destroy(ctx, fresh)
			return err
		}
	}
	s.id, s.rec, s.changes = fresh, rec, nil
	out.token, out.life = token, s.m.life(&rec)
	s.observe(Event{Kind: EventRenewed, id: fresh})
	return nil
}
