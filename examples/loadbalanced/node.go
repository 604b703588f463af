package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	_ "github.com/nonstick-go/nonstick/backends/goredis" // redis://, rediss://
	_ "github.com/nonstick-go/nonstick/core/filestore"   // file://
	"github.com/nonstick-go/nonstick/core/session"
	"github.com/nonstick-go/nonstick/examples/loadbalanced/app"
)

const (
	storeVariable   = "NONSTICK_DEMO_STORE" // how a node learns the URL of the store
	shutdownTimeout = 3 * time.Second
	headerTimeout   = 5 * time.Second
	commitTimeout   = 3 * time.Second // hundreds of requests of one session at once queue up before a slow disk
)

// frameworks are those that the nodes run, one each.
func frameworks() []string { return []string{"gin", "echo", "fiber"} }

func nodeName(framework string) string { return "node-" + framework }

// runNode is the life of a child process: it serves until its standard input ends.
func runNode(framework, addr, storeURL string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	signal.Ignore(os.Interrupt) // the terminal sends it to all processes; the parent says when to end
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
		time.Sleep(stopTimeout)
		os.Exit(1) // something hangs; nobody is left to kill this process
	}()
	warnings := &slog.HandlerOptions{Level: slog.LevelWarn}
	log := slog.New(slog.NewTextHandler(os.Stderr, warnings)).With("node", nodeName(framework))

	store, err := session.Open(ctx, storeURL)
	if err != nil {
		return err
	}
	sessions, err := session.New(store, session.Options{
		Cookie:        session.Cookie{Insecure: true}, // the demo speaks plain http; a real application never sets this
		Observer:      session.SlogObserver{Logger: log},
		ErrorResponse: app.CommitFailed,
		CommitTimeout: commitTimeout,
		Lock:          session.LockOptions{Node: nodeName(framework)}, // for those who wait: who has the session
	})
	if err != nil {
		return err
	}
	defer func() { _ = sessions.Close() }() // the process ends
	if err := sessions.Ping(ctx); err != nil {
		log.Warn("the store does not answer yet", "error", err)
	}
	a, err := app.New(app.Node{Name: nodeName(framework), Framework: framework})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr()) // the parent waits for it
	return serve(ctx, listener, framework, a, sessions)
}

// serve runs the application on a framework until ctx ends, and lets it finish its requests.
func serve(ctx context.Context, l net.Listener, framework string, a *app.App, sessions *session.Manager) error {
	var run func(net.Listener) error
	var shutdown func(context.Context) error
	switch framework {
	case "gin":
		s := &http.Server{Handler: ginRoutes(a, sessions), ReadHeaderTimeout: headerTimeout}
		run, shutdown = s.Serve, s.Shutdown
	case "echo":
		s := &http.Server{Handler: echoRoutes(a, sessions), ReadHeaderTimeout: headerTimeout}
		run, shutdown = s.Serve, s.Shutdown
	case "fiber":
		f := fiberRoutes(a, sessions)
		run, shutdown = f.Listener, f.ShutdownWithContext
	default:
		return fmt.Errorf("there is no framework %q", framework)
	}
	failed := make(chan error, 1)
	go func() { failed <- run(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if err := shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) { // a visitor who stays longer is cut off
		return err
	}
	return nil
}
