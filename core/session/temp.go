package session

import "time"

// Temp is a Key whose values end by themselves, such as a code that was sent by mail:
//
//	var code = session.NewTemp[string]("code", 10*time.Minute)
//
// A value that has ended counts as absent, and is removed by the next request that looks at it in a mode in which it can.
// For values that end when they were shown, flash messages, there is Key.Pop.
//
// Its methods are safe for concurrent use with one Session.
type Temp[T any] struct {
	key  Key[timed[T]]
	life time.Duration
}

// timed is what is stored for a Temp. A Key and a Temp of one name cannot read each other's values.
type timed[T any] struct {
	End   int64 `json:"end"` // milliseconds since 1970
	Value T     `json:"value"`
}

// NewTemp returns the Temp of a name, which follows the rules of NewKey. Its values live for a time, if their session does;
// zero or less means that they have ended at once.
func NewTemp[T any](name string, life time.Duration) Temp[T] {
	return Temp[T]{NewKey[timed[T]](name), life}
}

// Name returns the name.
func (t Temp[T]) Name() string { return t.key.Name() }

// Get returns the value, or the zero value of T if there is none, or if it has ended.
func (t Temp[T]) Get(s *Session) T {
	v, _ := t.Lookup(s)
	return v
}

// Lookup returns the value and whether there is one that has not ended.
func (t Temp[T]) Lookup(s *Session) (T, bool) {
	v, ok := t.key.Lookup(s)
	return t.alive(s, v, ok)
}

// Set sets the value, which lives for the whole time again. Errors are those of Key.Set.
func (t Temp[T]) Set(s *Session, v T) error {
	return t.key.Set(s, timed[T]{time.Now().Add(t.life).UnixMilli(), v})
}

// Delete removes the value. Errors are those of Key.Delete.
func (t Temp[T]) Delete(s *Session) error { return t.key.Delete(s) }

// Pop returns the value and whether there was one that has not ended, and removes it; see Key.Pop.
func (t Temp[T]) Pop(s *Session) (T, bool) {
	v, ok := t.key.Pop(s)
	return t.alive(nil, v, ok)
}

// alive returns the value if it has not ended. If it has, s forgets it, unless s is nil.
func (t Temp[T]) alive(s *Session, v timed[T], ok bool) (T, bool) {
	if !ok || time.Now().UnixMilli() < v.End {
		return v.Value, ok
	}
	if s != nil && s.changeable() {
		_, _ = t.key.Pop(s) // unless another request sets it anew
	}
	var zero T
	return zero, false
}

// changeable reports whether the session can be changed.
func (s *Session) changeable() bool {
	s.lock()
	defer s.mu.Unlock()
	return !s.sealed && s.mode != ReadOnly
}
