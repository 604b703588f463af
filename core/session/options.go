package session

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

// Options configure a Manager. The zero value is a safe default: a __Host- cookie that ends with the browser, one hour
// of idleness, one day in all (NIST SP 800-63B-4, 2.2.3: the reauthentication limits of AAL2).
//
// Durations: zero means the default, a negative one means no limit where that is said.
type Options struct {
	// Cookie is how the token travels between browser and server.
	Cookie Cookie
	// Header, when set, is the name of a request and response header that carries the token instead of a cookie, for
	// clients that are not browsers. A response holds it when the token is new, and empty when the session ended.
	Header string

	// ClearSiteData is what a browser shall forget at a logout, when the response of Session.Destroy comes (the header
	// Clear-Site-Data, ASVS 14.3.1): "cache", "cookies", "storage", or "*" for all. If a new session begins with the same
	// response, cookies stay. Default: nothing but the session's cookie.
	ClearSiteData []string

	// IdleTimeout ends a session that was not used for so long. Default 1 hour, or AbsoluteTimeout if that is shorter;
	// negative: only AbsoluteTimeout counts.
	// Because keeping alive is throttled (TouchInterval), it may end that much earlier.
	IdleTimeout time.Duration
	// AbsoluteTimeout ends a session so long after it was first stored, whatever its use. Default 24 hours; negative:
	// only IdleTimeout counts. One of the two must be limited.
	AbsoluteTimeout time.Duration
	// TouchInterval is how often at most a session that is only read is kept alive. Default: the greater of one minute
	// and a twentieth of IdleTimeout, but at most a quarter of it. Negative: reading does not keep a session alive, only
	// changing it does.
	TouchInterval time.Duration
	// FirstTimeout ends a session sooner that was written only once, and after twice that time one that was written twice:
	// most visitors never come back. From the third write on IdleTimeout counts. Default: no such limit.
	FirstTimeout time.Duration
	// MinTimeout and MaxTimeout bound the idle timeout that follows from FirstTimeout and from Session.SetLimits, and
	// MaxTimeout bounds Limits.Absolute too. Default: no bounds. What an application sets to zero is never bounded to
	// MinTimeout: zero means the default.
	MinTimeout, MaxTimeout time.Duration

	// RenewInterval is how often a session in use gets a new id by itself, so that a stolen one is worth something for a
	// limited time (OWASP Session Management Cheat Sheet, "Renewal Timeout"). It happens at the commit of a request that is
	// not ReadOnly, unless somebody has the session with Exclusive, and costs three round trips more. At least a second;
	// default: only Session.Renew gives new ids.
	RenewInterval time.Duration
	// RenewGrace is for how long the old id goes on to name the session after such a renewal, for requests that are under
	// way. A visitor whose browser does not get the response with the new cookie is logged out after it. Default 10 s; it
	// must be below RenewInterval. After Session.Renew there is no grace.
	RenewGrace time.Duration

	// ReadTimeout bounds the first read of a session in a request, repeats included. Default 400 ms.
	ReadTimeout time.Duration
	// CommitTimeout bounds the commit of a request, queueing and merging included. Default 600 ms. A commit does not
	// end with the visitor's connection.
	CommitTimeout time.Duration
	// DestroyTimeout bounds the removal of a session. Default 1 s. It does not end with the visitor's connection.
	DestroyTimeout time.Duration

	// MaxBytes bounds the encoded session. Default 1 MiB. A change that exceeds it fails with ErrTooLarge and leaves
	// what was stored intact.
	MaxBytes int
	// RejectStale makes a commit fail with ErrConflict when it sets a key that the request had read and another request
	// has changed meanwhile. By default the last commit wins on that key, and the Observer hears of it. Update never
	// conflicts.
	RejectStale bool
	// RejectCorrupt makes a stored session that cannot be decoded an error. By default the visitor gets a fresh
	// session, the Observer hears of it, and what is stored stays until it expires.
	RejectCorrupt bool

	// Bots is how robots are treated. Default: like everybody.
	Bots BotOptions
	// Binding notices that a session is used from elsewhere. Default: it does not look.
	Binding Binding
	// Subjects are the limits of sessions that are bound to a user by Session.Bind.
	Subjects SubjectOptions
	// EraInterval makes Manager.EndEverything work, and is how long that takes: how old what this Manager knows of it may be.
	// It costs a read of the store in that time, in the background while there are requests. At least 100 ms; set the same
	// everywhere. Zero: EndEverything is not supported.
	EraInterval time.Duration

	// Lock are the limits of sessions that are asked for with Exclusive.
	Lock LockOptions

	// Encryption keeps sessions unreadable to whoever can read the store. Default: none.
	Encryption Encryption
	// Compression makes large sessions smaller in the store. Default: none. MaxBytes counts what is compressed.
	Compression Compression
	// TokenMAC makes tokens that were made up cost no store call. Default: none.
	TokenMAC TokenMAC

	// Codec encodes the values. Default JSON.
	Codec Codec
	// Observer hears what happens to sessions. The default logs what goes wrong to slog.Default(), each kind of it at most
	// once a second; SlogObserver logs everything, Silent nothing.
	Observer Observer
	// LogKey makes Event.Session the same on every node that has the same key, so that their logs can be joined. Default:
	// random for each Manager.
	LogKey []byte
	// ErrorResponse makes the response that replaces the handler's when a commit fails, and the one that Manager.Fail
	// sends. Default: plain text with StatusCode of the error. The headers no-store and Retry-After are added.
	ErrorResponse func(err error) Response

	// GCInterval is how often the Manager has the store remove expired sessions, give or take a tenth. Default 1 minute;
	// negative: never, another process does it.
	GCInterval time.Duration
}

