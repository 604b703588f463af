package main

import (
	"fmt"
	"slices"
)

// env is where a variant finds its servers.
type env struct {
	redis string // host:port
	db    int    // the Redis database of this variant, so that its keys can be told from others
	mysql string // host:port, empty without MariaDB
	dir   string // a folder for files
}

func (e env) url() string { return fmt.Sprintf("redis://%s/%d", e.redis, e.db) }

// variant is one program that serves the paths of routes.
type variant struct {
	name      string
	framework string // http (net/http), gin, echo or fiber
	floor     string // the variant that does the same by hand, which ratios refer to
	mysql     bool   // needs MariaDB
	redis     bool   // needs Redis
	only      []string
	crowd     bool // is measured in several processes too
	open      func(env) (server, error)
}

// bare is the name of the variant without a session on the same framework.
func (v variant) bare() string { return "bare-" + v.framework }

// serves reports whether the variant takes part in a workload.
func (v variant) serves(workload string) bool {
	switch {
	case v.name == v.bare():
		return workload == "anonymous" || workload == "untouched"
	case workload == "crowd":
		return v.crowd
	}
	return len(v.only) == 0 && workload != "defaults" || slices.Contains(v.only, workload)
}

// session reports whether it has sessions, which have to be made first.
func (v variant) session() bool { return v.name != v.bare() }

func variants() []variant {
	return slices.Concat(bareVariants(), rawVariants(), nonstickVariants(), nonstickElsewhere(), scsVariants(), gorillaVariants(),
		frameworkPeers())
}

func bareVariants() []variant {
	v := func(framework string, s func() server) variant {
		return variant{name: "bare-" + framework, framework: framework, open: func(env) (server, error) { return s(), nil }}
	}
	return []variant{
		v("http", func() server { return serveHTTP(ops[exchange]{}, nil) }),
		v("gin", func() server { return serveGin(ops[ginContext]{}) }),
		v("echo", func() server { return serveEcho(ops[echoContext]{}) }),
		v("fiber", func() server { return serveFiber(ops[fiberContext]{}) }),
	}
}
