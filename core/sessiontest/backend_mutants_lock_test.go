package sessiontest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// lockMutants lend a session wrongly, or write under a lock wrongly.
func lockMutants() []mutantTest {
	type ctx = context.Context
	return []mutantTest{
		{name: "everybody gets the lock", spoil: func(m *mutant) {
			m.answering(func(ctx ctx, id session.ID, _ session.LockRequest, lock *session.Lock) { m.lend(ctx, id, lock) })
		}, fails: `lock-destroy lock-excludes lock-handed lock-lease lock-overtake lock-plain lock-queue
			lock-queue-dead lock-queue-full lock-queue-leave lock-queue-none lock-race lock-release
			lock-sessions lock-takeover lock-takeover-queue lock-takeover-race lock-write-again
			lock-write-conflict lock-write-stranger lock-write-too-large`},
		{name: "locks have no owner", spoil: func(m *mutant) {
			m.asking(func(ask *session.LockRequest) { ask.Token = session.LockToken{1} })
			m.writeRelease = func(ctx ctx, id session.ID, rec session.Record, prev session.Version, _ session.LockToken) error {
				return m.full.WriteRelease(ctx, id, rec, prev, session.LockToken{1})
			}
			m.extend = func(ctx ctx, id session.ID, _ session.LockToken, lease time.Duration) error {
				return m.full.Extend(ctx, id, session.LockToken{1}, lease)
			}
			m.release = func(ctx ctx, id session.ID, _ session.LockToken) error {
				return m.full.Release(ctx, id, session.LockToken{1})
			}
		}, fails: `lock-destroy lock-excludes lock-handed lock-lease lock-overtake lock-plain lock-queue
			lock-queue-dead lock-queue-full lock-queue-leave lock-queue-none lock-race lock-release
			lock-sessions lock-takeover lock-takeover-queue lock-takeover-race lock-write-again
			lock-write-conflict lock-write-stranger lock-write-too-large`},
		{name: "Acquire gives the first record it has seen", spoil: func(m *mutant) {
			m.answering(func(_ ctx, id session.ID, _ session.LockRequest, lock *session.Lock) {
				if lock.Held {
					first, _ := m.created.LoadOrStore(id, clone(lock.Record))
					lock.Record = clone(first.(session.Record))
				}
			})
		}, fails: "lock-acquire lock-handed lock-race lock-write"},
		{name: "who waits sees the session", spoil: func(m *mutant) {
			m.answering(func(ctx ctx, id session.ID, _ session.LockRequest, lock *session.Lock) {
				lock.Record, _ = m.full.Read(ctx, id)
			})
		}, fails: "lock-excludes"},
		{name: "the holder is not told", spoil: func(m *mutant) {
			m.answering(func(_ ctx, _ session.ID, _ session.LockRequest, lock *session.Lock) { lock.Holder = session.Holder{} })
		}, fails: "lock-excludes lock-takeover"},
		{name: "the holder is always told", spoil: func(m *mutant) {
			m.answering(func(_ ctx, _ session.ID, ask session.LockRequest, lock *session.Lock) {
				if lock.Held && !lock.Unclean {
					lock.Holder = ask.Holder
				}
			})
		}, fails: "lock-acquire"},
		{name: "Release frees all sessions of a token", spoil: func(m *mutant) {
			m.answering(func(_ ctx, id session.ID, ask session.LockRequest, _ *session.Lock) {
				ids, _ := m.created.LoadOrStore(ask.Token, &sync.Map{})
				ids.(*sync.Map).Store(id, true)
			})
			m.release = func(ctx ctx, id session.ID, token session.LockToken) error {
				if ids, ok := m.created.Load(token); ok {
					ids.(*sync.Map).Range(func(other, _ any) bool { _ = m.full.Release(ctx, other.(session.ID), token); return true })
				}
				return m.full.Release(ctx, id, token)
			}
		}, fails: "lock-sessions"},
		{name: "Acquire creates a session", spoil: func(m *mutant) {
			m.acquire = func(ctx ctx, id session.ID, ask session.LockRequest) (session.Lock, error) {
				lock, err := m.full.Acquire(ctx, id, ask)
				if errors.Is(err, session.ErrNotFound) {
					rec := session.Record{Version: session.Version{1}, Created: time.Now(), Seen: time.Now(), TTL: time.Hour}
					_ = m.full.Write(ctx, id, rec, session.Version{})
				}
				return lock, err
			}
		}, fails: "lock-absent lock-destroy lock-expired"},
		{name: "Extend of an absent session is lost", spoil: func(m *mutant) {
			m.extend = func(ctx ctx, id session.ID, token session.LockToken, lease time.Duration) error {
				if err := m.full.Extend(ctx, id, token, lease); err != nil {
					return session.ErrLockLost
				}
				return nil
			}
		}, fails: "context-ended lock-absent lock-destroy lock-expired unavailable"},
		{name: "Release frees whoever holds", spoil: func(m *mutant) {
			m.tracked()
			m.release = func(ctx ctx, id session.ID, token session.LockToken) error {
				if h, ok := m.holding(id); ok {
					m.held.Delete(id)
					return m.full.Release(ctx, id, h.Token)
				}
				return m.full.Release(ctx, id, token)
			}
		}, fails: "lock-queue-leave lock-release lock-takeover"},
		{name: "Release does nothing", spoil: func(m *mutant) {
			m.release = func(ctx ctx, _ session.ID, _ session.LockToken) error { return m.full.Ping(ctx) }
		}, fails: `lock-acquire lock-handed lock-overtake lock-queue lock-queue-dead lock-queue-full lock-queue-leave
			lock-queue-none lock-release lock-sessions lock-takeover-queue lock-write lock-write-stranger`},
		{name: "Release of nothing is an error", spoil: func(m *mutant) {
			m.tracked()
			m.release = func(ctx ctx, id session.ID, token session.LockToken) error {
				h, ok := m.holding(id)
				m.freed(id, token)
				if err := m.full.Release(ctx, id, token); err != nil || ok && h.Token == token {
					return err
				}
				return session.ErrLockLost
			}
		}, fails: `close-busy context-ended context-ends lock-absent lock-queue-full lock-queue-leave lock-release
			lock-takeover lock-write-stranger`},
		{name: "the lock outlives the session", spoil: func(m *mutant) {
			m.tracked()
			m.write = func(ctx ctx, id session.ID, rec session.Record, prev session.Version) error {
				err := m.full.Write(ctx, id, rec, prev)
				if h, ok := m.holding(id); ok && err == nil && prev.IsZero() {
					_, err = m.full.Acquire(ctx, id, h.LockRequest)
				}
				return err
			}
		}, fails: "lock-destroy lock-expired"},
		{name: "a locked session cannot be written", spoil: func(m *mutant) {
			m.tracked()
			m.write = func(ctx ctx, id session.ID, rec session.Record, prev session.Version) error {
				if _, locked := m.holding(id); locked {
					return session.ErrLocked
				}
				return m.full.Write(ctx, id, rec, prev)
			}
		}, fails: "lock-acquire lock-destroy lock-expired lock-handed lock-plain lock-write-conflict"},
		{name: "Acquire touches the session", spoil: func(m *mutant) {
			m.answering(func(ctx ctx, id session.ID, _ session.LockRequest, lock *session.Lock) {
				rec := lock.Record
				rec.Seen = rec.Seen.Add(time.Minute)
				_ = m.full.Touch(ctx, id, rec)
			})
		}, fails: `lock-acquire lock-alias lock-expired lock-plain lock-takeover lock-takeover-over lock-write-stranger
			lock-write-too-large`},
		{name: "garbage can be locked", spoil: func(m *mutant) {
			m.answering(func(_ ctx, id session.ID, _ session.LockRequest, _ *session.Lock) { m.garbled.Delete(id) })
		}, fails: "lock-corrupt"},
		{name: "what Acquire gives is kept", spoil: func(m *mutant) {
			var kept sync.Map // by version
			m.answering(func(_ ctx, _ session.ID, _ session.LockRequest, lock *session.Lock) {
				if lock.Held {
					payload, _ := kept.LoadOrStore(lock.Record.Version, lock.Record.Payload)
					lock.Record.Payload = payload.([]byte)
				}
			})
			m.read = func(ctx ctx, id session.ID) (session.Record, error) {
				rec, err := m.full.Read(ctx, id)
				if payload, ok := kept.Load(rec.Version); ok && len(rec.Payload) > 10 {
					rec.Payload = slices.Clone(payload.([]byte))
				}
				return rec, err
			}
		}, fails: "lock-alias"},
	}
}

