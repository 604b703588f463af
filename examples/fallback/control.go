package main

import (
	"embed"
	"io/fs"
	"net/http"

	"github.com/nonstick-go/nonstick/backends/fallback"
	"github.com/nonstick-go/nonstick/examples/loadbalanced/app"
	"github.com/nonstick-go/nonstick/examples/loadbalanced/balancer"
)

//go:embed page.html
var pageText []byte

//go:embed static
var static embed.FS

// handler is all that listens: the page, what it shows, its buttons, and the application behind the balancer.
func (d *demo) handler() http.Handler {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // embedded under a name that is no path: the program is wrong
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(pageText) // who has left reads nothing
	})
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(files)))
	mux.Handle("GET /style/", http.StripPrefix("/style/", http.FileServer(app.Static())))
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { reply(w, http.StatusOK, d.state()) })
	mux.HandleFunc("POST /servers/{server}/{action}", d.press)
	mux.Handle("/api/", d.balance())
	return balancer.Protect(mux)
}

// state is what the page shows.
type state struct {
	Servers []serverState `json:"servers"`
	Nodes   []nodeState   `json:"nodes"`
	Roam    bool          `json:"roam"`   // visitors go to any node while both servers are well
	Sticky  bool          `json:"sticky"` // visitors stay with their node now
	Traffic traffic       `json:"traffic"`
	Checker findings      `json:"checker"`
	News    []item        `json:"news"`
}

type serverState struct {
	Name  string `json:"name"`
	Title string `json:"title"`
	State string `json:"state"`
	Empty bool   `json:"empty"` // it can be restarted empty
}

type nodeState struct {
	Name string `json:"name"`
	fallback.Status
}

func (d *demo) state() state {
	s := state{Roam: d.roam, Sticky: d.sticky(), Traffic: d.figures.traffic(), Checker: d.checker.found(), News: d.news.latest()}
	for _, server := range d.servers {
		s.Servers = append(s.Servers, serverState{server.Name, server.Title, server.State(), server.clear != nil})
	}
	for _, n := range d.nodes {
		s.Nodes = append(s.Nodes, nodeState{n.name, n.Status()})
	}
	return s
}

// press is a button of a server. Its answer is the new state, once the server is there.
func (d *demo) press(w http.ResponseWriter, r *http.Request) {
	for _, s := range d.servers {
		if s.Name != r.PathValue("server") {
			continue
		}
		if err := s.do(r.Context(), r.PathValue("action")); err != nil {
			reply(w, http.StatusConflict, app.Problem{Error: err.Error()})
			return
		}
		d.news.add(s.Name, done(s.Title, r.PathValue("action")))
		reply(w, http.StatusOK, d.state())
		return
	}
	reply(w, http.StatusNotFound, app.Problem{Error: "there is no such server"})
}

// done is what the page says of a button.
func done(title, action string) string {
	switch action {
	case "kill":
		return title + " is killed"
	case "stop":
		return title + " stands still: connections stay open, nothing is answered"
	case "continue":
		return title + " goes on"
	case "restart":
		return title + " is restarted with what is on its disk"
	}
	return title + " is restarted empty"
}