// Response is what a visitor gets instead of the handler's response when the session fails.
type Response struct {
	Status      int
	ContentType string
	Body        []byte
}

const (
	defaultIdle     = time.Hour
	defaultAbsolute = 24 * time.Hour
	defaultGrace    = 10 * time.Second
	defaultMaxBytes = 1 << 20
	leastMaxBytes   = 2 * RecordOverhead
)

// withDefaults fills in the defaults and checks the options. Its errors name the field.
func (o Options) withDefaults() (Options, error) {
	setDefault(&o.AbsoluteTimeout, defaultAbsolute)
	if setDefault(&o.IdleTimeout, defaultIdle); o.AbsoluteTimeout > 0 && o.IdleTimeout == defaultIdle {
		o.IdleTimeout = min(defaultIdle, o.AbsoluteTimeout)
	}
	if o.RenewInterval > 0 && o.RenewGrace == 0 {
		o.RenewGrace = min(defaultGrace, o.RenewInterval/2)
	}
	setDefault(&o.ReadTimeout, 400*time.Millisecond)
	setDefault(&o.CommitTimeout, 600*time.Millisecond)
	setDefault(&o.DestroyTimeout, time.Second)
	setDefault(&o.GCInterval, time.Minute)
	if o.TouchInterval == 0 && o.IdleTimeout > 0 {
		o.TouchInterval = touchInterval(o.IdleTimeout)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	o.Lock, o.Subjects = o.Lock.withDefaults(), o.Subjects.withDefaults()
	o.Bots, o.Binding = o.Bots.withDefaults(), o.Binding.withDefaults()
	if o.Observer == nil {
		o.Observer = new(warner)
	}
	if o.Codec == nil {
		o.Codec = JSON{}
	}
	if o.ErrorResponse == nil {
		o.ErrorResponse = plainResponse
	}
	if o.Header == "" {
		o.Cookie = o.Cookie.withDefaults()
	}
	return o, errors.Join(o.checkTimes(), o.checkSizes(), o.checkCarrier(), o.Lock.check(), o.Bots.check(), o.Binding.check(),
		o.Subjects.check(), o.checkEra(), o.Encryption.check(), o.Compression.check(), o.TokenMAC.check())
}

func (o *Options) checkTimes() error {
	var errs []error
	idle, absolute := o.IdleTimeout, o.AbsoluteTimeout
	switch {
	case idle < 0 && absolute < 0:
		errs = append(errs, errors.New("IdleTimeout and AbsoluteTimeout are both without limit: sessions would never end"))
	case idle > 0 && absolute > 0 && idle > absolute:
		errs = append(errs, fmt.Errorf("IdleTimeout: %v can never pass before AbsoluteTimeout, %v; a negative one means no limit", idle, absolute))
	}
	if idle > 0 && o.TouchInterval >= idle {
		errs = append(errs, fmt.Errorf("TouchInterval: %v must be below IdleTimeout, else sessions in use would end", o.TouchInterval))
	}
	errs = append(errs, o.checkBounds(), o.checkRenewal())
	for _, d := range []struct {
		field string
		value time.Duration
		wrong bool
	}{
		{"IdleTimeout", idle, idle > 0 && idle < time.Millisecond},
		{"AbsoluteTimeout", absolute, absolute > 0 && absolute < time.Millisecond},
		{"ReadTimeout", o.ReadTimeout, o.ReadTimeout < time.Millisecond},
		{"CommitTimeout", o.CommitTimeout, o.CommitTimeout < time.Millisecond},
		{"DestroyTimeout", o.DestroyTimeout, o.DestroyTimeout < time.Millisecond},
	} {
		if d.wrong {
			errs = append(errs, fmt.Errorf("%s: %v must be at least 1 ms", d.field, d.value))
		}
	}
	return errors.Join(errs...)
}

func (o *Options) checkBounds() error {
	idle, first, least, most := o.IdleTimeout, o.FirstTimeout, o.MinTimeout, o.MaxTimeout
	switch {
	case first < 0 || first > 0 && first < time.Millisecond:
		return fmt.Errorf("FirstTimeout: %v must be at least 1 ms, or zero for none", first)
	case first > 0 && idle > 0 && first >= idle:
		return fmt.Errorf("FirstTimeout: %v must be below IdleTimeout, %v", first, idle)
	case first > 0 && first < least:
		return fmt.Errorf("FirstTimeout: %v is below MinTimeout, %v", first, least)
	case least < 0 || idle > 0 && least > idle:
		return fmt.Errorf("MinTimeout: %v must not be negative, nor above IdleTimeout", least)
	case most < 0 || most > 0 && most < max(idle, least, time.Millisecond):
		return fmt.Errorf("MaxTimeout: %v must not be below IdleTimeout or MinTimeout", most)
	case most > 0 && idle < 0:
		return errors.New("MaxTimeout: IdleTimeout is without limit, which is above it")
	}
	return nil
}

func (o *Options) checkRenewal() error {
	switch every, grace := o.RenewInterval, o.RenewGrace; {
	case every > 0 && o.Encryption.Token:
		return errors.New("RenewInterval: with Encryption.Token, requests in flight could not read what was sealed for the new token; use one of the two")
	case every != 0 && every < time.Second:
		return fmt.Errorf("RenewInterval: %v must be at least 1 s, or zero for none", every)
	case every == 0 && grace != 0:
		return errors.New("RenewGrace: there is no RenewInterval, and Session.Renew has no grace")
	case grace < 0 || grace > 0 && grace < time.Millisecond || grace > 0 && grace >= every:
		return fmt.Errorf("RenewGrace: %v must be at least 1 ms and below RenewInterval, %v", grace, every)
	}
	return nil
}

func (o *Options) checkSizes() error {
	if o.MaxBytes < leastMaxBytes {
		return fmt.Errorf("MaxBytes: %d is too small: no session would fit below %d", o.MaxBytes, leastMaxBytes)
	}
	return nil
}

func (o *Options) checkCarrier() error {
	for _, name := range o.ClearSiteData {
		if name != "*" && (name == "" || strings.ContainsFunc(name, func(r rune) bool { return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') })) {
			return errors.New(`ClearSiteData: the types are words without quotes, such as "cache", or "*"`)
		}
	}
	switch {
	case o.Header == "" && len(o.TokenMAC.Keys) > 0 && len(o.Cookie.Name)+tokenCharsMAC > maxCookieBytes:
		return errors.New("Cookie.Name: name and value together exceed 4096 bytes")
	case o.Header == "":
		return o.Cookie.check()
	case o.Cookie != (Cookie{}):
		return errors.New("Header and Cookie are both set: the token travels in one of them")
	case !validHeaderName(o.Header):
		return errors.New("Header: not a valid header name (RFC 9110 5.1)")
	case slices.Contains(headersInUse(), textproto.CanonicalMIMEHeaderKey(o.Header)):
		return fmt.Errorf("Header: %s has a meaning of its own; choose another name, such as X-Session", o.Header)
	}
	return nil
}

func setDefault(d *time.Duration, value time.Duration) {
	if *d == 0 {
		*d = value
	}
}

func headersInUse() []string {
	return []string{
		"Authorization", "Cache-Control", "Connection", "Content-Length", "Content-Type", "Cookie", "Host", "Location", "Set-Cookie",
		"Trailer", "Transfer-Encoding", "Upgrade", "Vary",
	}
}

func validHeaderName(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}
