package sessionfiber

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// Protect refuses requests that another site has made a browser send (CSRF), by the Sec-Fetch-Site and Origin headers, with
// 403. Nil stands for http.NewCrossOriginProtection(); pass one of your own to trust other origins. Its deny handler is
// not used.
func Protect(p *http.CrossOriginProtection) fiber.Handler {
	if p == nil {
		p = http.NewCrossOriginProtection()
	}
	return func(c *fiber.Ctx) error {
		in := requestHeader{c}
		r := &http.Request{
			Method: strings.Clone(c.Method()), Host: string(c.Request().Host()),
			URL:    &url.URL{Path: string(c.Request().URI().Path())},
			Header: http.Header{"Sec-Fetch-Site": in.Values("Sec-Fetch-Site"), "Origin": in.Values("Origin")},
		}
		if err := p.Check(r); err != nil {
			return &statusError{fiber.NewError(fiber.StatusForbidden), err}
		}
		return c.Next()
	}
}
