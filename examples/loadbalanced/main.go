// Command loadbalanced shows one session on three nodes of three web frameworks behind a load balancer that sends every
// request to another node:
//
//	go run ./examples/loadbalanced
//
// Point a browser at the address that it prints. By default the nodes share a folder of files, which is removed in the
// end; -store moves them to any other store that processes can share:
//
//	go run ./examples/loadbalanced -store redis://localhost:6379
//
// The three nodes are child processes and end with the balancer, however that ends.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/nonstick-go/nonstick/examples/loadbalanced/balancer"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "`host:port` of the balancer; the nodes take the next three ports (0: free ports)")
	store := flag.String("store", "", "`URL` of the store that the nodes share (default: files in a temporary folder)")
	node := flag.String("node", "", "internal: be the node of this `framework`")
	flag.Parse()
	err := errors.New("there are no arguments, only flags")
	switch {
	case flag.NArg() > 0:
	case *node != "":
		err = runNode(*node, *addr, os.Getenv(storeVariable))
	default:
		err = run(*addr, *store)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "loadbalanced:", err)
		os.Exit(1)
	}
}

// run is the life of the balancer: it starts the nodes, serves until it is told to end, and ends the nodes.
func run(addr, store string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if scheme, _, _ := strings.Cut(store, ":"); strings.EqualFold(scheme, "memory") {
		return errors.New("-store: memory:// is in one process, three cannot share it: use file:///folder or redis://host:6379")
	}
	if store == "" {
		folder, err := os.MkdirTemp("", "nonstick-demo-")
		if err != nil {
			return err
		}
		defer func() { _ = os.RemoveAll(folder) }()
		store = "file://" + filepath.ToSlash(filepath.Join(folder, "sessions"))
	}
	addrs, err := nodeAddrs(addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()

	nodes := make([]balancer.Node, len(addrs))
	for i, framework := range frameworks() {
		nodes[i] = &process{framework: framework, listen: addrs[i], store: store}
	}
	defer stopAll(nodes)
	var where []string
	for _, n := range nodes {
		if err := n.Start(ctx); err != nil {
			if ctx.Err() != nil {
				return nil // told to end while starting
			}
			return err
		}
		where = append(where, n.Name()+" "+n.Address())
	}
	fmt.Printf("open http://%s/ in a browser (%s; Ctrl-C ends all)\n", listener.Addr(), strings.Join(where, ", "))

	server := &http.Server{Handler: balancer.New(nodes...), ReadHeaderTimeout: headerTimeout}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		stop() // a second Ctrl-C ends at once
	}
	ctx, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	_ = server.Shutdown(ctx) // a visitor who stays longer is cut off
	return nil
}

// nodeAddrs returns where the nodes listen: the ports after the balancer's.
func nodeAddrs(addr string) ([]string, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port+len(frameworks()) > 65535 {
		return nil, fmt.Errorf("%q is no port with three more after it", text)
	}
	addrs := make([]string, len(frameworks()))
	for i := range addrs {
		if port > 0 {
			port++
		}
		addrs[i] = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return addrs, nil
}

// stopAll ends all nodes, at the same time.
func stopAll(nodes []balancer.Node) {
	var wg sync.WaitGroup
	for _, n := range nodes {
		wg.Go(n.Stop)
	}
	wg.Wait()
}
