package sessiongin

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Protect refuses requests that another site has made a browser send (CSRF), by the Sec-Fetch-Site and Origin headers, with
// 403. Nil stands for http.NewCrossOriginProtection(); pass one of your own to trust other origins. Its deny handler is
// not used.
func Protect(p *http.CrossOriginProtection) gin.HandlerFunc {
	if p == nil {
		p = http.NewCrossOriginProtection()
	}
	return func(c *gin.Context) {
		if err := p.Check(c.Request); err != nil {
			_ = c.AbortWithError(http.StatusForbidden, err)
		}
	}
}
