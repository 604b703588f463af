package session_test

import (
	"compress/gzip"
	"context"
	"errors"
	"net"
	"net/http"
	"slices"
	"testing"

	"github.com/nonstick-go/nonstick/core/sessiontest"
)

// harness is a variable so that the tests of real servers can put their store into it.
var harness = sessiontest.AdapterHarness{Serve: serve, Writers: 1, EarlyHints: true, Upgrade: true, Gzip: true, Protect: true}

func TestAdapter(t *testing.T) {
	sessiontest.RunAdapter(t, harness)
}

// serve translates an application into net/http.
func serve(l net.Listener, app sessiontest.App) (func(context.Context) error, error) {
	mux := http.NewServeMux()
	for _, route := range app.Routes {
		mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
			answer(w, route.Handle(sessiontest.HTTPCall{W: w, R: r}))
		})
	}
	handler := http.Handler(mux)
	for _, layer := range slices.Backward(app.Layers) {
		handler = wrap(layer, handler)
	}
	return sessiontest.ServeHTTP(l, handler)
}

func wrap(layer sessiontest.Layer, next http.Handler) http.Handler {
	switch {
	case layer.Sessions != nil:
		return layer.Sessions.Middleware(next)
	case layer.Protect:
		return http.NewCrossOriginProtection().Handler(next)
	case layer.Gzip:
		return compressed(next)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if layer.Recover {
			defer func() {
				if v := recover(); v != nil {
					http.Error(w, "panic", http.StatusInternalServerError)
				}
			}()
			next.ServeHTTP(w, r)
			return
		}
		answer(w, layer.Handle(sessiontest.HTTPCall{W: w, R: r}, func() error { next.ServeHTTP(w, r); return nil }))
	})
}

// answer renders the error of a handler.
func answer(w http.ResponseWriter, err error) {
	if status, ok := errors.AsType[*sessiontest.StatusError](err); ok {
		http.Error(w, status.Text, status.Code)
	} else if err != nil {
		http.Error(w, "failed", http.StatusInternalServerError)
	}
}

// compressed compresses what next writes, as the usual middlewares do.
func compressed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Accept-Encoding") != "gzip" {
			next.ServeHTTP(w, r)
			return
		}
		zw := &gzipWriter{ResponseWriter: w}
		next.ServeHTTP(zw, r)
		if zw.body != nil {
			_ = zw.body.Close()
		}
	})
}

type gzipWriter struct {
	http.ResponseWriter
	body *gzip.Writer
}

func (w *gzipWriter) WriteHeader(status int) {
	if status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified && w.body == nil {
		w.Header().Del("Content-Length")
		w.Header().Set("Content-Encoding", "gzip")
		w.body = gzip.NewWriter(w.ResponseWriter)
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *gzipWriter) Write(p []byte) (int, error) {
	if w.body == nil {
		w.WriteHeader(http.StatusOK)
	}
	return w.body.Write(p)
}

func (w *gzipWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
