package demofallback_test

import (
	"context"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserTime bounds a whole test in the browser.
const browserTime = 3 * time.Minute

// browser is one tab of a headless Chromium.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu     sync.Mutex
	errors []string // what its console shows in red
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not installed. Install it with: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1200, 900), chromedp.WSURLReadTimeout(startTime))
	ctx, cancel := context.WithTimeout(context.Background(), browserTime) // t.Context ends before the cleanup
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	err = chromedp.Listen(ctx, func(event any) {
		b.mu.Lock()
		defer b.mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			b.errors = append(b.errors, e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			if e.Entry.Level == log.EntryLevelError {
				b.errors = append(b.errors, e.Entry.Text)
			}
		}
	})
	if err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return b
}

// complaints returns what the console has shown in red.
func (b *browser) complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.errors
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// evaluate returns the value of an expression in the page.
func evaluate[T any](b *browser, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// await waits until an expression is true.
func (b *browser) await(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(waitTime); !evaluate[bool](b, expression); time.Sleep(pollPause) {
		if time.Now().After(deadline) {
			b.t.Fatalf("still not so: %s", expression)
		}
	}
}

// press clicks on a button of a server, and waits until the page shows a state.
func (b *browser) press(server, action, want string) {
	b.t.Helper()
	item := "[data-server=" + server + "]"
	button := item + " [data-action=" + action + "]"
	b.await("!document.querySelector(" + strconv.Quote(button) + ").disabled")
	b.do(chromedp.Click(chromedp.CSS(button)))
	b.await("document.querySelector(" + strconv.Quote(item) + ").className === " + strconv.Quote(want))
}

// visit counts a visit of the browser's own session, as often as it takes to be served.
func (b *browser) visit(want string) {
	b.t.Helper()
	for deadline := time.Now().Add(waitTime); ; time.Sleep(pollPause) {
		evaluate[string](b, `find("own").textContent = ""`)
		b.do(chromedp.Click(chromedp.CSS("#visit")))
		b.await(`find("own").textContent !== ""`)
		if evaluate[bool](b, `find("own").textContent.startsWith("Answered by node-")`) {
			break
		}
		if time.Now().After(deadline) {
			b.t.Fatal("no visit is served")
		}
	}
	b.await(`find("visits").textContent === ` + strconv.Quote(want))
}

// TestPage does in a browser what the demo invites to.
func TestPage(t *testing.T) {
	t.Parallel()
	d := start(t, "-visitors", "10", "-rate", "30")
	b := startBrowser(t)
	b.do(chromedp.Navigate(d.base + "/"))
	b.await(`document.querySelectorAll(".card").length === 3 && document.querySelectorAll(".servers button").length === 9`)
	d.back()
	b.visit("1")
	b.press("redis", "kill", "down")
	b.await(`[...document.querySelectorAll(".card")].every((c) => c.textContent.includes("reads fromMariaDB"))`)
	b.visit("2")
	b.press("redis", "restart-empty", "running")
	b.press("redis", "stop", "stopped")
	b.press("redis", "continue", "running")
	b.await(`[...document.querySelectorAll(".card")].every((c) => c.textContent.includes("reads fromRedis"))`)
	b.visit("3")
	b.await(`document.querySelectorAll("#reads rect.redis").length > 0 && document.querySelectorAll("#changes rect.mariadb").length > 0`)
	b.await(`find("news").textContent.includes("Redis is killed")`)
	lost := evaluate[string](b, `["sessions-lost", "changes-lost", "undone"].map((id) => find(id).textContent).join()`)
	if lost != "0,0,0" || evaluate[bool](b, `document.querySelector(".verdict").classList.contains("bad")`) {
		t.Errorf("the page shows %s as lost, want nothing", lost)
	}
	if shown := evaluate[string](b, `find("message").textContent`); shown != "" {
		t.Errorf("the page complains: %s", shown)
	}
	if complaints := b.complaints(); len(complaints) > 0 {
		t.Errorf("the console shows %q", complaints)
	}
	for _, width := range []int64{1200, 390, 320} {
		b.do(chromedp.EmulateViewport(width, 900))
		if scroll := evaluate[int64](b, "document.documentElement.scrollWidth"); scroll > width {
			t.Errorf("at a width of %d the page is %d wide", width, scroll)
		}
	}
}
