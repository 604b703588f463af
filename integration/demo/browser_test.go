package demo_test

import (
	"strconv"
	"testing"

	"github.com/nonstick-go/nonstick/integration/internal/browser"
)

// tab is what the tests of the page do with a browser.
type tab struct{ *browser.Tab }

func openTab(t *testing.T) tab { return tab{browser.Open(t)} }

// text returns what an element shows.
func (b tab) text(selector string) string {
	b.T.Helper()
	return browser.Evaluate[string](b.Tab, "document.querySelector("+strconv.Quote(selector)+").textContent")
}

// await waits until an element shows a text.
func (b tab) await(selector, text string) {
	b.T.Helper()
	b.Await("document.querySelector(" + strconv.Quote(selector) + ")?.textContent === " + strconv.Quote(text))
}

// number returns the number that an element shows.
func (b tab) number(selector string) int {
	b.T.Helper()
	text := b.text(selector)
	n, err := strconv.Atoi(text)
	if err != nil {
		b.T.Fatalf("%s shows %q, want a number", selector, text)
	}
	return n
}
