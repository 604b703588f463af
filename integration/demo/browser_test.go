package demo_test

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
	errors []string // what its console shows
}

func startBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not installed. Install it with: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], // headless, without background networking
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.WindowSize(1200, 900), chromedp.WSURLReadTimeout(startTime))
	ctx, cancel := context.WithTimeout(context.Background(), browserTime) // t.Context ends before the cleanup
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatalf("start chromium: %v", err)
	}
	return b
}

// listen notes what a developer would see in red.
func (b *browser) listen(event any) {
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

// click clicks on the element that a CSS selector finds.
func (b *browser) click(selector string) {
	b.t.Helper()
	b.do(chromedp.Click(chromedp.CSS(selector)))
}

// enter types text into a field.
func (b *browser) enter(selector, text string) {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// text returns what an element shows.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return evaluate[string](b, "document.querySelector("+strconv.Quote(selector)+").textContent")
}

// await waits until an element shows a text.
func (b *browser) await(selector, text string) {
	b.t.Helper()
	b.awaitTrue("document.querySelector(" + strconv.Quote(selector) + ")?.textContent === " + strconv.Quote(text))
}

// awaitTrue waits until an expression is true.
func (b *browser) awaitTrue(expression string) {
	b.t.Helper()
	eventually(b.t, expression, func() bool { return evaluate[bool](b, expression) })
}

// number returns the number that an element shows.
func (b *browser) number(selector string) int {
	b.t.Helper()
	text := b.text(selector)
	n, err := strconv.Atoi(text)
	if err != nil {
		b.t.Fatalf("%s shows %q, want a number", selector, text)
	}
	return n
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
