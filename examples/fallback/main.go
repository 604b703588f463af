// Command fallback shows what becomes of sessions when Redis and MariaDB die:
//
//	go run ./examples/fallback
//
// It starts both servers as its children, three nodes of an application that keep their sessions in them by way of package
// fallback, a load balancer, and visitors who change their sessions and check every answer. Point a browser at the address
// that it prints: the page has buttons that kill, stop and restart the servers. All ends with this program, and nothing
// stays on disk.
//
// The servers' programs are those that scripts/servers gets: make demo-fallback runs both.
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
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9/logging"

	"github.com/nonstick-go/nonstick/examples/loadbalanced/balancer"
)

// config is what the flags say.
type config struct {
	listen         string
	redis, mariadb string
	visitors       int
	rate           float64
	roam           bool
}

const (
	nodeCount = 3
	rateMost  = 2000
)

func main() {
	var c config
	flag.StringVar(&c.listen, "listen", "127.0.0.1:8081", "`host:port` of the page, on loopback (port 0: a free one)")
	flag.StringVar(&c.redis, "redis", "bin/servers/redis-7.0", "`program` of Redis; if it is missing, the redis-server in PATH")
	flag.StringVar(&c.mariadb, "mariadb", "bin/servers/mariadb-10.11", "`program` of MariaDB, as scripts/servers makes it")
	flag.IntVar(&c.visitors, "visitors", 30, "how many `visitors` there are")
	flag.Float64Var(&c.rate, "rate", 60, "how many `requests` a second all of them send together")
	flag.BoolVar(&c.roam, "roam", false, "send every request to the next node while both servers are well, not each visitor to one node")
	flag.Parse()
	if err := run(c); err != nil {
		fmt.Fprintln(os.Stderr, "fallback:", err)
		os.Exit(1)
	}
}

func (c config) check() error {
	host, _, err := net.SplitHostPort(c.listen)
	switch ip := net.ParseIP(host); {
	case flag.NArg() > 0:
		return errors.New("there are no arguments, only flags")
	case err != nil:
		return fmt.Errorf("-listen: %w", err)
	case host != "localhost" && (ip == nil || !ip.IsLoopback()):
		return errors.New("-listen: the page kills servers, so it is on loopback only: use 127.0.0.1:8081")
	case c.visitors < 0 || c.visitors > 1000:
		return errors.New("-visitors: from 0 to 1000")
	case !(c.rate > 0 && c.rate <= rateMost):
		return fmt.Errorf("-rate: more than 0, and %d at most", rateMost)
	}
	return nil
}

// run is the life of the demo.
func run(c config) error {
	if err := c.check(); err != nil {
		return err
	}
	logging.Disable() // go-redis would tell of every connection that fails; the page does
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	listener, err := net.Listen("tcp", c.listen)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }()
	folder, err := os.MkdirTemp("", "nonstick-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()

	d := &demo{roam: c.roam, figures: &figures{}, checker: &checker{}, news: &news{}}
	defer d.end()
	if err := d.start(ctx, c, folder); err != nil {
		if ctx.Err() != nil {
			return nil // told to end while starting
		}
		return err
	}
	server := &http.Server{
		Handler: d.handler(), ReadHeaderTimeout: headerTimeout,
		BaseContext: func(net.Listener) context.Context { return ctx }, // a restart under way ends too
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	fmt.Printf("open http://%s/ in a browser (%d visitors, %g requests a second; Ctrl-C ends all)\n", listener.Addr(), c.visitors, c.rate)
	leave := d.visit(ctx, c, "http://"+listener.Addr().String())
	defer leave()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		stop() // a second Ctrl-C ends at once
	}
	leave()
	limited, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if server.Shutdown(limited) != nil {
		_ = server.Close() // a browser that stays longer is cut off
	}
	fmt.Println(d.checker.found())
	return nil
}

// demo is all that runs.
type demo struct {
	roam    bool
	servers []*server
	nodes   []*node
	figures *figures
	checker *checker
	news    *news
}

// start starts the servers and the nodes, with their files in folder.
func (d *demo) start(ctx context.Context, c config, folder string) error {
	dirs := map[string]string{}
	for _, name := range []string{"redis", "mariadb"} {
		dirs[name] = filepath.Join(folder, name)
		if err := os.Mkdir(dirs[name], 0o700); err != nil {
			return err
		}
	}
	redis, redisURL, err := newRedis(c.redis, dirs["redis"])
	if err != nil {
		return err
	}
	mariadb, mariadbURL, err := newMariaDB(c.mariadb, dirs["mariadb"])
	if err != nil {
		return err
	}
	d.servers = []*server{redis, mariadb}
	for _, s := range d.servers {
		if err := s.do(ctx, "restart"); err != nil {
			return err
		}
	}
	for i := range nodeCount {
		n := &node{name: fmt.Sprint("node-", i+1), redis: redisURL, mariadb: mariadbURL, figures: d.figures, news: d.news}
		if n.dir = filepath.Join(folder, n.name); os.Mkdir(n.dir, 0o700) != nil {
			return errors.New("the nodes' folders cannot be made")
		}
		d.nodes = append(d.nodes, n)
		if err := n.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// visit lets the visitors in. leave sends them home; it may be called twice.
func (d *demo) visit(ctx context.Context, c config, base string) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	transport := &http.Transport{MaxIdleConnsPerHost: c.visitors}
	var crowd sync.WaitGroup
	for i := range c.visitors {
		v := &visitor{
			name: fmt.Sprint("visitor-", i+1), base: base, client: &http.Client{Transport: transport},
			pause:   time.Duration(float64(time.Second) * float64(c.visitors) / c.rate),
			figures: d.figures, checker: d.checker,
		}
		crowd.Go(func() { v.browse(ctx) })
	}
	return func() {
		cancel()
		crowd.Wait()
		transport.CloseIdleConnections()
	}
}

// sticky reports whether each visitor stays with one node. That is what the store asks for when both servers are away; those
// who roam have to begin with it when the first one fails. For requests that are under way in that moment it is too late, so
// roaming is not what the demo does by default.
func (d *demo) sticky() bool {
	if !d.roam {
		return true
	}
	for _, n := range d.nodes {
		if s := n.Status(); !s.Believed || !s.DurableUp || s.Open > 0 {
			return true
		}
	}
	return false
}

// balance returns the application.
func (d *demo) balance() http.Handler {
	nodes := make([]balancer.Node, len(d.nodes))
	for i, n := range d.nodes {
		nodes[i] = n
	}
	return balancer.Sticky(d.sticky, nodes...)
}

// end ends the nodes, and then the servers.
func (d *demo) end() {
	var wg sync.WaitGroup
	for _, n := range d.nodes {
		wg.Go(n.Stop)
	}
	wg.Wait()
	for _, s := range d.servers {
		s.end()
	}
}
