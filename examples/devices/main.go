// Command devices shows users where they are logged in, and lets them end that elsewhere:
//
//	go run ./examples/devices
//
// Log in with two browsers (any name; the password is on the page). Who ticks "Remember me" is logged in again when the session
// has ended, until the login is ended here or elsewhere. It is net/http, core/session and core/remember alone, with the sessions
// in memory; -store keeps them in files or in Redis.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/nonstick-go/nonstick/backends/goredis" // redis://
	_ "github.com/nonstick-go/nonstick/core/filestore"   // file://
	_ "github.com/nonstick-go/nonstick/core/memstore"    // memory://
	"github.com/nonstick-go/nonstick/core/remember"
	"github.com/nonstick-go/nonstick/core/session"
)

func main() {
	store := flag.String("store", "memory://", "`URL` of the store: memory://, file:///folder, redis://host")
	listen := flag.String("listen", "127.0.0.1:8082", "`host:port` (port 0: a free one)")
	grace := flag.Duration("grace", 0, "`time` for which a cookie that remembers a user is taken after it was replaced (0: 30 seconds)")
	pause := flag.Duration("pause", time.Minute, "`time` without an attempt after three wrong passwords")
	fresh := flag.Duration("fresh", 5*time.Minute, "`age` of a login up to which the others may be ended without the password")
	flag.Parse()
	if err := run(*store, *listen, *fresh, *pause, *grace); err != nil {
		log.Fatal("devices: ", err)
	}
}

// run serves until Ctrl-C.
func run(storeURL, listen string, fresh, pause, grace time.Duration) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	store, err := session.Open(ctx, storeURL)
	if err != nil {
		return err
	}
	cookie := session.Cookie{Insecure: true} // plain http, for development only
	sessions, err := session.New(store, session.Options{
		Cookie:        cookie,
		ClearSiteData: []string{"cache", "storage"}, // the cookie is deleted anyway
	})
	if err != nil {
		return err
	}
	defer func() { _ = sessions.Close() }()
	logins, err := remember.New(sessions, store, remember.Options{Cookie: cookie, Grace: grace})
	if err != nil {
		return err
	}
	handler, err := newHandler(sessions, logins, fresh, pause)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("open http://%s/ in two browsers; Ctrl-C ends all\n", l.Addr())
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		ended <- server.Shutdown(grace)
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-ended
}
