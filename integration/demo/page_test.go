package demo_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/nonstick-go/nonstick/integration/internal/browser"
)

// TestPage does in a browser what the demo invites to.
func TestPage(t *testing.T) {
	t.Parallel()
	d := start(t)
	b := openTab(t)
	b.Do(chromedp.Navigate(d.base + "/"))
	b.loaded(1)
	b.await("#user", "nobody")

	b.Enter("#set-key", "colour")
	b.Enter("#set-value", "<green>")
	b.Click("#set button")
	b.Await(`document.querySelector("#values tbody").innerText === "colour\t<green>"`)
	b.Enter("#login-user", "ada")
	b.Click("#login button")
	b.await("#user", "ada")

	b.visitAllNodes()
	b.stopAndStart()

	visits := b.number("#visits")
	b.Do(chromedp.Reload())
	b.loaded(visits + 1)
	b.await("#user", "ada")
	b.Await(`document.querySelector("#values tbody").innerText === "colour\t<green>"`)
	if n := browser.Evaluate[int](b.Tab, `document.querySelectorAll("#answers tbody tr").length`); n != 8 {
		t.Errorf("the table shows %d answers, want the last 8", n)
	}

	b.Click("#logout")
	b.await("#user", "nobody")
	b.await("#visits", "0")
	b.await("#values tbody", "")
	if shown := b.text("#message"); shown != "" {
		t.Errorf("the page complains: %s", shown)
	}
	if complaints := b.Complaints(); len(complaints) > 0 {
		t.Errorf("the console shows %q", complaints)
	}
	b.Fits(1200, 390, 320)
}

// loaded waits until the page has counted its own visit and knows the nodes, so that nothing moves under a click.
func (b tab) loaded(visits int) {
	b.T.Helper()
	b.await("#visits", strconv.Itoa(visits))
	b.Await(`document.querySelectorAll("#nodes button").length === 3`)
}

// visit clicks on the button, waits until the visit is counted, and returns the node that answered.
func (b tab) visit() string {
	b.T.Helper()
	want := b.number("#visits") + 1
	b.Click("#visit")
	b.await("#visits", strconv.Itoa(want))
	return b.text("#node")
}

// visitAllNodes sees the count grow over different nodes.
func (b tab) visitAllNodes() {
	b.T.Helper()
	seen := []string{b.visit(), b.visit(), b.visit()}
	slices.Sort(seen)
	if want := []string{"node-echo", "node-fiber", "node-gin"}; !slices.Equal(seen, want) {
		b.T.Errorf("three visits were answered by %v, want %v", seen, want)
	}
}

// stopAndStart stops the node that answered last, sees the session live on, and starts the node again.
func (b tab) stopAndStart() {
	b.T.Helper()
	node := b.text("#node")
	button := fmt.Sprintf("[data-node=%s]", node)
	b.Click(button)
	b.await(button, "Start")
	for range 4 {
		if answered := b.visit(); answered == node {
			b.T.Errorf("%s answers after it was stopped", node)
		}
		b.await("#user", "ada")
	}
	b.Click(button)
	b.await(button, "Stop")
	eventually(b.T, node+" answers again", func() bool { return b.visit() == node })
	b.await("#user", "ada")
}
