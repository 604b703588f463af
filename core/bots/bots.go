package bots

import (
	"slices"
	"strings"

	"github.com/nonstick-go/nonstick/core/session"
)

// List is a session.Classifier. All patterns are in lower case; the header is compared without regard to case.
type List struct {
	// People are parts of the header that are taken out of it before anything else is looked for: phones whose model
	// contains "bot", browsers that have the name of a crawler.
	People []string
	// Exact are whole headers of robots.
	Exact []string
	// Prefixes are the beginnings of robots' headers.
	Prefixes []string
	// Parts are what robots' headers have anywhere in them.
	Parts []string
	// Silent says that a visitor without the header is a robot.
	Silent bool
}

var _ session.Classifier = (*List)(nil)

// Default returns the list of this package. It is the caller's to change.
func Default() *List {
	return &List{
		People:   people(),
		Exact:    []string{"mozilla", "mozilla/4.0", "mozilla/5.0"},
		Prefixes: slices.Concat(seedPrefixes(), libraries(), previews()),
		Parts:    slices.Concat(seedParts(), crawlers(), monitors(), scanners()),
		Silent:   true,
	}
}

// IsBot reports whether the User-Agent header of a request is a robot's; of several the first counts.
func (l *List) IsBot(in session.RequestHeader) bool {
	for _, agent := range in.Values("User-Agent") {
		return l.Match(agent)
	}
	return l.Silent
}

// Match reports whether a User-Agent header is a robot's.
func (l *List) Match(agent string) bool {
	if agent = strings.ToLower(strings.TrimSpace(agent)); agent == "" {
		return l.Silent
	}
	if len(agent) > maxAgent {
		agent = agent[:maxAgent]
	}
	for _, part := range l.People {
		agent = strings.ReplaceAll(agent, part, "")
	}
	return slices.Contains(l.Exact, agent) ||
		slices.ContainsFunc(l.Prefixes, func(p string) bool { return strings.HasPrefix(agent, p) }) ||
		slices.ContainsFunc(l.Parts, func(p string) bool { return strings.Contains(agent, p) })
}

// maxAgent bounds the work for a header that is longer than any browser's.
const maxAgent = 1024
