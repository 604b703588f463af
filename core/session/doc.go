// Package session gives web applications server-side sessions that stick to no server: any node serves any visitor, two
// requests of one visitor never overwrite each other, a logout cannot be undone by a slow request, and a store that is
// down is never mistaken for a visitor without a session.
//
//	store, err := session.Open(ctx, "file:///var/lib/app/sessions") // a blank import brings the backend
//	sessions, err := session.New(store, session.Options{})
//	http.ListenAndServe(addr, sessions.Middleware(mux))
//
// A handler asks for its session, and reads and changes it through typed keys:
//
//	var visits = session.NewKey[int]("visits")
//
//	s, err := session.Get(r.Context())
//	if err != nil {
//		sessions.Fail(w, err)
//		return
//	}
//	visits.Update(s, func(n int) int { return n + 1 })
//
// What was changed is stored before the first byte of the response leaves: by one write, or by none if nothing differs.
// A request that does not ask for its session costs nothing. Middleware is for net/http; gin, echo and fiber have adapters
// of their own, and Manager.Wrap, Exchange and package sessiontest are for those who write another one.
//
// # URLs
//
// Open finds the backend by the scheme of the URL: memory:// (core/memstore), file:// (core/filestore), redis:// and
// rediss:// (backends/goredis), each with the blank import of its package. New takes any Handler.
//
// # Errors
//
// Functions return *Error, whose cause is one of the sentinels of this package; StatusCode is the HTTP status for it. An
// error of Key.Set and its like that the caller ignores is not lost: the commit fails with it, and the visitor gets
// Options.ErrorResponse instead of the handler's response. No error, event or log line holds a token, an id, a URL or a
// value.
//
// # Concurrency
//
// Managers, Keys, stores and Sessions are safe for concurrent use. Requests of one visitor do not wait for each other:
// at its commit each lays the keys that it changed over whatever others have stored. Update loses nothing; of two Sets
// of one key the last one wins, or fails, see Options.RejectStale.
//
// Code that must not run twice at once for one session asks for it with Exclusive: a fair lock, fenced at the commit, which
// ends by itself when its holder dies.
//
// # Security
//
// A token has 256 random bits; stores see its SHA-256 only. Unknown tokens are never adopted, malformed ones never reach
// a store. Sessions end by idleness and by age, as the server's own records say. See Cookie for what protects the token
// in the browser, Session.Bind or Session.Renew for logins and Session.Destroy for logouts, Manager.EndAllSessions for the
// sessions that a user has elsewhere, Options.Encryption for what the store can read, and Options.TokenMAC for floods of
// made-up tokens.
package session
