// Package sessionecho puts server-side sessions into echo applications.
package sessionecho

import (
	_ "github.com/labstack/echo/v4" // the framework this adapter is for
	_ "github.com/nonstick-go/nonstick/core/session"
)
