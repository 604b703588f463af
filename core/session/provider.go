package session

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"time"
)

// The index of a provider's session is a subjectIndex whose entries are subjects, in practice one. It says whose indices have
// sessions with this Provider; that the provider's session has ended is its epoch, which is zero until then.

// providerID is where the index of a provider's session is kept.
func providerID(name string) (id ID) {
	mac := hmac.New(sha256.New, []byte("nonstick: a session at a provider"))
	mac.Write([]byte(name))
	return ID(mac.Sum(nil))
}

// EndProviderSession ends all sessions that were bound with this Login.ProviderSession, on every node, whoever their subjects are:
// for a logout token that has a sid and no sub (OpenID Connect Back-Channel Logout 1.0, 2.4). Check the token first. One
// that has a sub and no sid means EndAllSessions.
//
// It is complete: a login with this ProviderSession that is on its way is refused, as is any in the 24 hours after it. A
// session whose user has logged in again since, from another ProviderSession, goes on. A ProviderSession without sessions is
// no error. Errors are those of the store. After one some sessions may live on: call it again, or answer the provider with an
// error, so that it does.
func (m *Manager) EndProviderSession(ctx context.Context, providerSession string) error {
	ctx, id := context.WithoutCancel(ctx), providerID(providerSession)
	x, err := m.amend(ctx, id, nil, func(x *subjectIndex) error { m.nextEpoch(x); return nil })
	if err != nil {
		m.observe(ctx, Event{Kind: EventFailed, Op: "end", Err: withoutRecord(err)})
		return wrap("end", err)
	}
	for _, e := range x.entries {
		for _, subject := range e.ids {
			if err := m.endProvided(ctx, subject.id, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// endProvided ends the sessions of a subject that came from a provider's session.
func (m *Manager) endProvided(ctx context.Context, subject, provider ID) error {
	return m.endWhere(ctx, subject, false, func(e *indexed) bool { return bytes.Equal(e.Provider, provider[:]) })
}

// enlist writes into the index of a provider's session that a subject has a session from it. The subject's index knows that
// session already: so of enlist and EndProviderSession, whichever comes later finds what the other has written.
func (m *Manager) enlist(ctx context.Context, provider, subject ID, end time.Time) error {
	ended := false
	_, err := m.amend(ctx, provider, nil, func(x *subjectIndex) error {
		if ended = !x.epoch.isZero(); ended {
			return errEnded()
		}
		e := x.make(base64.RawURLEncoding.EncodeToString(subject[:handleBytes]))
		e.outlive(end)
		if e.Created == 0 {
			e.Created = now().UnixMilli()
		}
		e.add(subject, ID{})
		return nil
	})
	if ended {
		if failed := m.endProvided(ctx, subject, provider); failed != nil {
			return failed
		}
	}
	return err
}
