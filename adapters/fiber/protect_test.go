package sessionfiber_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gofiber/fiber/v2"
	sessionfiber "github.com/nonstick-go/nonstick/adapters/fiber"
)

// What the application trusts passes: an origin, and a path that does not need cookies.
func TestProtectTrusts(t *testing.T) {
	t.Parallel()
	p := http.NewCrossOriginProtection()
	if err := p.AddTrustedOrigin("https://login.example"); err != nil {
		t.Fatal(err)
	}
	p.AddInsecureBypassPattern("POST app.example/hook")
	app := fiber.New()
	app.Use(sessionfiber.Protect(p))
	app.Post("/*", func(c *fiber.Ctx) error { return c.SendString("done") })
	send := func(r *http.Request) int {
		res, err := app.Test(r, -1)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
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
