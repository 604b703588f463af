package sessiontest

import (
	"errors"
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

func modeCases() []adapterCase {
	return []adapterCase{
		{"mode/read-only", "With ReadOnly a change is ErrReadOnly, and nothing is stored.", readOnly},
		{"mode/read-only-ignored", "A change that was refused and whose error the handler ignored fails the commit: " +
			"it is no silent loss.", readOnlyIgnored},
		{"mode/upgrade", "A session that a middleware has asked for with ReadOnly can be changed by a handler that " +
			"asks for it without.", modeUpgrade},
	}
}

func readOnly(p *adapterProbe) {
	s := p.open(Route{"GET", "/read", func(c Call) error {
		s, err := get(c, session.ReadOnly)
		if err != nil {
			return err
		}
		_, err = c.WriteString(session.NewKey[string]("k").Get(s))
		return err
	}}, Route{"GET", "/refused", func(c Call) error {
		s, err := get(c, session.ReadOnly)
		if err != nil {
			return err
		}
		if err := session.NewKey[string]("k").Set(s, "after"); !errors.Is(err, session.ErrReadOnly) {
			p.errorf("Set with ReadOnly: got error %v, want %q", err, session.ErrReadOnly)
		}
		return &StatusError{http.StatusForbidden, "refused"}
	}})
	v := s.known()
	writes := s.store.Calls(OpWrite)
	v.get("/read").want(http.StatusOK, "before")
	v.get("/refused").wantSameToken()
	if n := s.store.Calls(OpWrite) - writes; n != 0 {
		p.fatalf("requests with ReadOnly cost %d writes", n)
	}
	v.holds("after the refused change", "k", "before")
}

func readOnlyIgnored(p *adapterProbe) {
	s := p.open(Route{"GET", "/careless", func(c Call) error {
		s, err := get(c, session.ReadOnly)
		if err != nil {
			return err
		}
		_ = session.NewKey[string]("k").Set(s, "after")
		return write(small)(p, c)
	}})
	v := s.known()
	v.get("/careless").wantError(session.ErrReadOnly).wantSameToken()
	v.holds("after the refused change", "k", "before")
}

func modeUpgrade(p *adapterProbe) {
	m := p.manager(session.Options{})
	look := Layer{Handle: func(c Call, next func() error) error {
		if _, err := get(c, session.ReadOnly); err != nil {
			return err
		}
		return next()
	}}
	s := p.serve(m, []Layer{{Sessions: m.Manager}, look})
	v := s.known()
	v.set("k", "after").wantSameToken()
	v.holds("after the change", "k", "after")
	if reads := m.store.Calls(OpRead); reads != 2 {
		p.fatalf("two requests of a known visitor cost %d reads, want 2", reads)
	}
}
