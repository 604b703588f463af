package sessionfiber_test

import (
	"fmt"
	"io"
	"net/http/httptest"

	"github.com/gofiber/fiber/v2"
	sessionfiber "github.com/nonstick-go/nonstick/adapters/fiber"
	"github.com/nonstick-go/nonstick/core/memstore"
	"github.com/nonstick-go/nonstick/core/session"
)

var visits = session.NewKey[int]("visits")

func Example() {
	sessions, err := session.New(memstore.New(nil), session.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer sessions.Close()

	app := fiber.New()
	app.Use(sessionfiber.Middleware(sessions))
	app.Get("/", func(c *fiber.Ctx) error {
		s, err := sessionfiber.Get(c)
		if err != nil {
			return err
		}
		if err := visits.Update(s, func(n int) int { return n + 1 }); err != nil {
			return err
		}
		return c.SendString(fmt.Sprint("visit ", visits.Get(s)))
	})

	var cookie string // as a browser keeps it
	for range 3 {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set("Cookie", cookie)
		response, err := app.Test(request, -1)
		if err != nil {
			fmt.Println(err)
			return
		}
		if set := response.Cookies(); len(set) > 0 {
			cookie = set[0].Name + "=" + set[0].Value
		}
		body, _ := io.ReadAll(response.Body)
		fmt.Println(string(body))
	}
	// Output:
	// visit 1
	// visit 2
	// visit 3
}
