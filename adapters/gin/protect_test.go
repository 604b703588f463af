package sessiongin_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gin-gonic/gin"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
)

// What the application trusts passes: an origin, and a path that does not need cookies.
func TestProtectTrusts(t *testing.T) {
	t.Parallel()
	p := http.NewCrossOriginProtection()
	if err := p.AddTrustedOrigin("https://login.example"); err != nil {
		t.Fatal(err)
	}
	p.AddInsecureBypassPattern("POST app.example/hook")
	app := gin.New()
	app.Use(sessiongin.Protect(p))
	app.POST("/*all", func(c *gin.Context) { c.String(http.StatusOK, "done") })
	send := func(r *http.Request) int {
		w := httptest.NewRecorder()
		app.ServeHTTP(w, r)
		return w.Code
	}
	for _, c := range []struct {
		path, origin string
		status       int
	}{
		{"/form", "https://app.example", http.StatusForbidden},
		{"/form", "https://login.example", http.StatusOK},
		{"/hook", "https://other.example", http.StatusOK},
		{"/hook2", "https://other.example", http.StatusForbidden},
	} {
		r := httptest.NewRequest(http.MethodPost, "http://app.example"+c.path, nil)
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", c.origin)
		if status := send(r); status != c.status {
			t.Errorf("%s from %s: status %d, want %d", c.path, c.origin, status, c.status)
		}
	}
}
