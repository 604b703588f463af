package promises_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/gofiber/fiber/v2"
	"github.com/labstack/echo/v4"
	sessionecho "github.com/nonstick-go/nonstick/adapters/echo"
	sessionfiber "github.com/nonstick-go/nonstick/adapters/fiber"
	sessiongin "github.com/nonstick-go/nonstick/adapters/gin"
	"github.com/nonstick-go/nonstick/core/session"
)

// The keys of the test application.
var (
	count = session.NewKey[int]("count")
	user  = session.NewKey[string]("user")
)

// request is what the application sees of a request, in every framework.
type request struct {
	query func(string) string
	get   func(...session.Mode) (*session.Session, error)
}

// routes are the application. A handler returns a status and a text.
func routes() map[string]func(request) (int, string) {
	with := func(use func(request, *session.Session) string, mode ...session.Mode) func(request) (int, string) {
		return func(r request) (int, string) {
			s, err := r.get(mode...)
			if err != nil {
				return session.StatusCode(err), "no session"
			}
			return http.StatusOK, use(r, s)
		}
	}
	return map[string]func(request) (int, string){
		"/untouched": func(request) (int, string) { return http.StatusOK, "hello" },
		"/show": with(func(_ request, s *session.Session) string {
			return fmt.Sprintf("user=%s count=%d names=%d", user.Get(s), count.Get(s), len(s.Names()))
		}, session.ReadOnly),
		"/set": with(func(r request, s *session.Session) string {
			if err := session.NewKey[string](r.query("key")).Set(s, r.query("value")); err != nil {
				return err.Error()
			}
			return "set"
		}),
		"/add": with(func(_ request, s *session.Session) string {
			if err := count.Update(s, func(n int) int { return n + 1 }); err != nil {
				return err.Error()
			}
			return "added"
		}),
		"/pay": with(func(_ request, s *session.Session) string {
			if err := count.Set(s, count.Get(s)+1); err != nil {
				return err.Error()
			}
			return "paid"
		}, session.Exclusive),
		"/login": with(func(r request, s *session.Session) string {
			if err := s.Renew(); err != nil {
				return err.Error()
			}
			if err := user.Set(s, r.query("user")); err != nil {
				return err.Error()
			}
			return "welcome"
		}),
		"/logout": with(func(_ request, s *session.Session) string {
			if err := s.Destroy(); err != nil {
				return err.Error()
			}
			return "bye"
		}),
	}
}

// frameworks start the application on a real listener and return its address.
var frameworks = map[string]func(testing.TB, *session.Manager) string{
	"nethttp": startNetHTTP, "gin": startGin, "echo": startEcho, "fiber": startFiber,
}

func startNetHTTP(t testing.TB, m *session.Manager) string {
	mux := http.NewServeMux()
	for path, handle := range routes() {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			status, text := handle(request{r.URL.Query().Get, func(mode ...session.Mode) (*session.Session, error) {
				return session.Get(r.Context(), mode...)
			}})
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		})
	}
	return serve(t, m.Middleware(mux))
}

func startGin(t testing.TB, m *session.Manager) string {
	gin.SetMode(gin.ReleaseMode)
	r := gin.New()
	r.Use(sessiongin.Middleware(m))
	for path, handle := range routes() {
		r.GET(path, func(c *gin.Context) {
			status, text := handle(request{c.Query, func(mode ...session.Mode) (*session.Session, error) {
				return sessiongin.Get(c, mode...)
			}})
			c.String(status, "%s", text)
		})
	}
	return serve(t, r)
}

func startEcho(t testing.TB, m *session.Manager) string {
	e := echo.New()
	e.Use(sessionecho.Middleware(m))
	for path, handle := range routes() {
		e.GET(path, func(c echo.Context) error {
			status, text := handle(request{c.QueryParam, func(mode ...session.Mode) (*session.Session, error) {
				return sessionecho.Get(c, mode...)
			}})
			return c.String(status, text)
		})
	}
	return serve(t, e)
}

func serve(t testing.TB, h http.Handler) string {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server.URL
}

func startFiber(t testing.TB, m *session.Manager) string {
	app := fiber.New(fiber.Config{DisableStartupMessage: true})
	app.Use(sessionfiber.Middleware(m))
	for path, handle := range routes() {
		app.Get(path, func(c *fiber.Ctx) error {
			status, text := handle(request{
				func(name string) string { return c.Query(name) },
				func(mode ...session.Mode) (*session.Session, error) { return sessionfiber.Get(c, mode...) },
			})
			return c.Status(status).SendString(text)
		})
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = app.Listener(l) }()
	t.Cleanup(func() { _ = app.ShutdownWithTimeout(5 * time.Second) })
	return "http://" + l.Addr().String()
}

// browser sends requests with the cookie that it has got.
type browser struct {
	t      testing.TB
	base   string
	cookie string
	client *http.Client
}

func newBrowser(t testing.TB, base string) *browser {
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	return &browser{t: t, base: base, client: &http.Client{Transport: transport, Timeout: 30 * time.Second}}
}

// get returns the status and the text of a page. The cookie jar changes only where keep says so, because the browser
// may be used by many goroutines.
func (b *browser) get(path string) (int, string) {
	status, text, _ := b.send(path)
	return status, text
}

// follow is get, and takes the cookie of the answer.
func (b *browser) follow(path string) (int, string) {
	status, text, cookies := b.send(path)
	for _, c := range cookies {
		b.cookie = c.Name + "=" + c.Value
		if c.MaxAge < 0 {
			b.cookie = ""
		}
	}
	return status, text
}

func (b *browser) send(path string) (int, string, []*http.Cookie) {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, b.base+path, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	if b.cookie != "" {
		r.Header.Set("Cookie", b.cookie)
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Error(err)
		return 0, "", nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.t.Error(err)
	}
	return res.StatusCode, strings.TrimSpace(string(text)), res.Cookies()
}
