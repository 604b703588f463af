// Package sessionfiber puts server-side sessions into fiber applications (fiber v2).
//
//	app := fiber.New()
//	app.Use(sessionfiber.Middleware(sessions))
//	app.Get("/", func(c *fiber.Ctx) error {
//		s, err := sessionfiber.Get(c)
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
// Get returns the errors of session.Get together with a *fiber.Error that has the status of session.StatusCode, so that a
// handler simply returns them, and fiber's error handler renders them; the visitor sees the status only. ErrNoMiddleware, a
// mistake of the program, comes as it is. When a commit fails, the response of the handler is
// replaced by session.Options.ErrorResponse. What a handler set before it returned an error of its own is stored.
//
// # Concurrency
//
// A *fiber.Ctx and the strings it gives belong to its handler, but the *session.Session, and whatever was set in it, may
// be used by goroutines, by body stream writers and after the handler has returned, then for reading only.
//
// fasthttp does not tell when a client has gone: such a request waits for a session.Exclusive until its turn or MaxWait,
// unless c.UserContext() ends before.
package sessionfiber
