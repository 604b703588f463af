// Package sessiongin puts server-side sessions into gin applications.
//
//	r := gin.New()
//	r.Use(sessiongin.Middleware(sessions))
//	r.GET("/", func(c *gin.Context) {
//		s, err := sessiongin.Get(c)
//		if err != nil {
//			sessiongin.Fail(c, sessions, err)
//			return
//		}
//		…
//	})
//
// Protect keeps other sites from sending requests in the name of a visitor.
//
// # Errors
//
// Get returns the errors of session.Get. When a commit fails, the response of the handler is replaced by
// session.Options.ErrorResponse and c.Writer.Status shows it.
//
// # Concurrency
//
// A *gin.Context belongs to its handler, but the *session.Session may be used by goroutines and after the handler has
// returned, then for reading only.
package sessiongin
