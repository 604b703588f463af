package session

import (
	"context"
	"errors"
)

// move renews the session in two writes: the data goes to a new id, then the old record is exchanged for one that
// names the successor. The exchange compares versions, so a change that another request stored under the old id in
// between is not lost: it is merged, and the exchange is tried again. Only then does the visitor get the new token.
//
// leave makes the record that takes the old one's place.
func (s *Session) move(ctx context.Context, out *outcome, leave func(prev Version, successor ID) Record) error {
	m, own := s.m, &entry{s: s, alone: true}
	turn := m.gates.enter(ctx, own)
	if turn == nil {
		return own.err
	}
	defer m.gates.leave(s.id, turn, nil)
	base := turn.base(s.rec)
	rec := base
	if own.lay(&rec); own.err != nil {
		return own.result()
	}
	token, fresh, err := m.put(ctx, &rec)
	if err != nil {
		return err
	}
	if err := s.enroll(ctx, &rec, fresh); err != nil {
		_ = m.remove(ctx, fresh) // nobody has its token
		return err
	}
	for tries := 1; ; tries++ {
		repeated, err := s.write(ctx, s.id, leave(base.Version, fresh), base.Version)
		if err == nil {
			break
		}
		old := s.id
		if base, err = m.yield(ctx, []*entry{own}, err, repeated, tries); s.id != old && !s.renew {
			_ = m.remove(ctx, fresh) // nobody has its token
			return errRenewed
		}
		if err == nil {
			prev := rec.Version
			rec.Payload = base.Payload
			if own.lay(&rec); own.err == nil {
				m.stamp(&rec)
				_, own.err = m.write(ctx, fresh, m.secret(token), rec, prev)
			}
		}
		if own.fail(err); own.err != nil {
			if m.moved(ctx, s.id, fresh, own.err) {
				own.err = nil
				break
			}
			// Nobody has the new token. Do not leave its data behind; if this fails too, it expires.
			_ = m.remove(ctx, fresh)
			return own.result()
		}
	}
	settle([]*entry{own}, rec, false, 0)
	s.id = fresh
	out.token, out.life = token, m.life(&rec)
	s.observe(Event{Kind: EventRenewed, id: fresh})
	return nil
}

// errRenewed ends a periodic renewal that finds that another request was faster: a second one would leave the token of the
// first, which may be what the visitor keeps, to end with its grace.
var errRenewed = errors.New("renewed by another request")

// moved reports whether the exchange was applied although its reply was lost.
func (m *Manager) moved(ctx context.Context, old, fresh ID, err error) bool {
	if !errors.Is(err, ErrUnavailable) {
		return false
	}
	rec, err := m.read(ctx, old)
	return err == nil && rec.Successor == fresh
}
