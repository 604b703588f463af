package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"unicode/utf8"
)

// Login is what Session.Bind has to know.
type Login struct {
	// Subject names the user: what does not change when his name or address does, such as the number of his account.
	Subject string
	// Attributes are shown in the list of the subject's sessions, to tell them apart: device, address. They are kept beside the
	// sessions, not in them. At most 8, and what is longer than 256 bytes is cut.
	Attributes map[string]string
	// Epoch is what Manager.SubjectEpoch returned before the credentials were looked at. If the subject's sessions have
	// been ended since, the login is refused. Zero: since Bind.
	Epoch Epoch
	// Remembered says that the user has shown no password, but a credential that remembers him (package core/remember). The
	// session is bound and renewed all the same, but AuthenticatedAt is zero, so that RequireFresh asks for the password, and
	// the absolute lifetime goes on.
	Remembered bool
	// Methods are how the user was authenticated, see Session.Authenticated. At most 8, of at most 32 bytes each.
	Methods []string
	// ProviderSession names the session at an identity provider that the login comes from, for Manager.EndProviderSession:
	// with OpenID Connect the issuer and the sid of the ID token, such as iss + " " + sid. The session also ends with that one
	// then. It costs the login one more read and write of the store.
	ProviderSession string
}

const (
	maxAttributes     = 8
	maxAttributeBytes = 256

	noteSubject = "\x00subject" // 32 bytes, the ID of the index; 12 bytes, the handle in it
)

// binding is what is left to be done at the commit.
type binding struct {
	subject    ID
	handle     string
	attributes map[string]string
	provider   []byte // the ID of its session's index, if there is one
	epoch      Epoch
	index      *subjectIndex // as it was read by Bind; used once
}

// Bind makes the session one of a user's, at a login: Manager.SubjectSessions lists it, and it can be ended from elsewhere. It
// renews the session, and AuthenticatedAt is now; the absolute lifetime counts from now (ASVS 7.3.2), unless SetLimits is
// called too. A session that is bound to another subject moves over.
//
// Bind reads the subject's index, and the commit writes it, after the session and before the visitor has its new token; so
// nobody ever has a session that the index does not know. Nothing else costs more because a session is bound, but for
// renewals, which write the index too.
//
// ErrTooManySessions says that Options.Subjects.RefuseNewest forbids one more, and ErrNotFound that Login.Epoch is over. Then,
// as the session is not bound, its commit fails with the same error if there is anything to store: call Bind before you store
// who the visitor is. Either may still come at the commit, when another request was faster. Other errors are those of the
// store and of Key.Set; the commit fails with them.
func (s *Session) Bind(l Login) error {
	b, err := s.prepare(l)
	if err == nil {
		err = s.admit(b, l.Epoch)
	}
	s.lock()
	defer s.mu.Unlock()
	if late := s.writable("bind", ""); late != nil {
		return late
	}
	s.unbound = nil
	switch {
	case answered(err, ErrTooManySessions), answered(err, ErrNotFound):
		s.unbound = wrap("bind", err)
		return s.unbound
	case err != nil:
		return s.failed("bind", err)
	}
	s.binding = b
	s.note(noteSubject, noteOfSubject(b.subject, b.handle))
	s.unnote(noteMethods) // they may be another user's
	if !l.Remembered {
		s.authenticated(l.Methods)
		return nil
	}
	s.renew = true
	s.unnote(noteAuth)
	return nil
}

// prepare checks a Login and finds the handle.
func (s *Session) prepare(l Login) (*binding, error) {
	if l.Subject == "" {
		return nil, errors.New("Login.Subject is empty")
	}
	if len(l.Attributes) > maxAttributes {
		return nil, fmt.Errorf("Login.Attributes: %d are more than %d", len(l.Attributes), maxAttributes)
	}
	switch err := checkMethods(l.Methods); {
	case err != nil:
		return nil, fmt.Errorf("Login.Methods: %w", err)
	case l.Remembered && len(l.Methods) > 0:
		return nil, errors.New("Login.Methods: a user who is Remembered has shown none")
	}
	b := &binding{subject: subjectID(l.Subject), attributes: maps.Clone(l.Attributes)}
	if l.ProviderSession != "" {
		id := providerID(l.ProviderSession)
		b.provider = id[:]
	}
	for name, value := range b.attributes {
		if len(name) > maxAttributeBytes {
			return nil, errors.New("Login.Attributes: a name is too long")
		}
		b.attributes[strings.Clone(name)] = cutText(value)
	}
	s.lock()
	defer s.mu.Unlock()
	if err := s.writable("bind", ""); err != nil {
		return nil, err
	}
	if index, handle, ok := s.subject(); ok && index == b.subject { // the same user once more
		b.handle = handle
		return b, nil
	}
	var raw [handleBytes]byte
	if _, err := io.ReadFull(s.m.random, raw[:]); err != nil {
		return nil, fmt.Errorf("draw a handle: %w", err)
	}
	b.handle = base64.RawURLEncoding.EncodeToString(raw[:])
	return b, nil
}

// cutText is a copy of an attribute that is not too long.
func cutText(text string) string {
	if len(text) > maxAttributeBytes {
		text = text[:maxAttributeBytes]
		for len(text) > 0 && !utf8.RuneStart(text[len(text)-1]) { // the last character may be cut
			text = text[:len(text)-1]
		}
		if len(text) > 0 {
			text = text[:len(text)-1]
		}
	}
	return strings.ToValidUTF8(strings.Clone(text), "")
}

