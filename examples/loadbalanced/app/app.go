// Package app is the demo's application without a web framework: what it keeps in a session, what it answers, and its
// page. The node of each framework adds the routes.
//
// # Errors
//
// Status and Explain turn every error of this package, and of package session, into what a visitor may see.
//
// # Concurrency
//
// Everything here is safe for concurrent use.
package app

import (
	"html/template"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
)

// What the application keeps. Names that a visitor chooses have a prefix, so none of them can be one of these.
var (
	user      = session.NewKey[string]("user")
	visits    = session.NewKey[int]("visits")
	exclusive = session.NewKey[int]("exclusive")
)

const valuePrefix = "value:"

// value is the key of a name that a visitor chose. Each has one of its own, so that requests that set different names at
// the same time all keep theirs.
func value(name string) session.Key[string] { return session.NewKey[string](valuePrefix + name) }

// App is one instance of the application.
type App struct {
	node Node
	page *template.Template
}

// Node says which instance it is.
type Node struct {
	Name      string `json:"node"`
	Framework string `json:"framework"`
}

// New returns the instance that runs on node.
func New(node Node) (*App, error) {
	page, err := template.New("page").Parse(pageText)
	if err != nil {
		return nil, err
	}
	return &App{node, page}, nil
}

// Node returns which instance it is.
func (a *App) Node() Node { return a.node }

// State is every answer of the API: who answers, and what the session holds.
type State struct {
	Node
	User      string            `json:"user"`
	Visits    int               `json:"visits"`
	Exclusive int               `json:"exclusive"`
	Values    map[string]string `json:"values"`
}

// State reads all of the session. The state of an empty one, or of one that was destroyed, has no user, no values, and zeros.
func (a *App) State(s *session.Session) State {
	state := State{Node: a.node, User: user.Get(s), Visits: visits.Get(s), Exclusive: exclusive.Get(s), Values: map[string]string{}}
	for _, name := range s.Names() {
		if chosen, ok := strings.CutPrefix(name, valuePrefix); ok {
			state.Values[chosen] = value(chosen).Get(s)
		}
	}
	return state
}

// Visit counts a visit. Visits at the same time on other nodes are counted too.
func Visit(s *session.Session) error {
	return visits.Update(s, func(n int) int { return n + 1 })
}

// Set keeps a value under a name.
func Set(s *session.Session, name, text string) error {
	if err := checkText("key", name, 1, 64); err != nil {
		return err
	}
	if err := checkText("value", text, 0, 1000); err != nil {
		return err
	}
	return value(name).Set(s, text)
}

// Login signs a user in, whoever it is: this is a demo. A new id makes worthless what an attacker may have planted in
// the visitor's browser before.
func Login(s *session.Session, name string) error {
	if err := checkText("user", name, 1, 64); err != nil {
		return err
	}
	if err := s.Renew(); err != nil {
		return err
	}
	return user.Set(s, name)
}

// Logout ends the session, on all nodes at once.
func Logout(s *session.Session) error { return s.Destroy() }
