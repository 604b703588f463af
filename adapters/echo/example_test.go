package sessionecho_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/labstack/echo/v4"
	sessionecho "github.com/nonstick-go/nonstick/adapters/echo"
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

	e := echo.New()
	e.Use(sessionecho.Middleware(sessions))
	e.GET("/", func(c echo.Context) error {
		s, err := sessionecho.Get(c)
		if err != nil {
			return err
		}
		if err := visits.Update(s, func(n int) int { return n + 1 }); err != nil {
			return err
		}
		return c.String(http.StatusOK, fmt.Sprint("visit ", visits.Get(s)))
	})

	var cookie string // as a browser keeps it
	for range 3 {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set("Cookie", cookie)
		response := httptest.NewRecorder()
		e.ServeHTTP(response, request)
		if set := response.Result().Cookies(); len(set) > 0 {
			cookie = set[0].Name + "=" + set[0].Value
		}
		fmt.Println(response.Body)
	}
	// Output:
	// visit 1
	// visit 2
	// visit 3
}
