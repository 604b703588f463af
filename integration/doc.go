// Package integration tests the released modules together, on real servers and in a real browser. It is not released.
package integration

import _ "github.com/nonstick-go/nonstick/core/session" // so that go.mod keeps it
