package sessiontest

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

func errorCases(s *suite) []backendCase {
	cases := []backendCase{
		{"errors-secret", "Errors name neither the session nor its data.", errorsSecret},
	}
	if s.Broken != nil {
		cases = append(cases, backendCase{"unavailable",
			"A store that cannot be reached is ErrUnavailable, never ErrNotFound, within the time that the context leaves.",
			unavailable})
	}
	if s.Garble != nil {
		cases = append(cases, backendCase{"corrupt",
			"Read is ErrCorrupt when something is there that is not a Record; Destroy removes it; others are not affected.", corrupt})
	}
	return cases
}

func errorsSecret(p *probe) {
	const payload = "my-secret-payload"
	h := p.open()
	rec := p.record(payload)
	id := p.create(h, rec)
	past, huge := p.next(rec, payload), p.next(rec, strings.Repeat(payload, 1+p.TooLarge/len(payload)))
	past.TTL = 0
	ended, cancel := context.WithCancel(p.ctx)
	cancel()
	errs := []error{
		h.Write(p.ctx, id, p.record(payload), session.Version{}),
		h.Write(p.ctx, id, p.next(rec, payload), p.version()),
		h.Write(p.ctx, id, past, rec.Version),
		h.Write(p.ctx, id, huge, rec.Version),
	}
	for _, c := range p.calls(h, id, rec) {
		errs = append(errs, c.do(ended))
	}
	errs = append(errs, h.Destroy(p.ctx, id), h.Write(p.ctx, id, p.next(rec, payload), rec.Version), p.touch(p.ctx, h, id, rec))
	_, err := h.Read(p.ctx, id)
	for _, err := range append(errs, err) {
		p.discreet(err, id, payload)
	}
	if p.Broken == nil {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, prompt/4)
	defer cancel()
	for _, c := range p.calls(p.broken(), id, rec) {
		p.discreet(c.do(ctx), id, payload)
	}
}

// discreet ends the case if err shows id or payload.
func (p *probe) discreet(err error, id session.ID, payload string) {
	if err == nil {
		return
	}
	text := err.Error()
	for _, name := range []string{string(id.AppendHex(nil)), base64.RawStdEncoding.EncodeToString(id[:]),
		base64.RawURLEncoding.EncodeToString(id[:]), string(id[:])} {
		if strings.Contains(text, name) || strings.Contains(strings.ToLower(text), name) {
			p.fatalf("an error names the session: %.40q...", text)
		}
	}
	if strings.Contains(text, payload) {
		p.fatalf("an error shows the payload: %.40q...", text)
	}
}

func (p *probe) broken() session.Handler {
	h, err := p.Broken(p.ctx)
	return p.opened(h, err)
}

func unavailable(p *probe) {
	h := p.broken()
	for _, c := range p.calls(h, p.id(), p.record("payload")) {
		ctx, cancel := context.WithTimeout(p.ctx, 300*time.Millisecond)
		err := p.prompt(c.name, func() error { return c.do(ctx) })
		cancel()
		p.want(c.name+" without a store", err, session.ErrUnavailable)
	}
}

func corrupt(p *probe) {
	nodes := p.nodes()
	rec := p.record("in order")
	garbled, other := p.create(nodes[0], rec), p.create(nodes[0], rec)
	p.ok("Garble", p.Garble(p.ctx, garbled))
	_, err := nodes[1].Read(p.ctx, garbled)
	p.want("Read", err, session.ErrCorrupt)
	p.discreet(err, garbled, "in order")
	p.stored(nodes[1], other, rec)
	p.ok("Destroy", nodes[0].Destroy(p.ctx, garbled))
	p.gone("after Destroy", nodes[1], garbled)
}
