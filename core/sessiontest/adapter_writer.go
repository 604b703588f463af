package sessiontest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/nonstick-go/nonstick/core/session"
)

// writerResponses are ways to answer through the http.ResponseWriters of a handler.
func writerResponses(writers int) []response {
	var all []response
	for i := range writers {
		for _, r := range []struct {
			name string
			file bool
			body string
			do   func(p *adapterProbe, w http.ResponseWriter) error
		}{
			{"write", false, small, func(_ *adapterProbe, w http.ResponseWriter) error {
				_, err := io.WriteString(w, small)
				return err
			}},
			{"flush-first", false, small, func(_ *adapterProbe, w http.ResponseWriter) error {
				w.(http.Flusher).Flush()
				_, err := io.WriteString(w, small)
				return err
			}},
			{"controller-flush-first", false, small, func(_ *adapterProbe, w http.ResponseWriter) error {
				if err := http.NewResponseController(w).Flush(); err != nil {
					return err
				}
				_, err := io.WriteString(w, small)
				return err
			}},
			{"copy", true, large(), func(p *adapterProbe, w http.ResponseWriter) error {
				file, err := os.Open(p.path)
				if err != nil {
					return err
				}
				defer file.Close()
				_, err = io.Copy(w, file)
				return err
			}},
		} {
			all = append(all, response{name: writerName(r.name, i), status: 200, body: r.body, file: r.file,
				answer: func(p *adapterProbe, c Call) error { return r.do(p, c.(HTTPCaller).Writers()[i]) }})
		}
	}
	return all
}

// writerName names a case of the handler's i-th writer.
func writerName(name string, i int) string {
	if i == 0 {
		return "writer-" + name
	}
	return fmt.Sprintf("writer%d-%s", i+1, name)
}

func writerCases() []adapterCase {
	return []adapterCase{
		{"writer/flush-reaches-visitor", "A flush before the first byte of the body sends the header, with the cookie, " +
			"at once.", flushReaches},
		{"writer/controller", "What http.ResponseController can do without the session's middleware it can do with " +
			"it.", controller},
		{"writer/failed-stream-ends", "After a failed commit the visitor has the error response at once, and a handler " +
			"that streams and heeds what it can, the errors of Write and the end of its context, ends.", flusherEnds},
		{"writer/late-get", "Asking for the session for the first time after the response has started is " +
			"ErrCommitted.", lateGet},
	}
}

func flushReaches(p *adapterProbe) {
	for i := range p.Writers {
		arrived := make(chan struct{})
		s := p.open(Route{"GET", "/flush", func(c Call) error {
			if err := set(c, "k", "v"); err != nil {
				return err
			}
			c.(HTTPCaller).Writers()[i].(http.Flusher).Flush()
			select {
			case <-arrived:
			case <-time.After(arrival):
				p.errorf("writer %d: the header did not reach the visitor while the handler was running", i+1)
			}
			return nil
		}})
		v := s.visitor()
		a, body := v.start("GET", "/flush")
		close(arrived)
		a.wantCookie()
		_, err := io.Copy(io.Discard, body)
		p.ok("reading the body", err)
		_ = body.Close()
		v.holds("after the response", "k", "v")
	}
}

func controller(p *adapterProbe) {
	for i := range p.Writers {
		var results [2][]string
		for with, layers := range []func(*managed) []Layer{func(*managed) []Layer { return nil }, behindSession} {
			m := p.manager(session.Options{})
			s := p.serve(m, layers(m), Route{"GET", "/control", func(c Call) error {
				control := http.NewResponseController(c.(HTTPCaller).Writers()[i])
				later := time.Now().Add(time.Minute)
				for _, err := range []error{control.SetReadDeadline(later), control.SetWriteDeadline(later),
					control.EnableFullDuplex(), control.Flush()} {
					results[with] = append(results[with], fmt.Sprint(err))
				}
				return nil
			}})
			s.visitor().get("/control").want(http.StatusOK, "")
		}
		if without, with := fmt.Sprint(results[0]), fmt.Sprint(results[1]); without != with {
			p.errorf("writer %d: SetReadDeadline, SetWriteDeadline, EnableFullDuplex and Flush gave %s, with the middleware %s",
				i+1, without, with)
		}
	}
}

func lateGet(p *adapterProbe) {
	for i := range p.Writers {
		s := p.open(Route{"GET", "/late", func(c Call) error {
			if _, err := io.WriteString(c.(HTTPCaller).Writers()[i], small); err != nil {
				return err
			}
			if _, err := c.Session(); !errors.Is(err, session.ErrCommitted) {
				p.errorf("the first Get after the body: got error %v, want %q", err, session.ErrCommitted)
			}
			return nil
		}})
		v := s.known()
		v.get("/late").want(http.StatusOK, small)
	}
}

func flusherEnds(p *adapterProbe) {
	for i := range p.Writers {
		s := p.endless(func(c Call, send func(FlushWriter)) error {
			send(blindFlusher{c.(HTTPCaller).Writers()[i]})
			return nil
		})
		s.ends()
	}
}

// blindFlusher has no error to report from Flush, as http.Flusher has none.
type blindFlusher struct{ http.ResponseWriter }

// Flush implements FlushWriter.
func (w blindFlusher) Flush() error {
	w.ResponseWriter.(http.Flusher).Flush()
	return nil
}
