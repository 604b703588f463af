// Package sessionfiber puts server-side sessions into fiber applications.
package sessionfiber

import (
	_ "github.com/gofiber/fiber/v2" // the framework this adapter is for
	_ "github.com/nonstick-go/nonstick/core/session"
)
