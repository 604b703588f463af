package session

import (
	"encoding/binary"
	"slices"
	"time"
)

// Notes are what the package itself keeps in a session: frames of the payload whose names no Key can have. So they are
// merged, renewed and moved with the rest, and no store has to know of them. A session has those alone that an option or
// SetLimits asks for.
const (
	noteMark = 0 // the first byte of their names

	noteBot    = "\x00bot"    // '1' if the visitor is a robot, else '0'
	noteLimits = "\x00limits" // of SetLimits: varints of the idle timeout and of the absolute end, in milliseconds
	noteIssued = "\x00issued" // when the session got its id, a varint of milliseconds since 1970; without it, at its creation
	noteOrigin = "\x00origin" // where the session belongs, see origin.note
	noteWrites = "\x00writes" // how often the session was written: '1' or '2'; removed by the third write
)

func isNote(name string) bool { return name != "" && name[0] == noteMark }

// note has the commit store a note, or remove it if value is nil.
func (s *Session) note(name string, value []byte) {
	ch := s.change(name)
	ch.value, ch.present, ch.replay, ch.read = value, value != nil, nil, false
}

// unnote has the commit remove a note, if there is one.
func (s *Session) unnote(name string) {
	if s.noted(name) != nil {
		s.note(name, nil)
	}
}

// annotate adds notes to what a commit stores; on their own they make no commit.
func (s *Session) annotate() {
	switch {
	case s.id.IsZero() && !s.changes.plain():
		s.changes = nil
		return
	case len(s.changes) == 0:
	case s.m.o.FirstTimeout > 0, s.m.o.Bots.Classifier != nil:
		s.countWrite()
		s.noteVerdict()
	}
	if s.origin != nil {
		s.bind()
	}
	if s.renew && s.m.o.RenewInterval > 0 {
		s.issue()
	}
}

// countWrite counts the first two writes of a session, for FirstTimeout.
func (s *Session) countWrite() {
	writes, counted := find(s.rec.Payload, noteWrites)
	switch {
	case s.id.IsZero():
		s.note(noteWrites, []byte{'1'})
	case counted:
		if _, changed := s.changes.splice(s.rec.Payload); !changed {
			return
		}
		if string(writes) == "1" {
			s.note(noteWrites, []byte{'2'})
		} else {
			s.note(noteWrites, nil)
		}
	}
}

// plain reports whether there is a change that is worth a session: no note, or that of a login.
func (c changes) plain() bool {
	return slices.ContainsFunc(c, func(ch change) bool { return !isNote(ch.name) || ch.name == noteSubject })
}

// appendMillis and cutMillis encode the durations of a note.
func appendMillis(dst []byte, d time.Duration) []byte {
	return binary.AppendVarint(dst, d.Milliseconds())
}

func cutMillis(note []byte) (d time.Duration, rest []byte) {
	ms, n := binary.Varint(note)
	if n <= 0 {
		return 0, nil
	}
	ms = min(max(ms, -1), int64(maxDuration/time.Millisecond))
	return time.Duration(ms) * time.Millisecond, note[n:]
}

const maxDuration = time.Duration(1<<63 - 1)
