// Package remember keeps users logged in for longer than their sessions live: "remember me", as a credential of its own.
//
// A credential is a cookie and what the store has for it. The cookie holds a key, by which the credential is found, and a
// validator, of both of which the store has hashes alone. Each use replaces the validator. So a cookie that was copied is found out:
// when the owner and the thief have both used it, one of them shows a validator that was replaced before. Then all credentials
// of the user end, and Use returns ErrStolen (Barry Jaspan, "Improved Persistent Login Cookie Best Practice").
//
// Two tabs that a browser opens at once show the same cookie. For a short time, Options.Grace, the replaced validator is
// therefore taken too, and both tabs get the same new cookie. A visitor who never got that, because the connection broke, and
// who comes back later than Grace, cannot be told from a thief either: he has to log in again.
//
// Credentials are kept in any session.Handler, beside the sessions or elsewhere: one record for each user. Who reads the store
// sees hashes, times, and how long the name of the user is, which is encrypted with the key in the cookie (AES-256-GCM); who can
// guess the name can find the record by it. The clocks of the nodes should differ by less than Grace.
package remember

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// ErrStolen says that a credential was used by two who do not know of each other. All credentials of its user have ended.
var ErrStolen = errors.New("remember: credential was used twice, by its owner and by somebody else")

// Options configure Logins. The zero value has sensible defaults.
type Options struct {
	// Cookie is how the credential travels, as for sessions; the default names are "__Host-remember", "__Secure-remember" and
	// "remember". It is always HttpOnly and Persistent.
	Cookie session.Cookie
	// Lifetime is how long a login is remembered, counted from Issue, whatever its use. Default 30 days; at least a minute, at
	// most 400 days, for which browsers keep a cookie (RFC 6265bis 5.5).
	Lifetime time.Duration
	// Grace is for how long a validator that was replaced is still taken. Default 30 seconds; at most 5 minutes. Within it a
	// theft goes unnoticed until the next use. Negative: none.
	Grace time.Duration
}

// Logins are the remembered logins. Make them with New. They are safe for concurrent use.
type Logins struct {
	sessions *session.Manager
	store    session.Handler
	o        Options
}

// New returns the Logins that begin sessions of a Manager: its EndEverything ends them too (ASVS 7.4.5), and fails as long as it
// has no session.Options.EraInterval. They are kept in a store, which may be the Manager's and is not taken over: close it after
// the last use. The options are checked, and an error names the field that is wrong.
func New(sessions *session.Manager, store session.Handler, o Options) (*Logins, error) {
	if sessions == nil || store == nil {
		return nil, errors.New("remember: the Manager or the store is nil")
	}
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Logins{sessions, store, o}, nil
}

// Epoch tells the times before and after EndAll of a user apart.
type Epoch [16]byte

// Epoch returns the epoch of a user, for Issue: read it before you look at the password. Errors are those of the store.
func (l *Logins) Epoch(ctx context.Context, subject string) (Epoch, error) {
	if subject == "" {
		return Epoch{}, errNoSubject()
	}
	b, err := l.read(ctx, locate(subject))
	if err != nil {
		return Epoch{}, wrap("epoch", err)
	}
	return b.epoch, nil
}

// Issue makes a credential for a user who has just logged in and wants to be remembered, and returns its cookie. subject names
// the user as in session.Login. If all credentials of the user have been ended since epoch was read, the error is
// session.ErrNotFound. A user has 50 credentials at most; of more, the oldest are dropped. Other errors are those of the store.
func (l *Logins) Issue(ctx context.Context, subject string, epoch Epoch) (*http.Cookie, error) {
	if subject == "" {
		return nil, errNoSubject()
	}
	era, err := l.sessions.Era(ctx)
	if err != nil {
		return nil, wrap("issue", err)
	}
	t := newToken(locate(subject))
	begin := time.Now()
	end := begin.Add(l.o.Lifetime)
	err = l.amend(ctx, t.locator, func(b *book) (bool, error) {
		if b.epoch != epoch {
			return false, fmt.Errorf("%w: the credentials of this user were ended meanwhile", session.ErrNotFound)
		}
		b.makeRoom()
		b.credentials[t.selector()] = credential{
			Name: t.seal(subject), Hash: hash(t.validator), Issued: begin.UnixMilli(), Expires: end.UnixMilli(), Era: era,
		}
		return true, nil
	})
	if err != nil {
		return nil, wrap("issue", err)
	}
	return l.cookie(t.String(), end), nil
}

// Subject returns whose credential a cookie claims to be, which proves nothing: it is there to read the user's
// session.Manager.SubjectEpoch before Use looks at the credential. Errors are those of Use, but for ErrStolen.
func (l *Logins) Subject(ctx context.Context, value string) (string, error) {
	t, ok := parseToken(value)
	if !ok {
		return "", wrap("subject", session.ErrNotFound)
	}
	era, err := l.sessions.Era(ctx)
	if err != nil {
		return "", wrap("subject", err)
	}
	b, err := l.read(ctx, t.locator)
	if err != nil {
		return "", wrap("subject", err)
	}
	_, subject, err := b.find(&t, era)
	return subject, wrap("subject", err)
}

// Login is what Use has found.
type Login struct {
	// Subject is the user.
	Subject string
	// Cookie is the credential's new cookie: add it to the response. Without it the next use counts as a theft.
	Cookie *http.Cookie
}

