package sessiontest

import (
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

func fileCases() []adapterCase {
	return []adapterCase{
		{"file/ranges", "A file with a session still has ranges, and 304 for a visitor who has it already.", fileRanges},
		{"file/sendfile", "If the framework has the kernel send files, it still does behind the session's " +
			"middleware.", fileSendfile},
	}
}

// sendFile serves a file whose handler sets a value first, if touch says so.
func (p *adapterProbe) sendFile(layers func(m *managed) []Layer, touch bool) *site {
	if p.path == "" {
		p.makeFile()
	}
	m := p.manager(session.Options{})
	return p.serve(m, layers(m), Route{"GET", "/file", func(c Call) error {
		if touch {
			if err := set(c, "k", "v"); err != nil {
				return err
			}
		}
		return c.File(p.path)
	}})
}

func behindSession(m *managed) []Layer { return []Layer{{Sessions: m.Manager}} }

func fileRanges(p *adapterProbe) {
	s := p.sendFile(behindSession, true)
	v := s.visitor()
	whole := v.get("/file").want(http.StatusOK, large())
	modified := whole.header.Get("Last-Modified")
	if modified == "" {
		p.fatalf("the file has no Last-Modified")
	}
	for _, who := range []*visitor{v, s.visitor()} {
		who.get("/file", "Range", "bytes=25-49").want(http.StatusPartialContent, large()[25:50])
		who.holds("after a range", "k", "v")
	}
	for _, who := range []*visitor{v, s.visitor()} {
		who.get("/file", "If-Modified-Since", modified).want(http.StatusNotModified, "")
		who.holds("after a 304", "k", "v")
	}
}

func fileSendfile(p *adapterProbe) {
	plain := p.sendFile(func(*managed) []Layer { return nil }, false)
	plain.visitor().get("/file").want(http.StatusOK, large())
	if plain.listener.files.Load() == 0 {
		return // the framework does not do it at all
	}
	for _, touch := range []bool{false, true} {
		s := p.sendFile(behindSession, touch)
		s.visitor().get("/file").want(http.StatusOK, large())
		if s.listener.files.Load() == 0 {
			p.errorf("without the middleware the kernel sends the file, with it (session used: %v) the file is copied", touch)
		}
	}
}
