package demo_test

import (
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPage does in a browser what the demo invites to.
func TestPage(t *testing.T) {
	t.Parallel()
	d := start(t)
	b := startBrowser(t)
	b.do(chromedp.Navigate(d.base + "/"))
	b.loaded(1)
	b.await("#user", "nobody")

	b.enter("#set-key", "colour")
	b.enter("#set-value", "<green>")
	b.click("#set button")
	b.awaitTrue(`document.querySelector("#values tbody").innerText === "colour\t<green>"`)
	b.enter("#login-user", "ada")
	b.click("#login button")
	b.await("#user", "ada")

	b.visitAllNodes()
	b.stopAndStart()

	visits := b.number("#visits")
	b.do(chromedp.Reload())
	b.loaded(visits + 1)
	b.await("#user", "ada")
	b.awaitTrue(`document.querySelector("#values tbody").innerText === "colour\t<green>"`)
	if n := evaluate[int](b, `document.querySelectorAll("#answers tbody tr").length`); n != 8 {
		t.Errorf("the table shows %d answers, want the last 8", n)
	}

	b.click("#logout")
	b.await("#user", "nobody")
	b.await("#visits", "0")
	b.await("#values tbody", "")
	if shown := b.text("#message"); shown != "" {
		t.Errorf("the page complains: %s", shown)
	}
	if complaints := b.complaints(); len(complaints) > 0 {
		t.Errorf("the console shows %q", complaints)
	}
	b.fits(1200, 390, 320)
}

// loaded waits until the page has counted its own visit and knows the nodes, so that nothing moves under a click.
func (b *browser) loaded(visits int) {
	b.t.Helper()
	b.await("#visits", strconv.Itoa(visits))
	b.awaitTrue(`document.querySelectorAll("#nodes button").length === 3`)
}

// visit clicks on the button, waits until the visit is counted, and returns the node that answered.
func (b *browser) visit() string {
	b.t.Helper()
	want := b.number("#visits") + 1
	b.click("#visit")
	b.await("#visits", strconv.Itoa(want))
	return b.text("#node")
}

// visitAllNodes sees the count grow over different nodes.
func (b *browser) visitAllNodes() {
	b.t.Helper()
	seen := []string{b.visit(), b.visit(), b.visit()}
	slices.Sort(seen)
	if want := []string{"node-echo", "node-fiber", "node-gin"}; !slices.Equal(seen, want) {
		b.t.Errorf("three visits were answered by %v, want %v", seen, want)
	}
}

// stopAndStart stops the node that answered last, sees the session live on, and starts the node again.
func (b *browser) stopAndStart() {
	b.t.Helper()
	node := b.text("#node")
	button := fmt.Sprintf("[data-node=%s]", node)
	b.click(button)
	b.await(button, "Start")
	for range 4 {
		if answered := b.visit(); answered == node {
			b.t.Errorf("%s answers after it was stopped", node)
		}
		b.await("#user", "ada")
	}
	b.click(button)
	b.await(button, "Stop")
	eventually(b.t, node+" answers again", func() bool { return b.visit() == node })
	b.await("#user", "ada")
}

// fits checks that nothing of the page is out of sight to the right on screens of some widths.
func (b *browser) fits(widths ...int64) {
	b.t.Helper()
	for _, width := range widths {
		b.do(chromedp.EmulateViewport(width, 900))
		if scroll := evaluate[int64](b, "document.documentElement.scrollWidth"); scroll > width {
			b.t.Errorf("at a width of %d the page is %d wide", width, scroll)
		}
	}
}