// admit reads the index and decides early what the commit will decide again.
func (s *Session) admit(b *binding, since Epoch) error {
	ctx, cancel := context.WithTimeout(s.ctx, s.m.o.ReadTimeout)
	defer cancel()
	x, err := s.m.index(ctx, b.subject)
	if answered(err, ErrCorrupt) && !s.m.o.RejectCorrupt { // nobody is locked out for ever by one bad record
		s.observe(Event{Kind: EventUndecodable, Op: "bind", Err: err})
		if err = s.m.remove(ctx, b.subject); err == nil {
			x = new(subjectIndex)
		}
	}
	if err != nil {
		return err
	}
	if b.epoch, err = s.m.epoch(ctx, x); err != nil {
		return err
	}
	if !since.isZero() && b.epoch != since {
		return errEnded()
	}
	b.index = x
	if e := x.entry(b.handle); e == nil && s.m.o.Subjects.RefuseNewest {
		return s.m.makeRoom(ctx, x)
	}
	return nil
}

func errEnded() error {
	return fmt.Errorf("%w: the sessions of its subject were ended meanwhile", ErrNotFound)
}

// Handle names the session in the list of its subject's sessions; "" if it is not bound to any.
func (s *Session) Handle() string {
	s.lock()
	defer s.mu.Unlock()
	_, handle, _ := s.subject()
	return handle
}

// subject is what the session is bound to, as far as the request knows.
func (s *Session) subject() (index ID, handle string, ok bool) {
	return cutSubject(s.noted(noteSubject))
}

// noted is a note as the request has changed it.
func (s *Session) noted(name string) []byte {
	if i := s.changes.index(name); i >= 0 {
		return s.changes[i].value
	}
	note, _ := find(s.rec.Payload, name)
	return note
}

// enroll writes the id that the data of a bound session was stored under into the index of its subject. It comes before anybody
// gets the token, and before the old id is dead: so if it fails, all is as it was.
func (s *Session) enroll(ctx context.Context, rec *Record, fresh ID) error {
	note, _ := find(rec.Payload, noteSubject)
	subject, handle, ok := cutSubject(note)
	if !ok {
		return nil
	}
	b := s.binding
	if b != nil && (b.subject != subject || b.handle != handle) {
		b = nil
	}
	var current ID
	if old, _ := find(s.rec.Payload, noteSubject); string(old) == string(note) {
		current = s.id
	}
	var known *subjectIndex
	if b != nil {
		known, b.index = b.index, nil
	}
	var provider []byte // if it has to hear
	x, err := s.m.amend(ctx, subject, known, func(x *subjectIndex) error {
		if err := s.m.welcome(ctx, x, handle, b); err != nil {
			return err
		}
		e := x.make(handle) // of a renewal too: the index may have been lost, and a session that was ended cannot be renewed
		provider = nil
		if later := e.outlive(rec.Expires); later || b != nil {
			provider = e.enter(rec, b)
		}
		e.add(current, fresh)
		return nil
	})
	if err == nil {
		err = s.m.finish(ctx, subject, x)
	}
	if err != nil || provider == nil {
		return err
	}
	return s.m.enlist(ctx, ID(provider), subject, rec.Expires)
}

// welcome decides whether a session may be in an index, by a login if b is not nil.
func (m *Manager) welcome(ctx context.Context, x *subjectIndex, handle string, b *binding) error {
	e := x.entry(handle)
	epoch, err := m.epoch(ctx, x)
	switch {
	case err != nil:
		return err
	case b != nil && epoch != b.epoch, e != nil && e.ended:
		return errEnded()
	case e == nil && b != nil:
		return m.makeRoom(ctx, x)
	}
	return nil
}

// enter notes what a record and a login tell of a session. It returns the provider's session that it belongs to.
func (e *indexed) enter(rec *Record, b *binding) (provider []byte) {
	if e.Created == 0 || b != nil {
		e.Created, e.Era = millisOf(rec, noteAuth), eraOf(rec)
	}
	if b != nil {
		e.Attributes, e.Provider = b.attributes, b.provider
	}
	return e.Provider
}

func millisOf(rec *Record, name string) int64 {
	if note, ok := find(rec.Payload, name); ok {
		d, _ := cutMillis(note)
		return max(d.Milliseconds(), 1)
	}
	return rec.Created.UnixMilli()
}

// prolong tells the index of a bound session that its absolute end is about to change.
func (s *Session) prolong(ctx context.Context) error {
	rec := s.rec
	rec.Payload, _ = s.changes.splice(rec.Payload)
	s.m.stamp(&rec)
	return s.enroll(ctx, &rec, s.id)
}

// leaveSubject removes a session that was destroyed from the index of its subject. Nobody waits for it: if it fails, who looks
// there finds that the session has ended.
func (s *Session) leaveSubject(note []byte) {
	subject, handle, ok := cutSubject(note)
	if !ok {
		return
	}
	s.m.later(func(ctx context.Context) error {
		_, err := s.m.amend(ctx, subject, nil, func(x *subjectIndex) error { x.remove(handle); return nil })
		return err
	})
}
