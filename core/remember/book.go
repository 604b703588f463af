package remember

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// book is what the store has of one user. Its payload is a list of frames, a name and a value each, like that of a session,
// so that session.MergePayload merges what several places have made of it:
//
//	'e'           the epoch, if the credentials were ever ended
//	'c' selector  a credential, in JSON
type book struct {
	record      session.Record // as it was read; its Version is zero if there is none
	corrupt     bool           // it could not be read: it counts as none, so that no bad record locks a user out for ever
	epoch       Epoch
	credentials map[selector]credential
}

type credential struct {
	Name     []byte `json:"u"`           // of the user, encrypted: see token.seal
	Hash     []byte `json:"h"`           // of the validator
	Previous []byte `json:"p,omitempty"` // of the validator before
	Nonce    []byte `json:"n,omitempty"` // makes the validator from the one before
	Rotated  int64  `json:"r,omitempty"` // when that was, in milliseconds since 1970
	Issued   int64  `json:"i"`           // milliseconds since 1970
	Expires  int64  `json:"x"`           // the same
	Era      uint64 `json:"e,omitempty"` // that it was issued in, see session.Manager.EndEverything
}

const (
	maxCredentials = 50
	// epochLasts is for how long an end is known at least: longer than any login takes.
	epochLasts = 24 * time.Hour
	callTime   = 2 * time.Second
)

// find returns the credential that a token names, and the user that it is of.
func (b *book) find(t *token, era uint64) (c credential, subject string, err error) {
	c, ok := b.credentials[t.selector()]
	if ok && c.Era >= era {
		subject, ok = t.open(c.Name)
	}
	if !ok || c.Era < era {
		return credential{}, "", session.ErrNotFound
	}
	return c, subject, nil
}

// end removes all credentials but the one that has a handle.
func (b *book) end(handle string) {
	maps.DeleteFunc(b.credentials, func(s selector, _ credential) bool { return s.handle() != handle })
	b.epoch = Epoch(random(len(b.epoch)))
}

// makeRoom removes the oldest credentials, so that one more is not too many.
func (b *book) makeRoom() {
	oldest := slices.SortedFunc(maps.Keys(b.credentials), func(x, y selector) int {
		return cmp.Compare(b.credentials[x].Issued, b.credentials[y].Issued)
	})
	for _, s := range oldest[:max(0, len(oldest)+1-maxCredentials)] {
		delete(b.credentials, s)
	}
}

// parseBook decodes a record. It is not ok if that is none of this package.
func parseBook(rec session.Record) (b *book, ok bool) {
	b = &book{record: rec, credentials: map[selector]credential{}}
	now := time.Now().UnixMilli()
	for rest := rec.Payload; len(rest) > 0; {
		var name, value []byte
		var ok, more bool
		name, rest, ok = cut(rest)
		value, rest, more = cut(rest)
		if !ok || !more || len(name) == 0 {
			return nil, false
		}
		var c credential
		switch {
		case string(name) == "e" && len(value) == len(b.epoch):
			b.epoch = Epoch(value)
		case name[0] == 'c' && len(name) == 1+selectorBytes && json.Unmarshal(value, &c) == nil:
			if now < c.Expires {
				b.credentials[selector(name[1:])] = c
			}
		default:
			return nil, false
		}
	}
	return b, true
}

func cut(b []byte) (head, rest []byte, ok bool) {
	n, size := binary.Uvarint(b)
	if size <= 0 || n > uint64(len(b)-size) {
		return nil, nil, false
	}
	return b[size : size+int(n)], b[size+int(n):], true
}

// next is the record that replaces the one that was read.
func (b *book) next() (session.Record, error) {
	now := time.Now()
	rec := session.Record{Version: b.version(now), Created: now, Seen: now, TTL: epochLasts}
	add := func(name string, value []byte) {
		for _, part := range [...][]byte{[]byte(name), value} {
			rec.Payload = append(binary.AppendUvarint(rec.Payload, uint64(len(part))), part...)
		}
	}
	if b.epoch != (Epoch{}) {
		add("e", b.epoch[:])
	}
	byName := func(x, y selector) int { return strings.Compare(string(x[:]), string(y[:])) }
	for _, s := range slices.SortedFunc(maps.Keys(b.credentials), byName) {
		c := b.credentials[s]
		value, err := json.Marshal(c)
		if err != nil {
			return rec, err
		}
		add("c"+string(s[:]), value)
		rec.TTL = max(rec.TTL, time.UnixMilli(c.Expires).Sub(now))
	}
	return rec, nil
}

// version is greater than the one that it replaces, see session.Version.
func (b *book) version(now time.Time) (v session.Version) {
	tick := max(uint64(now.UnixMilli())<<16, binary.BigEndian.Uint64(b.record.Version[:8])+1)
	binary.BigEndian.PutUint64(v[:8], tick)
	copy(v[8:], random(8))
	return v
}

func (l *Logins) read(ctx context.Context, at locator) (*book, error) {
	rec, err := l.store.Read(ctx, at.id())
	if errors.Is(err, session.ErrUnavailable) && ctx.Err() == nil {
		rec, err = l.store.Read(ctx, at.id())
	}
	switch {
	case errors.Is(err, session.ErrUnavailable): // whatever else it says
		return nil, err
	case errors.Is(err, session.ErrNotFound), err == nil && !time.Now().Before(rec.Deadline()):
		return &book{credentials: map[selector]credential{}}, nil
	case errors.Is(err, session.ErrCorrupt):
		return &book{corrupt: true, credentials: map[selector]credential{}}, nil
	case err != nil:
		return nil, err
	}
	b, ok := parseBook(rec)
	if !ok {
		return &book{corrupt: true, credentials: map[selector]credential{}}, nil
	}
	return b, nil
}

// amend changes the record of a user. edit tells whether there is anything to store; it is called again when somebody else was
// faster. Once begun it does not end with ctx, as the visitor may be gone before he has the cookie that fits.
func (l *Logins) amend(ctx context.Context, at locator, edit func(*book) (bool, error)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	for tries := 0; ; tries++ {
		b, err := l.read(ctx, at)
		if err != nil {
			return err
		}
		changed, err := edit(b)
		if err != nil || !changed {
			return err
		}
		rec, err := b.next()
		if err == nil && b.corrupt {
			err = l.store.Destroy(ctx, at.id())
		}
		if err != nil {
			return err
		}
		err = l.store.Write(ctx, at.id(), rec, b.record.Version)
		if errors.Is(err, session.ErrUnavailable) && ctx.Err() == nil { // the reply may have been lost: the same write once more
			err = l.store.Write(ctx, at.id(), rec, b.record.Version)
		}
		if err == nil || errors.Is(err, session.ErrUnavailable) || !errors.Is(err, session.ErrConflict) &&
			!errors.Is(err, session.ErrExists) && !errors.Is(err, session.ErrNotFound) {
			return err
		}
		select {
		case <-time.After(rand.N(time.Millisecond << min(tries, 6))):
		case <-ctx.Done():
			return fmt.Errorf("%w: too many requests change the remembered logins of one user at once", session.ErrUnavailable)
		}
	}
}
