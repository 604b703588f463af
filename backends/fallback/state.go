package fallback

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// state is what the nodes tell each other. It is the payload of a record in the durable store.
type state struct {
	// Epoch grows with every change.
	Epoch int64 `json:"epoch"`
	// Generation names the cache.
	Generation string `json:"generation"`
	// Past has the nodes that write past the cache, and how often they have said so.
	Past map[string]uint64 `json:"past,omitempty"`
}

// stateID is where it is kept: the hash of no token.
func stateID() session.ID { return sha256.Sum256([]byte("nonstick: state of the fallback")) }

// stateLife is how long the state is kept if no node is left. Without it the nodes begin a new generation, so that is safe.
const stateLife = 10 * 365 * 24 * time.Hour

// view is the state as a node has read it.
type view struct {
	state
	version session.Version
	at      time.Time // when it began to read
}

// past reports whether some node writes past the cache.
func (v view) past() bool { return len(v.Past) > 0 }

// old reports whether anything may have changed since.
func (v view) old(now time.Time) bool { return !now.Before(v.at.Add(trust)) }

// reliable reports whether the cache was believed when the state was read, and nobody can have changed that yet.
func (v view) reliable(now time.Time) bool {
	return v.Generation != "" && !v.past() && !v.old(now)
}

// key is where the cache keeps a session in the view's generation.
func (v view) key(id session.ID) session.ID {
	var room [128]byte // without an allocation, as each read does it
	return sha256.Sum256(append(append(room[:0], v.Generation...), id[:]...))
}

// current is the view that was read last.
func (e *engine) current() view {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.view
}

// latest is the current view if it can be relied on, else a new one.
func (e *engine) latest(ctx context.Context) (view, error) {
	v := e.current()
	if v.reliable(e.clock.Now()) {
		return v, nil
	}
	return e.look(ctx)
}

// own reports whether our word stands in the state.
func (e *engine) own() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.clock.Now().Before(e.until)
}

// look reads the state. The first node makes it.
func (e *engine) look(ctx context.Context) (view, error) {
	for {
		at := e.clock.Now()
		rec, err := e.stored(ctx, stateID())
		switch {
		case errors.Is(err, session.ErrNotFound):
			generation := e.draw()
			_ = e.begin(ctx, generation) // else whoever reads the cache finds out
			_, err = e.change(ctx, view{}, func(s *state) { s.Generation = generation })
			if err == nil || errors.Is(err, session.ErrExists) {
				continue
			}
			return view{}, err
		case err != nil:
			return view{}, err
		}
		return e.saw(rec, at)
	}
}

// saw notes a state that was read.
func (e *engine) saw(rec session.Record, at time.Time) (view, error) {
	v := view{version: rec.Version, at: at}
	if err := json.Unmarshal(rec.Payload, &v.state); err != nil || v.Generation == "" {
		return view{}, fmt.Errorf("%w: what the fallback keeps of its own state in the durable store is corrupt", session.ErrUnavailable)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn(v)
	return v, nil
}

// learn keeps the newer of two views. Two looks at the same time may end in another order than they began.
func (e *engine) learn(v view) {
	if v.Epoch < e.view.Epoch || v.Epoch == e.view.Epoch && v.at.Before(e.view.at) {
		return
	}
	if e.view.past() != v.past() || e.view.Generation == "" {
		kind := EventBelieved
		if v.past() {
			kind = EventPast
		}
		e.report(Event{Kind: kind, Past: len(v.Past)})
	}
	if e.view.Generation != v.Generation {
		e.began = e.clock.Now()
	}
	e.view = v
}

// change writes the state that an edit makes of one that was read.
func (e *engine) change(ctx context.Context, v view, edit func(s *state)) (view, error) {
	now := e.clock.Now()
	next := view{state: state{Epoch: max(v.Epoch+1, now.UnixMilli()), Generation: v.Generation, Past: maps.Clone(v.Past)}, at: now}
	if next.Past == nil {
		next.Past = make(map[string]uint64)
	}
	edit(&next.state)
	payload, err := json.Marshal(next.state)
	if err != nil {
		return view{}, err
	}
	if _, err := io.ReadFull(e.random, next.version[:]); err != nil {
		return view{}, err
	}
	rec := session.Record{Version: next.version, Created: now, Seen: now, TTL: stateLife, Payload: payload}
	if err := e.onDurable(ctx, func() error { return e.durable.Write(ctx, stateID(), rec, v.version) }); err != nil {
		return view{}, err
	}
	return next, nil
}

// giveWord says in the state that this node writes past the cache, or says it again. Many calls may want that at the same moment: it
// is enough that one of them has said so since.
func (e *engine) giveWord(ctx context.Context) error {
	began := e.clock.Now()
	for {
		v, err := e.look(ctx)
		if err != nil {
			return err
		}
		at := e.clock.Now()
		v, err = e.change(ctx, v, func(s *state) { s.Past[e.node]++ })
		if err == nil {
			e.mu.Lock()
			defer e.mu.Unlock()
			if !at.Before(e.until) { // others may have read the state just before it was there, which was now at the latest
				e.since = e.clock.Now()
				e.heard = e.since.Add(trust)
			}
			e.until = at.Add(ownLasts)
			e.learn(v)
			return nil
		}
		if !raced(err) {
			return err
		}
		if e.saidSince(began) {
			return nil
		}
	}
}

// saidSince reports whether our word stands, and was given by a call that began after a time.
func (e *engine) saidSince(t time.Time) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.clock.Now().Before(e.until) && !e.until.Add(-ownLasts).Before(t)
}

// takeBack takes words back, and begins a new generation.
func (e *engine) takeBack(ctx context.Context, nodes ...string) error {
	if slices.Contains(nodes, e.node) {
		e.mu.Lock()
		e.until = time.Time{} // from here on no write of ours relies on it
		e.mu.Unlock()
	}
	v, err := e.look(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(nodes, func(node string) bool { return v.Past[node] > 0 }) {
		return nil // somebody else has done it
	}
	generation := v.Generation
	if !e.rules.sameName {
		generation = e.draw()
	}
	if err := e.begin(ctx, generation); err != nil {
		return err
	}
	_, err = e.change(ctx, v, func(s *state) {
		for _, node := range nodes {
			delete(s.Past, node)
		}
		s.Generation = generation
	})
	return err
}

// raced reports whether somebody else has changed the state meanwhile.
func raced(err error) bool {
	return errors.Is(err, session.ErrConflict) || errors.Is(err, session.ErrExists) || errors.Is(err, session.ErrNotFound)
}

// draw makes a random name.
func (e *engine) draw() string {
	var b [12]byte
	if _, err := io.ReadFull(e.random, b[:]); err != nil {
		panic(err) // crypto/rand never fails
	}
	return hex.EncodeToString(b[:])
}
