package app

import (
	"bytes"
	"embed"
	"io/fs"
	"net/http"

	"github.com/nonstick-go/nonstick/core/session"
)

//go:embed page.html
var pageText string

//go:embed static
var static embed.FS

// Static is what the browser loads beside the page. Serving it costs no session.
func Static() http.FileSystem {
	files, err := fs.Sub(static, "static")
	if err != nil {
		panic(err) // embedded under a name that is no path: the program is wrong
	}
	return http.FS(files)
}

// Page returns the page for a session and its HTTP status. err is that of the look for the session: the page tells it.
func (a *App) Page(s *session.Session, err error) (status int, html []byte) {
	data := struct {
		State
		Problem string
	}{State: State{Node: a.node}}
	status = Status(err)
	if err == nil {
		data.State = a.State(s)
	} else {
		data.Problem = Explain(status, err).Error
	}
	var page bytes.Buffer
	if err := a.page.Execute(&page, data); err != nil {
		return http.StatusInternalServerError, []byte(err.Error())
	}
	return status, page.Bytes()
}
