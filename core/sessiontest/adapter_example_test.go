package sessiontest_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// A harness translates an App into the framework; this one into plain net/http. Its Recover and error handling are
// left out here.
func ExampleRunAdapter() {
	_ = func(t *testing.T) {
		sessiontest.RunAdapter(t, sessiontest.AdapterHarness{
			Serve: func(l net.Listener, app sessiontest.App) (func(context.Context) error, error) {
				mux := http.NewServeMux()
				for _, route := range app.Routes {
					mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
						_ = route.Handle(sessiontest.HTTPCall{W: w, R: r})
					})
				}
				handler := http.Handler(mux)
				for _, layer := range slices.Backward(app.Layers) {
					if layer.Sessions != nil {
						handler = layer.Sessions.Middleware(handler)
					}
				}
				return sessiontest.ServeHTTP(l, handler)
			},
			Writers: 1, EarlyHints: true, Upgrade: true,
		})
	}
}
