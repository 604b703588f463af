package demofallback_test

import (
	"strconv"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/nonstick-go/nonstick/integration/internal/browser"
)

// tab is what the tests of the page do with a browser.
type tab struct{ *browser.Tab }

// press clicks on a button of a server, and waits until the page shows a state.
func (b tab) press(server, action, want string) {
	b.T.Helper()
	item := "[data-server=" + server + "]"
	button := item + " [data-action=" + action + "]"
	b.Await("!document.querySelector(" + strconv.Quote(button) + ").disabled")
	b.Do(chromedp.Click(chromedp.CSS(button)))
	b.Await("document.querySelector(" + strconv.Quote(item) + ").className === " + strconv.Quote(want))
}

// visit counts a visit of the browser's own session, as often as it takes to be served.
func (b tab) visit(want string) {
	b.T.Helper()
	for deadline := time.Now().Add(waitTime); ; time.Sleep(pollPause) {
		browser.Evaluate[string](b.Tab, `find("own").textContent = ""`)
		b.Do(chromedp.Click(chromedp.CSS("#visit")))
		b.Await(`find("own").textContent !== ""`)
		if browser.Evaluate[bool](b.Tab, `find("own").textContent.startsWith("Answered by node-")`) {
			break
		}
		if time.Now().After(deadline) {
			b.T.Fatal("no visit is served")
		}
	}
	b.Await(`find("visits").textContent === ` + strconv.Quote(want))
}

// TestPage does in a browser what the demo invites to.
func TestPage(t *testing.T) {
	t.Parallel()
	d := start(t, "-visitors", "10", "-rate", "30")
	b := tab{browser.Open(t)}
	b.Do(chromedp.Navigate(d.base + "/"))
	b.Await(`document.querySelectorAll(".card").length === 3 && document.querySelectorAll(".servers button").length === 9`)
	d.back()
	b.visit("1")
	b.press("redis", "kill", "down")
	b.Await(`[...document.querySelectorAll(".card")].every((c) => c.textContent.includes("reads fromMariaDB"))`)
	b.visit("2")
	b.press("redis", "restart-empty", "running")
	b.press("redis", "stop", "stopped")
	b.press("redis", "continue", "running")
	b.Await(`[...document.querySelectorAll(".card")].every((c) => c.textContent.includes("reads fromRedis"))`)
	b.visit("3")
	b.Await(`document.querySelectorAll("#reads rect.redis").length > 0 && document.querySelectorAll("#changes rect.mariadb").length > 0`)
	b.Await(`find("news").textContent.includes("Redis is killed")`)
	lost := browser.Evaluate[string](b.Tab, `["sessions-lost", "changes-lost", "undone"].map((id) => find(id).textContent).join()`)
	if lost != "0,0,0" || browser.Evaluate[bool](b.Tab, `document.querySelector(".verdict").classList.contains("bad")`) {
		t.Errorf("the page shows %s as lost, want nothing", lost)
	}
	if shown := browser.Evaluate[string](b.Tab, `find("message").textContent`); shown != "" {
		t.Errorf("the page complains: %s", shown)
	}
	if complaints := b.Complaints(); len(complaints) > 0 {
		t.Errorf("the console shows %q", complaints)
	}
	b.Fits(1200, 390, 320)
}
