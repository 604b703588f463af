package sessiongin_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/gin-gonic/gin"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
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

	r := gin.New()
	r.Use(sessiongin.Middleware(sessions))
	r.GET("/", func(c *gin.Context) {
		s, err := sessiongin.Get(c)
		if err != nil {
			sessiongin.Fail(c, sessions, err)
			return
		}
		_ = visits.Update(s, func(n int) int { return n + 1 }) // an error would fail the commit
		c.String(http.StatusOK, "visit %d", visits.Get(s))
	})

	var cookie string // as a browser keeps it
	for range 3 {
		request := httptest.NewRequest("GET", "/", nil)
		request.Header.Set("Cookie", cookie)
		response := httptest.NewRecorder()
		r.ServeHTTP(response, request)
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
