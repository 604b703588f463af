// Package sessionecho puts server-side sessions into echo applications (echo v4).
//
//	e := echo.New()
//	e.Use(sessionecho.Middleware(sessions))
//	e.GET("/", func(c echo.Context) error {
//		s, err := sessionecho.Get(c)
//		if err != nil {
//			return err
//		}
//		…
//	})
//
// Protect keeps other sites from sending requests in the name of a visitor.
//
// # Errors
//
// Get returns the errors of session.Get inside an *echo.HTTPError with the status of session.StatusCode, so that a
// handler simply returns them, and echo's error handler renders them; with Manager.Fail(c.Response(), err) they look as
// those of a failed commit. When a commit fails, the response of the handler is replaced by
// session.Options.ErrorResponse and c.Response().Status shows it. What a handler set before it returned an error of
// its own is stored.
//
// # Concurrency
//
// An echo.Context belongs to its handler, but the *session.Session may be used by goroutines and after the handler has
// returned, then for reading only.
package sessionecho
