package sessiontest

func abilityCases() []adapterCase {
	return []adapterCase{
		{"abilities", "What the harness declares is what its Calls can do.", abilities},
	}
}

func abilities(p *adapterProbe) {
	s := p.open(Route{"GET", "/abilities", func(c Call) error {
		writers := 0
		if h, ok := c.(HTTPCaller); ok {
			writers = len(h.Writers())
		}
		if writers != p.Writers {
			p.errorf("Writers: a Call has %d, the harness declares %d", writers, p.Writers)
		}
		if _, ok := c.(EarlyHinter); ok != p.EarlyHints {
			p.errorf("EarlyHints: a Call is an EarlyHinter: %v, the harness declares %v", ok, p.EarlyHints)
		}
		if _, ok := c.(Upgrader); ok != p.Upgrade {
			p.errorf("Upgrade: a Call is an Upgrader: %v, the harness declares %v", ok, p.Upgrade)
		}
		return write(small)(p, c)
	}})
	s.visitor().get("/abilities").want(200, small)
}
