// Package examples holds runnable applications, one folder each.
package examples

import _ "github.com/nonstick-go/nonstick/core/session"
