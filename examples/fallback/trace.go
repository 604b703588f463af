package main

import (
	"context"
	"errors"
	"sync"

	"github.com/nonstick-go/nonstick/backends/fallback/mysqlstore"
	"github.com/nonstick-go/nonstick/backends/goredis"
	"github.com/nonstick-go/nonstick/core/session"
)

// place is where a session was found, or a change of it kept.
type place int

const (
	atNode    place = iota // in the files or the memory of the node
	atRedis                // and, of a change, in the node's files
	atMariaDB              // and, of a change, in Redis if that is there
	places
)

// String names the place for the page.
func (p place) String() string { return [...]string{"node", "redis", "mariadb"}[p] }

// trace notes, for one request, where its session was found and where a change was kept.
type trace struct {
	mu            sync.Mutex
	found, stored place
}

type traceKey struct{}

func withTrace(ctx context.Context) (context.Context, *trace) {
	t := &trace{}
	return context.WithValue(ctx, traceKey{}, t), t
}

// traceOf returns the trace of a request, or an empty one.
func traceOf(ctx context.Context) *trace {
	if t, ok := ctx.Value(traceKey{}).(*trace); ok {
		return t
	}
	return &trace{}
}

// places returns what was noted.
func (t *trace) places() (found, stored place) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.found, t.stored
}

// saw notes that a store has answered a read.
func saw(ctx context.Context, at place, err error) {
	if err == nil || errors.Is(err, session.ErrNotFound) {
		t := traceOf(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.found = at
	}
}

// kept notes that a store has taken a change. That it is in Redis too adds nothing to its being in MariaDB.
func kept(ctx context.Context, at place, err error) {
	if err == nil {
		t := traceOf(ctx)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.stored = max(t.stored, at)
	}
}

// tracedRedis is a store that notes what it answers.
type tracedRedis struct{ *goredis.Store }

func (r tracedRedis) ReadSince(ctx context.Context, name string, id session.ID) (session.Record, error) {
	rec, err := r.Store.ReadSince(ctx, name, id)
	saw(ctx, atRedis, err)
	return rec, err
}

func (r tracedRedis) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	err := r.Store.Write(ctx, id, rec, prev)
	kept(ctx, atRedis, err)
	return err
}

// tracedMariaDB is a store that notes what it answers.
type tracedMariaDB struct{ *mysqlstore.Store }

func (m tracedMariaDB) Read(ctx context.Context, id session.ID) (session.Record, error) {
	rec, err := m.Store.Read(ctx, id)
	saw(ctx, atMariaDB, err)
	return rec, err
}

func (m tracedMariaDB) Write(ctx context.Context, id session.ID, rec session.Record, prev session.Version) error {
	err := m.Store.Write(ctx, id, rec, prev)
	kept(ctx, atMariaDB, err)
	return err
}

func (m tracedMariaDB) Destroy(ctx context.Context, id session.ID) error {
	err := m.Store.Destroy(ctx, id)
	kept(ctx, atMariaDB, err)
	return err
}
