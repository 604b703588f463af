package session_test

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func cookieEffects() []effect {
	type cookie = session.Cookie
	with := func(c cookie) setting { return opts(session.Options{Cookie: c}) }
	none := cookie{SameSite: http.SameSiteNoneMode}
	return []effect{
		{"Cookie.Name", setting{}, with(cookie{Name: "sid"}), seeHeaders, "[sid="},
		{"Cookie.Path", setting{}, with(cookie{Path: "/app"}), seeHeaders, "Path=/app;"},
		{"Cookie.Domain", setting{}, with(cookie{Domain: "example.com"}), seeHeaders, "Domain=example.com;"},
		{"Cookie.SameSite", setting{}, with(cookie{SameSite: http.SameSiteStrictMode}), seeHeaders, "SameSite=Strict"},
		{"Cookie.Partitioned", with(none), with(cookie{SameSite: none.SameSite, Partitioned: true}), seeHeaders, "Partitioned"},
		{"Cookie.Persistent", setting{}, with(cookie{Persistent: true}), seeHeaders, "Max-Age=86400"},
		{"Cookie.Insecure", with(cookie{Name: "sid"}), with(cookie{Name: "sid", Insecure: true}), seeHeaders, "HttpOnly; SameSite"},
		{"Header", setting{}, opts(session.Options{Header: "X-Session"}), seeHeaders, "X-Session"},
		{"ClearSiteData", setting{}, opts(session.Options{ClearSiteData: []string{"cache"}}), seeLogout, `"cache"`},
	}
}

func timeEffects() []effect {
	type options = session.Options
	const gone, alive = `200 ""`, `200 "ann"`
	short := session.Limits{Idle: time.Minute}
	long := session.Limits{Idle: 10 * time.Hour}
	every := options{RenewInterval: 10 * time.Minute}
	return []effect{
		{"IdleTimeout", setting{}, opts(options{IdleTimeout: 10 * time.Minute}), seeAfter(11 * time.Minute), gone},
		{"AbsoluteTimeout", setting{}, opts(options{AbsoluteTimeout: 2 * time.Hour}), seeUsed(2 * time.Hour), gone},
		{"TouchInterval", setting{}, opts(options{TouchInterval: -1}), seeUsed(2 * time.Hour), gone},
		{"FirstTimeout", setting{}, opts(options{FirstTimeout: 10 * time.Minute}), seeAfter(11 * time.Minute), gone},
		{"MinTimeout", setting{Limits: short}, setting{Options: options{MinTimeout: 5 * time.Minute}, Limits: short}, seeLimits, "is below"},
		{"MaxTimeout", setting{Limits: long}, setting{Options: options{MaxTimeout: 2 * time.Hour}, Limits: long}, seeLimits, "is above"},
		{"Limits.Idle", setting{}, setting{Limits: long}, seeAfter(2 * time.Hour), alive},
		{"Limits.Absolute", setting{}, setting{Limits: session.Limits{Absolute: time.Hour}}, seeUsed(time.Hour), gone},
		{"RenewInterval", setting{}, opts(every), seeRenewal, "true"},
		{"RenewGrace", opts(every), opts(options{RenewInterval: every.RenewInterval, RenewGrace: time.Minute}), seeOldToken, alive},
		{"GCInterval", setting{}, opts(options{GCInterval: time.Second}), seeGC, "0 expired"},
	}
}

func budgetEffects() []effect {
	const little = 70 * time.Millisecond
	read := func(s *session.Session) { user.Get(s) }
	change := func(s *session.Session) { _ = user.Set(s, "bob") }
	end := func(s *session.Session) { _ = s.Destroy() }
	return []effect{
		{
			"ReadTimeout", setting{}, opts(session.Options{ReadTimeout: little}),
			seeStall(func(s *stuck) { s.read = true }, read), "70ms 503",
		}, {
			"CommitTimeout", setting{}, opts(session.Options{CommitTimeout: little}),
			seeStall(func(s *stuck) { s.write = true }, change), "70ms 503",
		}, {
			"DestroyTimeout", setting{}, opts(session.Options{DestroyTimeout: little}),
			seeStall(func(s *stuck) { s.destroy = true }, end), "70ms 503",
		}, {
			"ErrorResponse", setting{}, opts(session.Options{ErrorResponse: teapot}),
			seeStall(func(s *stuck) { s.write = true }, change), "418 tea",
		},
	}
}

func teapot(error) session.Response {
	return session.Response{Status: http.StatusTeapot, ContentType: "text/plain", Body: []byte("tea")}
}

