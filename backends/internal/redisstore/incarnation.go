package redisstore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// A server forgets its scripts when it restarts, whatever it keeps on disk, and since Redis 7.0 does not send them to
// replicas. So a script that reads a session, and has a name in it, proves by its being known that the server has run all the
// time; and the proof costs no round trip. It is loaded with EVAL, which a cluster sends where its key is. Redis 7.4 and
// later may drop such a script after 500 others have come: that is taken for a restart.
//
// A script is dearer than a plain command, and no connection outlives its server. So where connections can be made each of which
// runs the script before it is used, plain commands do on these. Only a proxy that speaks the protocol of Redis may change the
// server behind a connection: for that the script is run again once in a while.

const (
	// provenAfter is how many reads of one name are worth connections of their own.
	provenAfter = 100
	// knownFor is for how long reads on such connections do without the script.
	knownFor = time.Second
	// retireAfter is for how long connections are kept that prove a name nobody asks for any more: longer than a call takes.
	retireAfter = 5 * time.Second
)

// Prover is a Conn to one server that can make connections which have proven something.
type Prover interface {
	Conn

	// Prove returns a client for the same server. Each of its connections runs a command first, as Do takes it. If the server
	// refuses that, it refuses with the same error what was to be run on the connection.
	Prove(keyAt int, args ...any) Reader
}

// incarnation is the reading script of a name.
type incarnation struct {
	name string
	script
	reads  atomic.Int64
	proven atomic.Pointer[Reader] // nil if there are no such connections
	known  atomic.Int64           // when the script was, in nanoseconds since 1970
}

func newIncarnation(name string) *incarnation {
	sum := sha256.Sum256([]byte(name))
	body := "-- " + hex.EncodeToString(sum[:]) + "\nreturn redis.call('HMGET', KEYS[1], 't', 'r')"
	return &incarnation{name: name, script: newScript(body)}
}

// incarnations are those that a Store was asked for.
type incarnations struct {
	last atomic.Pointer[incarnation]

	mu      sync.Mutex
	retired Reader // of the one before
	closed  bool
}

// of returns the incarnation of a name, which is the last one from now on.
func (a *incarnations) of(name string) *incarnation {
	if last := a.last.Load(); last != nil && last.name == name {
		return last
	}
	i := newIncarnation(name)
	a.mu.Lock()
	defer a.mu.Unlock()
	if old := a.last.Swap(i); old != nil && old.proven.Load() != nil {
		a.closeRetired()
		retired := *old.proven.Load()
		a.retired = retired
		time.AfterFunc(retireAfter, func() { _ = retired.Close() })
	}
	return i
}

// prove makes connections that prove an incarnation, if conn can, for the reads to come.
func (a *incarnations) prove(conn Conn, i *incarnation, key string) {
	p, ok := conn.(Prover)
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed && i == a.last.Load() && i.proven.Load() == nil {
		r := p.Prove(3, "evalsha", i.sha, "1", key)
		i.proven.Store(&r)
	}
}

func (a *incarnations) closeRetired() {
	if a.retired != nil {
		_ = a.retired.Close() // again, perhaps
	}
}

func (a *incarnations) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	a.closeRetired()
	if last := a.last.Load(); last != nil && last.proven.Load() != nil {
		_ = (*last.proven.Load()).Close()
	}
}

// Begin implements session.Incarnated: it makes each master remember name, for as long as it runs.
func (s *Store) Begin(ctx context.Context, name string) error {
	if s.closed.Load() {
		return session.ErrClosed
	}
	ids, err := s.canaries(ctx)
	if err != nil {
		return s.failed(ctx, err)
	}
	for _, id := range ids {
		if _, err := s.eval(ctx, "eval", s.incarnations.of(name).body, s.key(id), nil, nil); err != nil {
			return s.failed(ctx, err)
		}
	}
	return nil
}

// ReadSince implements session.Incarnated, in one round trip.
func (s *Store) ReadSince(ctx context.Context, name string, id session.ID) (session.Record, error) {
	if s.closed.Load() {
		return session.Record{}, session.ErrClosed
	}
	i, key, now := s.incarnations.of(name), s.key(id), time.Now()
	if proven := i.proven.Load(); proven != nil && now.UnixNano() < i.known.Load()+int64(knownFor) {
		rec, err := s.read(ctx, *proven, 1, "hmget", key, "t", "r")
		if !errors.Is(err, session.ErrClosed) { // else another name has just taken its place
			return rec, restarted(err)
		}
	}
	rec, err := s.read(ctx, s.conn, 3, "evalsha", i.sha, "1", key)
	if err == nil || errors.Is(err, session.ErrNotFound) {
		i.known.Store(now.UnixNano())
		if i.reads.Add(1) == provenAfter {
			s.incarnations.prove(s.conn, i, key)
		}
	}
	return rec, restarted(err)
}

// restarted is err, or session.ErrRestarted if the server does not know the script.
func restarted(err error) error {
	if unknownScript(err) {
		return session.ErrRestarted
	}
	return err
}
