package sessiontest_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// lockQueueMutants have a queue that is none.
func lockQueueMutants() []mutantTest {
	type ctx = context.Context
	return []mutantTest{
		{name: "there is no queue", spoil: func(m *mutant) {
			m.asking(func(ask *session.LockRequest) { ask.Wait = 0 })
			m.answering(func(_ ctx, _ session.ID, _ session.LockRequest, lock *session.Lock) { lock.Retry = time.Millisecond })
		}, fails: "lock-overtake lock-queue? lock-queue-full lock-takeover-queue?"},
		{name: "waiters do not leave", spoil: func(m *mutant) {
			m.tracked()
			m.release = func(ctx ctx, id session.ID, token session.LockToken) error {
				if h, ok := m.holding(id); ok && h.Token != token {
					return m.full.Ping(ctx)
				}
				m.held.Delete(id)
				return m.full.Release(ctx, id, token)
			}
		}, fails: "lock-queue-full lock-queue-leave"},
		{name: "waiters never die", spoil: func(m *mutant) { m.immortal() },
			fails: "lock-handed? lock-queue? lock-queue-dead lock-queue-leave? lock-race?"}, // its own queue is not quite atomic
		{name: "who does not wait has a place too", spoil: func(m *mutant) {
			m.asking(func(ask *session.LockRequest) { ask.Wait = time.Hour })
		}, fails: `lock-handed lock-overtake lock-queue-none lock-release lock-takeover lock-write-again
			lock-write-conflict`},
		{name: "the queue has no end", spoil: func(m *mutant) {
			m.acquire = func(ctx ctx, id session.ID, ask session.LockRequest) (session.Lock, error) {
				lock, err := m.full.Acquire(ctx, id, ask)
				if errors.Is(err, session.ErrLocked) {
					lock.Retry, err = time.Second, nil
				}
				return lock, err
			}
		}, fails: "lock-queue-full"},
		{name: "the queue is short", spoil: func(m *mutant) {
			var waiting sync.Map // id -> how often somebody has asked
			m.acquire = func(ctx ctx, id session.ID, ask session.LockRequest) (session.Lock, error) {
				n, _ := waiting.LoadOrStore(id, new(atomic.Int32))
				if n.(*atomic.Int32).Add(1) > session.MaxLockQueue/2 && ask.Wait > 0 {
					return session.Lock{}, session.ErrLocked
				}
				return m.full.Acquire(ctx, id, ask)
			}
		}, fails: "lock-queue-full"},
		{name: "who finds the queue full is not told of the holder", spoil: func(m *mutant) {
			m.acquire = func(ctx ctx, id session.ID, ask session.LockRequest) (session.Lock, error) {
				lock, err := m.full.Acquire(ctx, id, ask)
				if err != nil {
					return session.Lock{}, err
				}
				return lock, nil
			}
		}, fails: "lock-queue-full"},
		{name: "waiters are not told when to ask", spoil: func(m *mutant) {
			m.answering(func(_ ctx, _ session.ID, _ session.LockRequest, lock *session.Lock) { lock.Retry = 0 })
		}, fails: "lock-destroy lock-handed lock-queue lock-queue-dead lock-queue-leave lock-race lock-takeover-queue"},
		{name: "Wake hands over as it should", spoil: func(m *mutant) { m.handing(func(_, _ *session.Lock) {}) }, fails: ""},
		{name: "Wake hands over an old record", spoil: func(m *mutant) {
			m.handing(func(asked, lock *session.Lock) { lock.Record = asked.Record })
		}, fails: "lock-handed lock-race"},
		{name: "Wake hands over without an end", spoil: func(m *mutant) {
			m.handing(func(_, lock *session.Lock) { lock.Expires = time.Time{} })
		}, fails: "lock-handed lock-queue lock-queue-leave lock-race"},
		{name: "Wake hands over for too long", spoil: func(m *mutant) {
			m.handing(func(_, lock *session.Lock) { lock.Expires = lock.Expires.Add(time.Hour) })
		}, fails: "lock-handed lock-queue lock-queue-leave lock-race"},
		{name: "Wake hands over what is another one's", spoil: func(m *mutant) {
			m.answering(func(ctx ctx, id session.ID, ask session.LockRequest, lock *session.Lock) {
				if lock.Wake == nil {
					return
				}
				wake := make(chan session.Lock, 1)
				var handed session.Lock
				m.lend(ctx, id, &handed)
				handed.Expires = time.Now().Add(ask.Lease)
				wake <- handed
				lock.Wake = wake
			})
		}, fails: "lock-destroy lock-handed lock-queue-dead lock-queue? lock-race? lock-takeover-queue?"},
		{name: "Acquire looks, then takes", spoil: func(m *mutant) {
			m.tracked()
			inner := m.acquire
			m.acquire = func(ctx ctx, id session.ID, ask session.LockRequest) (session.Lock, error) {
				_, locked := m.holding(id)
				time.Sleep(time.Microsecond)
				lock, err := inner(ctx, id, ask)
				if err == nil && !locked {
					m.lend(ctx, id, &lock)
				}
				return lock, err
			}
		}, fails: "lock-overtake lock-race"},
	}
}

// immortal makes the mutant keep a queue of its own, whose places are never lost.
func (m *mutant) immortal() {
	m.tracked()
	acquire, release := m.acquire, m.release
	m.acquire = func(ctx context.Context, id session.ID, ask session.LockRequest) (session.Lock, error) {
		place, length := m.place(id, ask)
		ask.Wait = 0
		if h, ok := m.holding(id); place != 0 && length > 0 && (!ok || !time.Now().Before(h.end)) {
			return session.Lock{Retry: 10 * time.Millisecond}, nil
		}
		lock, err := acquire(ctx, id, ask)
		switch {
		case err != nil:
			return lock, err
		case lock.Held:
			m.leave(id, ask.Token)
		case place >= session.MaxLockQueue:
			return lock, session.ErrLocked
		}
		lock.Retry = 10 * time.Millisecond
		return lock, nil
	}
	m.release = func(ctx context.Context, id session.ID, token session.LockToken) error {
		m.leave(id, token)
		return release(ctx, id, token)
	}
}