func dataEffects() []effect {
	type options = session.Options
	type compression = session.Compression
	best, own := &session.Gzip{Level: 9}, another{new(session.Gzip)}
	fast := compression{Method: new(session.Gzip)}
	return []effect{
		{"MaxBytes", setting{}, opts(options{MaxBytes: 4096}), seeLarge, "500"},
		{"RejectStale", setting{}, opts(options{RejectStale: true}), seeStale, "503"},
		{"RejectCorrupt", setting{}, opts(options{RejectCorrupt: true}), seeCorrupt, "500"},
		{"Codec", setting{}, opts(options{Codec: wavy{}}), seeAtRest(`~"ann-in-clear"`), "true"},
		{"Compression.Method", setting{}, opts(options{Compression: compression{Method: best}}), seeSize(4000), "less"},
		{"Compression.Method", opts(options{Compression: fast}), opts(options{Compression: compression{Method: best}}), seeLevel, "true"},
		{
			"Compression.Threshold", opts(options{Compression: fast}), opts(options{Compression: compression{Method: fast.Method, Threshold: 500}}),
			seeSize(1000), "less",
		}, {
			"Compression.Reads", setting{}, opts(options{Compression: compression{Reads: []session.Compressor{own}}}),
			seeStoredBefore(options{Compression: compression{Method: own, Threshold: 1}}), "true",
		},
	}
}

// another is a method of compression that only its application has.
type another struct{ *session.Gzip }

func (another) Tag() byte { return 201 }

func (a another) Compress(dst, src []byte) ([]byte, error) { return a.Gzip.Compress(dst, src) }

// wavy is a Codec that can be told from the default.
type wavy struct{ session.JSON }

func (w wavy) Marshal(v any) ([]byte, error) {
	data, err := w.JSON.Marshal(v)
	return append([]byte{'~'}, data...), err
}

func (w wavy) Unmarshal(data []byte, v any) error { return w.JSON.Unmarshal(data[1:], v) }

func visitorEffects() []effect {
	type bots = session.BotOptions
	type binding = session.Binding
	as := func(b bots) setting { b.Classifier = agents{}; return opts(session.Options{Bots: b}) }
	bound := func(b binding) setting { return opts(session.Options{Binding: b}) }
	const refuse, a, b = session.BindRefuse, "192.0.2.1:1000", "192.0.2.9:1000"
	const six, six2 = "[2001:db8:1:1::1]:1000", "[2001:db8:1:2::1]:1000"
	const gone, alive = `200 ""`, `200 "ann"`
	proxies := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	decide := func(context.Context, session.Mismatch) session.BindRule { return refuse }
	return []effect{
		{"Bots.Classifier", setting{}, as(bots{}), seeRobot(2 * time.Minute), gone},
		{"Bots.Mode", as(bots{}), as(bots{Mode: session.BotsRefused}), seeRobot(0), "403"},
		{"Bots.Unlocked", as(bots{}), as(bots{Unlocked: true}), seeCrowd(robot), "200 after 0s"},
		{"Bots.FirstTimeout", as(bots{}), as(bots{FirstTimeout: 5 * time.Minute}), seeRobot(2 * time.Minute), alive},
		{"Bots.Timeout", as(bots{FirstTimeout: -1}), as(bots{FirstTimeout: -1, Timeout: 5 * time.Minute}), seeRobot(6 * time.Minute), gone},
		{"Binding.Address", setting{}, bound(binding{Address: refuse}), seeMoved(a, b, firefox), gone},
		{"Binding.UserAgent", setting{}, bound(binding{UserAgent: refuse}), seeMoved(a, a, "Safari"), gone},
		{"Binding.IPv4Bits", bound(binding{Address: refuse}), bound(binding{Address: refuse, IPv4Bits: 24}), seeMoved(a, b, firefox), alive},
		{"Binding.IPv6Bits", bound(binding{Address: refuse}), bound(binding{Address: refuse, IPv6Bits: 48}), seeMoved(six, six2, firefox), alive},
		{
			"Binding.TrustedProxies", bound(binding{Address: refuse}), bound(binding{Address: refuse, TrustedProxies: proxies}),
			seeMoved(a, a, firefox, "198.51.100.1"), gone,
		}, {
			"Binding.Decide", bound(binding{Address: session.BindReport}), bound(binding{Address: session.BindReport, Decide: decide}),
			seeMoved(a, b, firefox), gone,
		},
	}
}