// lockWriteMutants do something else than WriteRelease should.
func lockWriteMutants() []mutantTest {
	type ctx = context.Context
	return []mutantTest{
		{name: "WriteRelease does not release", spoil: func(m *mutant) {
			m.writeRelease = func(ctx ctx, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
				if err := m.full.Extend(ctx, id, token, time.Hour); err != nil {
					return m.full.WriteRelease(ctx, id, rec, prev, token)
				}
				return m.full.Write(ctx, id, rec, prev)
			}
		}, fails: `lock-handed lock-overtake lock-queue lock-race lock-takeover lock-write lock-write-again
			lock-write-conflict`},
		{name: "WriteRelease only releases", spoil: func(m *mutant) {
			m.writeRelease = func(ctx ctx, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
				cur, err := m.full.Read(ctx, id)
				if err != nil || cur.Version != prev || len(rec.Payload) > maxBytes || m.full.Extend(ctx, id, token, time.Hour) != nil {
					return m.full.WriteRelease(ctx, id, rec, prev, token)
				}
				return m.full.Release(ctx, id, token)
			}
		}, fails: `lock-alias lock-handed lock-lazy lock-queue lock-race lock-takeover lock-write lock-write-again
			lock-write-conflict`},
		{name: "a conflict releases", spoil: func(m *mutant) {
			m.writing(func(ctx ctx, id session.ID, _ session.Record, _ session.Version, token session.LockToken, err error) error {
				if errors.Is(err, session.ErrConflict) {
					_ = m.full.Release(ctx, id, token)
				}
				return err
			})
		}, fails: "lock-write-conflict"},
		{name: "too large releases", spoil: func(m *mutant) {
			m.writing(func(ctx ctx, id session.ID, _ session.Record, _ session.Version, token session.LockToken, err error) error {
				if errors.Is(err, session.ErrTooLarge) {
					_ = m.full.Release(ctx, id, token)
				}
				return err
			})
		}, fails: "lock-write-too-large"},
		{name: "the holder's write knows no conflict", spoil: func(m *mutant) {
			m.writing(func(ctx ctx, id session.ID, rec session.Record, _ session.Version, token session.LockToken, err error) error {
				if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
					return m.full.WriteRelease(ctx, id, rec, conflict.Newest.Version, token)
				}
				return err
			})
		}, fails: "lock-write-conflict"},
		{name: "the holder's conflict has the refused record", spoil: func(m *mutant) {
			m.writing(func(_ ctx, _ session.ID, rec session.Record, _ session.Version, _ session.LockToken, err error) error {
				if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
					conflict.Newest = rec
				}
				return err
			})
		}, fails: "lock-write-conflict"},
		{name: "repeated WriteRelease is lost", spoil: func(m *mutant) {
			m.writeRelease = func(ctx ctx, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
				if err := m.full.Extend(ctx, id, token, time.Hour); err != nil {
					return err
				}
				return m.full.WriteRelease(ctx, id, rec, prev, token)
			}
		}, fails: "lock-write-again"},
		{name: "WriteRelease of what is stored keeps the lock", spoil: func(m *mutant) {
			m.writeRelease = func(ctx ctx, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
				if cur, err := m.full.Read(ctx, id); err == nil && cur.Version == rec.Version {
					return nil
				}
				return m.full.WriteRelease(ctx, id, rec, prev, token)
			}
		}, fails: "lock-write-again"},
		{name: "repeated WriteRelease frees whoever holds", spoil: func(m *mutant) {
			m.tracked()
			m.writing(func(ctx ctx, id session.ID, _ session.Record, _ session.Version, _ session.LockToken, err error) error {
				if h, ok := m.holding(id); ok && err == nil {
					m.held.Delete(id)
					return m.full.Release(ctx, id, h.Token)
				}
				return err
			})
		}, fails: "lock-race? lock-write-again"},
		{name: "WriteRelease needs no lock", spoil: func(m *mutant) {
			m.writing(func(ctx ctx, id session.ID, rec session.Record, prev session.Version, _ session.LockToken, err error) error {
				if errors.Is(err, session.ErrLockLost) {
					return m.full.Write(ctx, id, rec, prev)
				}
				return err
			})
		}, fails: "lock-race? lock-destroy lock-takeover lock-takeover-over lock-write-again lock-write-stranger"},
		{name: "WriteRelease needs no lock that nobody has", spoil: func(m *mutant) {
			m.tracked()
			m.writing(func(ctx ctx, id session.ID, rec session.Record, prev session.Version, _ session.LockToken, err error) error {
				if _, locked := m.holding(id); errors.Is(err, session.ErrLockLost) && !locked {
					return m.full.Write(ctx, id, rec, prev)
				}
				return err
			})
		}, fails: "lock-race? lock-takeover-over lock-write-again lock-write-stranger"},
		{name: "WriteRelease creates", spoil: func(m *mutant) {
			m.writing(func(ctx ctx, id session.ID, rec session.Record, prev session.Version, _ session.LockToken, err error) error {
				if errors.Is(err, session.ErrNotFound) && prev.IsZero() && time.Now().Before(rec.Deadline()) {
					return m.full.Write(ctx, id, rec, prev)
				}
				return err
			})
		}, fails: "lock-absent"},
		{name: "WriteRelease revives", spoil: func(m *mutant) {
			m.writing(func(ctx ctx, id session.ID, rec session.Record, prev session.Version, _ session.LockToken, err error) error {
				if errors.Is(err, session.ErrNotFound) && !prev.IsZero() && time.Now().Before(rec.Deadline()) {
					return m.full.Write(ctx, id, rec, session.Version{})
				}
				return err
			})
		}, fails: "lock-absent lock-destroy lock-expired"},
	}
}
