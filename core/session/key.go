package session

import (
	"bytes"
	"errors"
	"fmt"
)

// Key is a typed name for a value in a session. Declare keys once, as package variables or fields:
//
//	var user = session.NewKey[int64]("user")
//
// The default Codec is JSON, with its rules: unexported fields are not stored, and a field that is renamed is lost unless
// a tag keeps its name.
//
// Its methods are safe for concurrent use with one Session. A value is encoded by Set, so changing it afterwards, or
// changing what Get returned, changes nothing in the session; strings and slices that alias a request's buffer may be
// set safely.
type Key[T any] struct{ name string }

// NewKey returns the Key of a name, which is 1 to 255 bytes long and does not begin with a zero byte; Set refuses others. Two Keys of one name share one
// value, so they should have one type.
func NewKey[T any](name string) Key[T] { return Key[T]{name} }

// Name returns the name.
func (k Key[T]) Name() string { return k.name }

// Get returns the value, or the zero value of T if there is none.
func (k Key[T]) Get(s *Session) T {
	v, _ := k.Lookup(s)
	return v
}

// Lookup returns the value and whether there is one. A value that cannot be decoded as T, for example because T has
// changed since it was stored, counts as absent and is reported to the Observer: one bad value does not lock the
// visitor out.
func (k Key[T]) Lookup(s *Session) (T, bool) {
	data, ok := s.read(k.name)
	if !ok {
		var zero T
		return zero, false
	}
	return k.decode(s, data)
}

// Set sets the value. Sizes are checked at the commit. It fails with ErrReadOnly or ErrCommitted where the session cannot be changed, and when the value
// cannot be encoded. An error that the caller ignores is not lost: the commit fails with it, unless it is ErrCommitted,
// which goes to the Observer.
//
// Set is blind: if other requests set the same key meanwhile, the last commit wins. Use Update where the new value
// depends on the old one.
func (k Key[T]) Set(s *Session, v T) error {
	data, err := k.encode(s, v)
	if err != nil {
		return s.fail("set", err)
	}
	return s.set("set", k.name, data, true)
}

// Update replaces the value by fn of it; fn of the zero value, such as a nil map, if there is none, or none that can be
// decoded. It loses no update of any other request:
// on a conflict fn is called again with what the other has stored, maybe on another goroutine while this one waits. So it
// must depend on its argument only. It must not use the session, which would wait for itself and panics after a second, nor
// end its goroutine (runtime.Goexit, t.FailNow). What Get returns afterwards in this request is the
// value as far as this request knows; the one that is stored may include more. Errors are those of Set.
func (k Key[T]) Update(s *Session, fn func(T) T) error {
	return s.update("update", k.name, func(old []byte, ok bool) ([]byte, bool, error) {
		var v T
		if ok {
			v, _ = k.decode(s, old)
		}
		data, err := k.encode(s, fn(v))
		return data, true, err
	})
}

// Delete removes the value; a value that is not there is no error. Errors are those of Set.
func (k Key[T]) Delete(s *Session) error {
	if isNote(k.name) {
		return s.fail("delete", checkName(k.name))
	}
	return s.set("delete", k.name, nil, false)
}

// Pop returns the value and whether there was one, and removes it: a flash message, shown once (and kept for another page
// by Get instead). If another request sets
// a new value meanwhile, that one stays. Where the session cannot be changed the value is returned all the same and
// the error is kept for the commit, as with Set.
func (k Key[T]) Pop(s *Session) (T, bool) {
	data, ok := s.read(k.name)
	if !ok {
		var zero T
		return zero, false
	}
	_ = s.update("pop", k.name, func(old []byte, ok bool) ([]byte, bool, error) {
		if ok && !bytes.Equal(old, data) {
			return old, true, nil
		}
		return nil, false, nil
	})
	return k.decode(s, data)
}

// checkName keeps Keys away from what the package itself keeps in a session.
func checkName(name string) error {
	if name == "" || len(name) > 255 || isNote(name) {
		return errors.New("the name of a key must have 1 to 255 bytes and not begin with a zero byte")
	}
	return nil
}

func (k Key[T]) encode(s *Session, v T) ([]byte, error) {
	if err := checkName(k.name); err != nil {
		return nil, err
	}
	if s.m.plain {
		if data, ok := encodePlain(v); ok {
			return data, nil
		}
	}
	return k.marshal(s, v)
}

// marshal is a function of its own for the values that escape into a Codec.
func (k Key[T]) marshal(s *Session, v T) ([]byte, error) {
	data, err := s.m.codec.Marshal(v)
	if err != nil {
		return nil, &encodeError{fmt.Sprintf("key %q: value of type %T cannot be encoded", k.name, v), err}
	}
	return data, nil
}

// encodeError hides the text of its cause, which may quote the value.
type encodeError struct {
	text  string
	cause error
}

func (e *encodeError) Error() string { return e.text }

func (e *encodeError) Unwrap() error { return e.cause }

func (k Key[T]) decode(s *Session, data []byte) (T, bool) {
	var v T
	if s.m.plain && decodePlain(data, &v) {
		return v, true
	}
	return k.unmarshal(s, data)
}

func (k Key[T]) unmarshal(s *Session, data []byte) (T, bool) {
	var v T
	if err := s.m.codec.Unmarshal(data, &v); err != nil {
		var zero T // the codec's text may quote the value
		s.observe(Event{Kind: EventUndecodable, Key: k.name, Err: fmt.Errorf("%w: key %q holds no %T", ErrCorrupt, k.name, zero)})
		return zero, false
	}
	return v, true
}