func subjectEffects() []effect {
	type options = session.Options
	one := session.SubjectOptions{Max: 1}
	strict := session.SubjectOptions{Max: 1, RefuseNewest: true}
	return []effect{
		{"Subjects.Max", setting{}, opts(options{Subjects: one}), seeSecondLogin, `the first is 200 ""`},
		{"Subjects.RefuseNewest", opts(options{Subjects: one}), opts(options{Subjects: strict}), seeSecondLogin, `the second 200 ""`},
		{"EraInterval", setting{}, opts(options{EraInterval: time.Second}), seeEnd, `200 "" supported: true`},
	}
}

func bindEffects() []effect {
	type login = session.Login
	as := func(l login) setting { l.Subject = "bob"; return setting{Login: l} }
	return []effect{
		{"Login.Subject", setting{Login: login{Subject: "ann"}}, as(login{}), seeBind, "bob's: 1"},
		{"Login.Attributes", as(login{}), as(login{Attributes: map[string]string{"device": "phone"}}), seeBind, "device:phone"},
		{"Login.Epoch", as(login{}), as(login{Epoch: session.Epoch{1}}), seeBind, "ended: true"},
		{"Login.Remembered", as(login{}), as(login{Remembered: true}), seeBind, "bob's: 1 [map[]], fresh: false"},
		{"Login.Methods", as(login{}), as(login{Methods: []string{"otp"}}), seeBind, "second factor: true"},
		{"Login.ProviderSession", as(login{}), as(login{ProviderSession: "sid"}), seeProvider, `200 ""`},
	}
}

func lockEffects() []effect {
	type lock = session.LockOptions
	with := func(l lock) setting { return opts(session.Options{Lock: l}) }
	mode := func(m session.Mode) setting { return setting{Mode: m} }
	crowd := seeCrowd(anybody)
	return []effect{
		{"Lock.Required", setting{}, with(lock{Required: true}), seeNew, "true"},
		{"Lock.Disabled", setting{}, with(lock{Disabled: true}), crowd, "200 after 0s"},
		{"Lock.Lease", setting{}, with(lock{Lease: time.Second}), seeAbandoned, "200 after 1s"},
		{"Lock.MaxHold", setting{}, with(lock{MaxHold: 10 * time.Second}), seeHeld, "200"},
		{"Lock.MaxWait", setting{}, with(lock{MaxWait: time.Second}), crowd, "503 after 1s"},
		{"Lock.MaxWaiters", setting{}, with(lock{MaxWaiters: -1}), crowd, "503 after 0s"},
		{"Lock.OrReadOnly", setting{}, with(lock{OrReadOnly: true}), crowd, "200 after 5s"},
		{"Lock.Node", setting{}, with(lock{Node: "a-shop"}), crowd, `node "a-shop"`},
		{"Mode", setting{}, mode(session.ReadOnly), crowd, "200 after 0s"},
		{"Mode", mode(session.Exclusive), mode(session.Exclusive.MaxWait(time.Second)), crowd, "503 after 1s"},
		{"Mode", mode(session.Exclusive), mode(session.Exclusive.MaxWaiters(0)), crowd, "503 after 0s"},
		{"Mode", mode(session.Exclusive), mode(session.Exclusive.OrReadOnly()), crowd, "200 after 5s"},
	}
}

func secretEffects() []effect {
	type options = session.Options
	type encryption = session.Encryption
	keys, text := ring("a"), "ann-in-clear"
	begin, end := time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
	with := func(e encryption) setting { return opts(options{Encryption: e}) }
	signed := func(until time.Time) setting {
		return opts(options{TokenMAC: session.TokenMAC{Keys: keys, PlainUntil: until}})
	}
	return []effect{
		{"Encryption.Keys", setting{}, with(encryption{Keys: keys}), seeAtRest(text), "false"},
		{"Encryption.Token", with(encryption{Keys: keys}), with(encryption{Keys: keys, Token: true}), seeStolenKeys, "false"},
		{"Encryption.PlainUntil", with(encryption{Keys: keys}), with(encryption{Keys: keys, PlainUntil: end}), seeStoredBefore(options{}), "true"},
		{
			"Encryption.Begin", with(encryption{Keys: keys, PlainUntil: end}), with(encryption{Keys: keys, PlainUntil: end, Begin: begin}),
			seeAtRest(text), "true",
		},
		{"TokenMAC.Keys", setting{}, signed(time.Time{}), seeMadeUp, "0 reads"},
		{"TokenMAC.PlainUntil", signed(time.Time{}), signed(end), seeStoredBefore(options{}), "true"},
	}
}

func tellingEffects() []effect {
	return []effect{
		{"Observer", setting{}, opts(session.Options{Observer: &recorder{}}), seeHeard, "true"},
		{"LogKey", setting{}, opts(session.Options{LogKey: []byte("of all nodes")}), seeLogs, "1 name"},
	}
}
