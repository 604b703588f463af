// Package browser is one tab of a headless Chromium, for tests that use a page as a visitor would.
package browser

import (
	"context"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// Everything is waited for with these bounds, which only a machine that hangs exceeds.
const (
	startTime = 60 * time.Second
	waitTime  = 60 * time.Second
	wholeTime = 3 * time.Minute // of a test
	pollPause = 20 * time.Millisecond
)

// Tab is a tab, with a profile of its own.
type Tab struct {
	T *testing.T

	ctx    context.Context
	mu     sync.Mutex
	errors []string
}

// Open starts a Chromium, which ends with the test.
func Open(t *testing.T, options ...chromedp.ExecAllocatorOption) *Tab {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not installed. Install it with: apt-get install chromium")
	}
	all := append(chromedp.DefaultExecAllocatorOptions[:], // headless, without background networking
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1200, 900), chromedp.WSURLReadTimeout(startTime))
	ctx, cancel := context.WithTimeout(context.Background(), wholeTime) // t.Context ends before the cleanup
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, append(all, options...)...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &Tab{T: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return b
}

// listen notes what a developer would see in red.
func (b *Tab) listen(event any) {
	var text string
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		text = e.ExceptionDetails.Text
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError {
			return
		}
		text = e.Entry.Text
	default:
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.errors = append(b.errors, text)
}

// Complaints returns what the console has shown in red.
func (b *Tab) Complaints() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.errors
}

// Context is what chromedp knows the tab by.
func (b *Tab) Context() context.Context { return b.ctx }

// Do makes steps in the tab.
func (b *Tab) Do(steps ...chromedp.Action[chromedp.Void]) {
	b.T.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.T.Fatal(err)
	}
}

// Click clicks on the element that a CSS selector finds.
func (b *Tab) Click(selector string) {
	b.T.Helper()
	b.Do(chromedp.Click(chromedp.CSS(selector)))
}

// Enter types text into a field.
func (b *Tab) Enter(selector, text string) {
	b.T.Helper()
	b.Do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Evaluate returns the value of an expression in the page.
func Evaluate[T any](b *Tab, expression string) T {
	b.T.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.T.Fatalf("%s: %v", expression, err)
	}
	return v
}

// Await waits until an expression is true, which may need another page.
func (b *Tab) Await(expression string) {
	b.T.Helper()
	for deadline := time.Now().Add(waitTime); ; time.Sleep(pollPause) {
		// While the browser changes from one page to another there may be none to ask.
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		switch {
		case err == nil && ok:
			return
		case time.Now().After(deadline):
			b.T.Fatalf("still not so: %s (%v)", expression, err)
		}
	}
}

// Fits checks that nothing of the page is cut off at some widths.
func (b *Tab) Fits(widths ...int64) {
	b.T.Helper()
	for _, width := range widths {
		b.Do(chromedp.EmulateViewport(width, 900))
		if scroll := Evaluate[int64](b, "document.documentElement.scrollWidth"); scroll > width {
			b.T.Errorf("at a width of %d the page is %d wide", width, scroll)
		}
	}
}
