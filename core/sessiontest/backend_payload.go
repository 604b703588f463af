package sessiontest

import (
	"bytes"
	"crypto/rand"
	"errors"

	"github.com/nonstick-go/nonstick/core/session"
)

func payloadCases(s *suite) []backendCase {
	cases := []backendCase{
		{"payload-empty", "A session without data is a session.", func(p *probe) { p.payloads(nil, []byte{}, []byte{0}, nil) }},
		{"payload-binary", "The payload is opaque: all bytes come back.", func(p *probe) { p.payloads(binaryPayloads()...) }},
		{"payload-large", "The store takes a payload of 1 MiB, or of what the harness declares.", func(p *probe) {
			large := make([]byte, p.MaxBytes)
			_, _ = rand.Read(large) // cannot be compressed
			p.payloads([]byte("small"), large, []byte("small"))
		}},
	}
	if s.TooLarge > 0 {
		cases = append(cases, backendCase{"payload-too-large",
			"A record that is too large for the store is ErrTooLarge, and what was stored before stays intact.", tooLarge})
	}
	return cases
}

func aliasCases() []backendCase {
	return []backendCase{
		{"alias-in", "A Handler neither keeps, aliases nor changes a byte slice that it was given.", aliasIn},
		{"alias-out", "What a Handler returns is the caller's to keep and to change.", aliasOut},
		{"alias-conflict", "ConflictError.Newest belongs to the caller.", aliasConflict},
	}
}

// payloads stores each of the payloads as a creation, and all of them as changes of one session.
func (p *probe) payloads(payloads ...[]byte) {
	h := p.open()
	rec := p.record("before")
	id := p.create(h, rec)
	for _, payload := range payloads {
		created := p.record(string(payload))
		created.Payload = payload
		p.stored(h, p.create(h, created), created)
		changed := p.next(rec, string(payload))
		p.ok("change", h.Write(p.ctx, id, changed, rec.Version))
		p.stored(h, id, changed)
		rec = changed
	}
}

func binaryPayloads() [][]byte {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	payloads := [][]byte{all, []byte("\r\n$-1\r\n"), []byte("\x00'\"\\;--`{}%s\xff\xfe"), []byte("\xed\xa0\x80 no UTF-8")}
	for _, b := range []byte("\x00\n \"N\x7f\x80\xff") {
		payloads = append(payloads, []byte{b})
	}
	return payloads
}

func tooLarge(p *probe) {
	h := p.open()
	huge := p.record("")
	huge.Payload = make([]byte, p.TooLarge)
	id := p.id()
	p.want("creation", h.Write(p.ctx, id, huge, session.Version{}), session.ErrTooLarge)
	p.gone("after the refused creation", h, id)
	rec := p.record("intact")
	id = p.create(h, rec)
	p.want("change", h.Write(p.ctx, id, huge, rec.Version), session.ErrTooLarge)
	p.stored(h, id, rec)
	after := p.next(rec, "smaller again")
	p.ok("change after the refused one", h.Write(p.ctx, id, after, rec.Version))
	p.stored(h, id, after)
}

func aliasIn(p *probe) {
	h, id := p.open(), p.id()
	var prev session.Version
	for range 2 { // a creation, then a change
		want := p.record("this is what was written")
		given := want
		buffer := bytes.Repeat([]byte("."), 4*len(want.Payload))
		given.Payload = buffer[:copy(buffer, want.Payload)]
		p.ok("Write", h.Write(p.ctx, id, given, prev))
		if !bytes.Equal(given.Payload, want.Payload) || len(bytes.Trim(buffer[len(given.Payload):], ".")) > 0 {
			p.fatalf("Write changed the payload, or what lies behind it in the caller's array")
		}
		scribble(buffer)
		p.stored(h, id, want)
		prev = want.Version
	}
}

func aliasOut(p *probe) {
	h := p.open()
	rec := p.record("this is what was written")
	id := p.create(h, rec)
	kept, err := h.Read(p.ctx, id)
	p.ok("Read", err)
	for range 3 {
		got, err := h.Read(p.ctx, id)
		p.ok("Read", err)
		scribble(got.Payload[:cap(got.Payload)])
		p.stored(h, id, rec)
	}
	if diff := difference(kept, rec); diff != "" {
		p.fatalf("a record that was read before has changed: %s", diff)
	}
}

func aliasConflict(p *probe) {
	h := p.open()
	rec := p.record("this is what was written")
	id := p.create(h, rec)
	for _, prev := range []session.Version{{}, p.version()} {
		err := h.Write(p.ctx, id, p.next(rec, "late"), prev)
		if conflict, ok := errors.AsType[*session.ConflictError](err); ok {
			scribble(conflict.Newest.Payload[:cap(conflict.Newest.Payload)])
		}
		p.stored(h, id, rec)
	}
}

func scribble(b []byte) {
	for i := range b {
		b[i] = '!'
	}
}
