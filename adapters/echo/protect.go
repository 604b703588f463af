package sessionecho

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Protect refuses requests that another site has made a browser send (CSRF), by the Sec-Fetch-Site and Origin headers, with
// 403. Nil stands for http.NewCrossOriginProtection(); pass one of your own to trust other origins. Its deny handler is
// not used.
func Protect(p *http.CrossOriginProtection) echo.MiddlewareFunc {
	if p == nil {
		p = http.NewCrossOriginProtection()
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := p.Check(c.Request()); err != nil {
				return echo.NewHTTPError(http.StatusForbidden).SetInternal(err)
			}
			return next(c)
		}
	}
}