// place returns the place of a waiter in the queue of immortal, or -1, and how long that is. It takes one if need be.
func (m *mutant) place(id session.ID, ask session.LockRequest) (place, length int) {
	m.queued.Lock()
	defer m.queued.Unlock()
	queue := m.queue[id]
	place = slices.Index(queue, ask.Token)
	if place < 0 && ask.Wait > 0 {
		if place = len(queue); place < session.MaxLockQueue {
			queue = append(queue, ask.Token)
		}
		if m.queue == nil {
			m.queue = make(map[session.ID][]session.LockToken)
		}
		m.queue[id] = queue
	}
	return place, len(queue)
}

func (m *mutant) leave(id session.ID, token session.LockToken) {
	m.queued.Lock()
	defer m.queued.Unlock()
	if queue := m.queue[id]; len(queue) > 0 {
		m.queue[id] = slices.DeleteFunc(queue, func(t session.LockToken) bool { return t == token })
	}
}

// lockLeaseMutants measure leases wrongly.
func lockLeaseMutants() []mutantTest {
	type ctx = context.Context
	return []mutantTest{
		{name: "leases do not end", spoil: func(m *mutant) {
			m.asking(func(ask *session.LockRequest) { ask.Lease = 30 * 24 * time.Hour })
		}, fails: "lock-lease lock-takeover lock-takeover-over lock-takeover-queue lock-takeover-race"},
		{name: "Extend does nothing", spoil: func(m *mutant) {
			m.extend = func(ctx ctx, id session.ID, token session.LockToken, _ time.Duration) error {
				return m.full.Extend(ctx, id, token, 0)
			}
		}, fails: "lock-lease"},
		{name: "Acquire again gives no fresh lease", spoil: func(m *mutant) {
			m.tracked()
			inner := m.acquire
			m.acquire = func(ctx ctx, id session.ID, ask session.LockRequest) (session.Lock, error) {
				if h, ok := m.holding(id); ok && h.Token == ask.Token {
					ask.Lease = time.Until(h.end)
					return m.full.Acquire(ctx, id, ask)
				}
				return inner(ctx, id, ask)
			}
		}, fails: "lock-lease"},
		{name: "a lease that ends is lost", spoil: func(m *mutant) {
			m.tracked()
			over := func(id session.ID, token session.LockToken) bool {
				h, ok := m.holding(id)
				return ok && h.Token == token && time.Now().After(h.end)
			}
			inner := m.writeRelease
			m.writeRelease = func(ctx ctx, id session.ID, rec session.Record, prev session.Version, token session.LockToken) error {
				if over(id, token) {
					return session.ErrLockLost
				}
				return inner(ctx, id, rec, prev, token)
			}
			m.extend = func(ctx ctx, id session.ID, token session.LockToken, lease time.Duration) error {
				if over(id, token) {
					return session.ErrLockLost
				}
				return m.full.Extend(ctx, id, token, lease)
			}
		}, fails: "lock-lazy"},
		{name: "a takeover is not told", spoil: func(m *mutant) {
			m.answering(func(_ ctx, _ session.ID, _ session.LockRequest, lock *session.Lock) { lock.Unclean = false })
		}, fails: "lock-takeover lock-takeover-queue"},
		{name: "every lock is told to be a takeover", spoil: func(m *mutant) {
			m.answering(func(_ ctx, _ session.ID, _ session.LockRequest, lock *session.Lock) { lock.Unclean = lock.Held })
		}, fails: `lock-acquire lock-lazy lock-queue lock-queue-dead lock-queue-leave lock-release lock-takeover
			lock-takeover-queue lock-write`},
		{name: "a takeover is told once", spoil: func(m *mutant) {
			m.answering(func(_ ctx, id session.ID, _ session.LockRequest, lock *session.Lock) {
				if _, told := m.created.LoadOrStore(id, true); told {
					lock.Unclean = false
				}
			})
		}, fails: "lock-takeover lock-takeover-queue"},
		{name: "a takeover goes on being told", spoil: func(m *mutant) {
			m.answering(func(_ ctx, id session.ID, _ session.LockRequest, lock *session.Lock) {
				if lock.Unclean {
					m.created.Store(id, true)
				} else if _, told := m.created.Load(id); told {
					lock.Unclean = lock.Held
				}
			})
		}, fails: "lock-takeover lock-takeover-queue"},
		{name: "Extend of a former holder works", spoil: func(m *mutant) {
			m.extend = func(ctx ctx, id session.ID, token session.LockToken, lease time.Duration) error {
				err := m.full.Extend(ctx, id, token, lease)
				if errors.Is(err, session.ErrLockLost) {
					return nil
				}
				return err
			}
		}, fails: "lock-takeover lock-takeover-over lock-write-stranger"},
		{name: "all heirs get the lock", spoil: func(m *mutant) {
			m.tracked()
			inner := m.acquire
			m.acquire = func(ctx ctx, id session.ID, ask session.LockRequest) (session.Lock, error) {
				h, ok := m.holding(id)
				over := ok && time.Now().After(h.end)
				time.Sleep(time.Microsecond)
				lock, err := inner(ctx, id, ask)
				if err == nil && over && !lock.Held && ask.Wait <= 0 {
					m.lend(ctx, id, &lock)
				}
				return lock, err
			}
		}, fails: "lock-lease lock-takeover-race"},
	}
}
