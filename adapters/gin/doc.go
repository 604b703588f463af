// Package sessiongin puts server-side sessions into gin applications.
package sessiongin

import (
	_ "github.com/gin-gonic/gin" // the framework this adapter is for
	_ "github.com/nonstick-go/nonstick/core/session"
)