// Use looks at the value of a cookie, for a visitor whose session is bound to nobody. On success bind the session to
// Login.Subject with session.Login.Remembered, which keeps what needs a fresh login closed, and set Login.Cookie.
//
// The error is session.ErrNotFound if there is no such credential: it is malformed, or has expired or ended. It is ErrStolen,
// once, if the credential was used by somebody else; then Login has the Subject: end his sessions too
// (session.Manager.EndAllSessions) and tell him. After both, Forget gives the cookie that removes the visitor's. Other errors are
// those of the store, and say nothing about the credential.
func (l *Logins) Use(ctx context.Context, value string) (Login, error) {
	t, ok := parseToken(value)
	if !ok {
		return Login{}, wrap("use", session.ErrNotFound)
	}
	era, err := l.sessions.Era(ctx)
	if err != nil {
		return Login{}, wrap("use", err)
	}
	var login Login
	var stolen bool
	err = l.amend(ctx, t.locator, func(b *book) (bool, error) {
		c, subject, err := b.find(&t, era)
		if err != nil {
			return false, err
		}
		login, stolen = Login{Subject: subject}, false
		now := time.Now()
		recent := c.Rotated != 0 && now.Sub(time.UnixMilli(c.Rotated)) <= l.o.Grace
		current := subtle.ConstantTimeCompare(c.Hash, hash(t.validator)) == 1
		previous := subtle.ConstantTimeCompare(c.Previous, hash(t.validator)) == 1
		next, changed := t, false
		switch {
		case current && recent: // the tab that came first has its new cookie already
		case current:
			c.Nonce = random(nonceBytes)
			next.validator = successor(t.validator, c.Nonce)
			c.Previous, c.Hash, c.Rotated = c.Hash, hash(next.validator), now.UnixMilli()
			b.credentials[t.selector()] = c
			changed = true
		case previous && recent: // the same as the tab that came first
			next.validator = successor(t.validator, c.Nonce)
		default:
			stolen = true
			b.end("")
			return true, nil
		}
		login.Cookie = l.cookie(next.String(), time.UnixMilli(c.Expires))
		return changed, nil
	})
	switch {
	case err != nil:
		return Login{}, wrap("use", err)
	case stolen:
		return login, ErrStolen
	}
	return login, nil
}

// Forget ends the credential of a cookie, at a logout, and returns the cookie that removes it from the browser. A value that
// names no credential, or is empty, is no error. Who shows a validator that was replaced ends the credential too. Errors are those
// of the store; the cookie is returned even then.
func (l *Logins) Forget(ctx context.Context, value string) (*http.Cookie, error) {
	gone := l.cookie("", time.Time{})
	t, ok := parseToken(value)
	if !ok {
		return gone, nil
	}
	err := l.amend(ctx, t.locator, func(b *book) (bool, error) {
		c, ok := b.credentials[t.selector()]
		h := hash(t.validator)
		if !ok || subtle.ConstantTimeCompare(c.Hash, h)|subtle.ConstantTimeCompare(c.Previous, h) != 1 {
			return false, nil
		}
		delete(b.credentials, t.selector())
		return true, nil
	})
	if err != nil {
		return gone, wrap("forget", err)
	}
	return gone, nil
}

// Handle names the credential of a cookie's value, for End and EndOthers, and nothing else: who has it cannot use the credential. It
// stays the same when the cookie is replaced, so keep it among the Attributes of a session.Login, where the page of a user's
// devices finds it. A value that is malformed has none, "".
func (l *Logins) Handle(value string) string {
	t, ok := parseToken(value)
	if !ok {
		return ""
	}
	return t.selector().handle()
}

// End ends the credential of a user that has a handle: before session.Manager.EndSession ends its session, else its device would be
// logged in again. A handle that names none is no error. Errors are those of the store.
func (l *Logins) End(ctx context.Context, subject, handle string) error {
	if subject == "" {
		return errNoSubject()
	}
	return wrap("end", l.amend(ctx, locate(subject), func(b *book) (bool, error) {
		before := len(b.credentials)
		maps.DeleteFunc(b.credentials, func(s selector, _ credential) bool { return s.handle() == handle })
		return len(b.credentials) < before, nil
	}))
}

// EndOthers is EndAll for all credentials of a user but the one that has a handle, which may be "": before
// session.Manager.EndOtherSessions.
func (l *Logins) EndOthers(ctx context.Context, subject, handle string) error {
	return l.endBut(ctx, subject, handle)
}

// EndAll ends all credentials of a user: after a change of the password, and before session.Manager.EndAllSessions, so that no
// credential makes a session that this misses. A login that is on its way gets no credential, if it gives Issue the Epoch from
// before. Errors are those of the store.
func (l *Logins) EndAll(ctx context.Context, subject string) error {
	return l.endBut(ctx, subject, "")
}

func (l *Logins) endBut(ctx context.Context, subject, handle string) error {
	if subject == "" {
		return errNoSubject()
	}
	return wrap("end", l.amend(ctx, locate(subject), func(b *book) (bool, error) {
		b.end(handle)
		return true, nil
	}))
}

// Name is that of the cookie.
func (l *Logins) Name() string { return l.o.Cookie.Name }

func hash(validator [validatorBytes]byte) []byte {
	sum := sha256.Sum256(validator[:])
	return sum[:]
}

func errNoSubject() error { return errors.New("remember: the subject is empty") }

func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("remember: %s: %w", op, err)
}
