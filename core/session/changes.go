package session

import (
	"bytes"
	"slices"
)

// change is what a request wants of one key.
type change struct {
	name string
	// value and present are the outcome, computed from the record that the request read, or from the newest one after
	// a conflict.
	value   []byte
	present bool
	// replay computes the outcome from another value than the one the request saw. It is nil for a blind change: a
	// Set or Delete, whose outcome does not depend on what is there.
	replay replay
	// read says that the request looked at the key before it changed it blindly.
	read bool
}

// replay computes a value from an old one, which may be absent.
type replay func(old []byte, ok bool) (value []byte, present bool, err error)

// changes is what a request wants of a session, in the order in which keys were first changed.
type changes []change

func (c changes) index(name string) int {
	return slices.IndexFunc(c, func(ch change) bool { return ch.name == name })
}

// replays reports whether applying the changes a second time would count them twice.
func (c changes) replays() bool {
	return slices.ContainsFunc(c, func(ch change) bool { return ch.replay != nil })
}

// real drops blind changes to the value that was read: they are none.
func (c changes) real(read []byte) changes {
	return slices.DeleteFunc(c, func(ch change) bool {
		old, ok := find(read, ch.name)
		return ch.replay == nil && ok == ch.present && bytes.Equal(old, ch.value)
	})
}

// rebase computes the outcomes anew on top of base.
func (c changes) rebase(base []byte) error {
	for i := range c {
		if c[i].replay == nil {
			continue
		}
		old, ok := find(base, c[i].name)
		value, present, err := c[i].replay(old, ok)
		if err != nil {
			return err
		}
		c[i].value, c[i].present = value, present
	}
	return nil
}

// overwritten returns a key that the request read and then set blindly although others changed it from old to newest
// in between, or "". The request's value wins over one that it never saw.
func (c changes) overwritten(old, newest []byte) string {
	for i := range c {
		if !c[i].read || c[i].replay != nil {
			continue
		}
		before, had := find(old, c[i].name)
		now, has := find(newest, c[i].name)
		if has == c[i].present && bytes.Equal(now, c[i].value) {
			continue // both made the same of it
		}
		if had != has || !bytes.Equal(before, now) {
			return c[i].name
		}
	}
	return ""
}

// splice lays the changes over base and returns the new payload. changed is false, and the payload is base, when base
// holds all of them already: setting the same value costs no write.
func (c changes) splice(base []byte) (payload []byte, changed bool) {
	size := len(base)
	for i := range c {
		old, ok := find(base, c[i].name)
		if ok != c[i].present || !bytes.Equal(old, c[i].value) {
			changed = true
		}
		size += len(c[i].name) + len(c[i].value) + 2*frameLengths
	}
	if !changed {
		return base, false
	}
	payload = make([]byte, 0, size)
	for rest := base; ; {
		key, _, next, ok := nextFrame(rest)
		if !ok {
			break
		}
		if i := c.index(string(key)); i < 0 {
			payload = append(payload, rest[:len(rest)-len(next)]...)
		} else if c[i].present {
			payload = appendFrame(payload, c[i].name, c[i].value)
		}
		rest = next
	}
	for i := range c {
		if _, ok := find(base, c[i].name); !ok && c[i].present {
			payload = appendFrame(payload, c[i].name, c[i].value)
		}
	}
	return payload, true
}

const frameLengths = 5 // the most bytes that one length takes, for data below 32 GiB
