package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// SubjectOptions are about the sessions of one subject: somebody whom Session.Bind has bound sessions to.
type SubjectOptions struct {
	// Max is how many sessions a subject may have at once, 1 to 1,000. Default 100. It holds under parallel logins too
	// (ASVS 7.1.2).
	Max int
	// RefuseNewest makes Bind fail with ErrTooManySessions when the subject has Max sessions. By default it ends the oldest one.
	RefuseNewest bool
}

const (
	defaultMaxSessions = 100
	mostSessions       = 1000
)

func (o SubjectOptions) withDefaults() SubjectOptions {
	if o.Max == 0 {
		o.Max = defaultMaxSessions
	}
	return o
}

func (o SubjectOptions) check() error {
	if o.Max < 1 || o.Max > mostSessions {
		return fmt.Errorf("Subjects.Max: %d is not within 1 and %d", o.Max, mostSessions)
	}
	return nil
}

// ErrTooManySessions says that a subject has as many sessions as Options.Subjects allows, so that no other one can be bound to
// it: one of them must end first.
var ErrTooManySessions = errors.New("too many sessions of this subject")

// SubjectSession is one session in the list of a subject's.
type SubjectSession struct {
	// Handle names the session in this list, and nowhere else: it is not the token, nor the ID. Compare it with
	// Session.Handle to find the session of the request.
	Handle string
	// Created is when the session was bound, that is the time of the login.
	Created time.Time
	// Seen is when the session was last used, give or take Options.TouchInterval.
	Seen time.Time
	// Deadline is when the session ends unless it is used before.
	Deadline time.Time
	// Attributes are those that Bind was given.
	Attributes map[string]string
}

// SubjectSessions returns the sessions of a subject, the oldest first (ASVS 7.5.2). Those that have expired or ended are not
// among them, and are forgotten. It reads each of the sessions; it ends with ctx, and each read has Options.ReadTimeout.
func (m *Manager) SubjectSessions(ctx context.Context, subject string) ([]SubjectSession, error) {
	id := subjectID(subject)
	x, err := m.index(ctx, id)
	if err != nil {
		return nil, wrap("list", err)
	}
	if err := m.finish(ctx, id, x); err != nil { // what somebody else has begun to end
		return nil, wrap("list", err)
	}
	found, err := m.findSessions(ctx, x.living())
	if err != nil {
		return nil, wrap("list", err)
	}
	list := make([]SubjectSession, 0, len(found))
	dead := false
	for _, e := range x.living() {
		rec, ok := found[e]
		dead = dead || !ok
		if ok {
			list = append(list, SubjectSession{e.handle, time.UnixMilli(e.Created), rec.Seen, rec.Deadline(), e.Attributes})
		}
	}
	if dead {
		// Whatever was added since is in the newer index, and so is what a renewal has made of these.
		_, _ = m.amend(ctx, id, nil, func(x *subjectIndex) error { return m.heal(ctx, x) })
	}
	return list, nil
}

// Epoch tells the times before and after the end of all sessions of a subject apart, be it by EndEverything.
type Epoch [16]byte

func (e Epoch) isZero() bool { return e == Epoch{} }

// now is the epoch that the index is in. It is never zero, so that the first end is told from none.
func (x *subjectIndex) now() Epoch {
	if x.epoch.isZero() {
		return Epoch{0xff}
	}
	return x.epoch
}

// nextEpoch ends the epoch of an index: a login that is on its way is refused.
func (m *Manager) nextEpoch(x *subjectIndex) {
	x.epoch = Epoch(m.versions.next(now(), Version(x.epoch)))
}

// SubjectEpoch returns the epoch of a subject, for Login.Epoch: read it before you look at the credentials.
func (m *Manager) SubjectEpoch(ctx context.Context, subject string) (Epoch, error) {
	ctx, cancel := context.WithTimeout(ctx, m.o.ReadTimeout)
	defer cancel()
	x, err := m.index(ctx, subjectID(subject))
	if err != nil {
		return Epoch{}, wrap("epoch", err)
	}
	epoch, err := m.epoch(ctx, x)
	return epoch, wrap("epoch", err)
}

// EndSession ends the session that the list of a subject's has under a handle, on every node, whatever requests of it are
// running. A session that is not there is no error. For the session of the request itself use Session.Destroy, which
// deletes the cookie too.
//
// Errors are those of the store. After one the session may live on; whoever looks at the subject's sessions next finishes what
// was begun. What was begun does not end with ctx.
func (m *Manager) EndSession(ctx context.Context, subject, handle string) error {
	return m.endWhere(ctx, subjectID(subject), false, func(e *indexed) bool { return e.handle == handle })
}

// EndOtherSessions ends all sessions of a subject but one: offer it after a change of the password or of another factor
// (ASVS 7.4.3). handle is that of the session to keep, see Session.Handle. A login that is on its way is refused, as with
// EndAllSessions. Errors are those of EndSession.
func (m *Manager) EndOtherSessions(ctx context.Context, subject, handle string) error {
	return m.endWhere(ctx, subjectID(subject), true, func(e *indexed) bool { return e.handle != handle })
}

// EndAllSessions ends all sessions of a subject (ASVS 7.4.2, 7.4.5). It is complete: a session that is being bound at the
// same time, on any node, is either among them, or its Bind began after and counts as a later login, or its commit fails.
// A login that has seen the old credentials must not count as later: give Bind the Epoch from before. Errors are those of
// EndSession.
func (m *Manager) EndAllSessions(ctx context.Context, subject string) error {
	return m.endWhere(ctx, subjectID(subject), true, func(*indexed) bool { return true })
}

// endWhere marks sessions in the index first, in one step, then ends them, then removes them from the index.
func (m *Manager) endWhere(ctx context.Context, id ID, all bool, which func(*indexed) bool) error {
	ctx = context.WithoutCancel(ctx)
	x, err := m.amend(ctx, id, nil, func(x *subjectIndex) error {
		if all {
			m.nextEpoch(x)
		}
		for _, e := range x.entries {
			e.ended = e.ended || which(e)
		}
		return nil
	})
	if err == nil {
		err = m.finish(ctx, id, x)
	}
	if err != nil {
		m.observe(ctx, Event{Kind: EventFailed, Op: "end", Err: withoutRecord(err)})
	}
	return wrap("end", err)
}

// makeRoom keeps the sessions in an index within Max, when one more is to come.
func (m *Manager) makeRoom(ctx context.Context, x *subjectIndex) error {
	o := &m.o.Subjects
	if len(x.living()) < o.Max {
		return nil
	}
	if err := m.heal(ctx, x); err != nil {
		return err
	}
	living := x.living() // the oldest first
	if len(living) < o.Max {
		return nil
	}
	if o.RefuseNewest {
		return ErrTooManySessions
	}
	for _, e := range slices.Clip(living[:len(living)+1-o.Max]) {
		e.ended = true
	}
	return nil
}
