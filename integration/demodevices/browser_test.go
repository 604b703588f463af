package demodevices_test

import (
	"context"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// browserTime bounds a whole test in the browser.
const browserTime = 3 * time.Minute

// The user agents of the two browsers, and what the page calls them.
const (
	laptopAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	laptopName  = "Firefox on Linux"
	phoneAgent  = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
	phoneName   = "Chrome on Android"
)

// browser is one tab of a headless Chromium with a profile of its own.
type browser struct {
	t    *testing.T
	ctx  context.Context
	base string
}

func startBrowser(t *testing.T, base, agent string, width int64) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is not installed. Install it with: apt-get install chromium")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.UserAgent(agent), chromedp.WSURLReadTimeout(startTime))
	ctx, cancel := context.WithTimeout(context.Background(), browserTime) // t.Context ends before the cleanup
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	b := &browser{t, ctx, base}
	b.do(chromedp.EmulateViewport(width, 800))
	b.reload()
	return b
}

func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// reload opens the page.
func (b *browser) reload() {
	b.t.Helper()
	b.do(chromedp.Navigate(b.base + "/"))
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

// await waits until an expression is true, which may need another page.
func (b *browser) await(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(waitTime); ; time.Sleep(pollPause) {
		// While the browser changes from one page to another there may be none to ask.
		ok, err := chromedp.Run(b.ctx, chromedp.Evaluate[bool](expression))
		if err == nil && ok {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("still not so: %s (%v)", expression, err)
		}
	}
}

// press clicks on a button and waits until the page shows a text, in the element that a selector finds.
func (b *browser) press(button, selector, want string) {
	b.t.Helper()
	evaluate[bool](b, "window.before = true")
	b.do(chromedp.Click(chromedp.CSS(button)))
	b.await("window.before === undefined && document.readyState === 'complete'")
	if got := b.text(selector); got != want {
		b.t.Fatalf("after %s %s shows %q, want %q", button, selector, got, want)
	}
}

// text is that of all elements that a selector finds.
func (b *browser) text(selector string) string {
	b.t.Helper()
	return evaluate[string](b, "[...document.querySelectorAll("+strconv.Quote(selector)+")].map((e) => e.textContent.trim()).join(', ')")
}

// login logs ann in.
func (b *browser) login() {
	b.t.Helper()
	b.do(chromedp.SendKeys(chromedp.CSS("#user"), "ann"), chromedp.SendKeys(chromedp.CSS("#password"), "nonstick"))
	b.press("#login", "#flash", "Welcome, ann.")
}

// shows checks which page it is, and the devices on it.
func (b *browser) shows(title, devices, here string) {
	b.t.Helper()
	if got := evaluate[string](b, "document.title"); got != title {
		b.t.Fatalf("the page is %q, want %q", got, title)
	}
	if got := b.text(".device"); got != devices {
		b.t.Errorf("the list has %q, want %q", got, devices)
	}
	if got := b.text("li[aria-current] .device"); got != here {
		b.t.Errorf("this device is %q, want %q", got, here)
	}
}

// fits checks that a page can be used with a finger at a phone's width: nothing is cut off, no target is small.
func (b *browser) fits() {
	b.t.Helper()
	for _, width := range []int64{1200, 390, 320} {
		b.do(chromedp.EmulateViewport(width, 800))
		if scroll := evaluate[int64](b, "document.documentElement.scrollWidth"); scroll > width {
			b.t.Errorf("at a width of %d the page is %d wide", width, scroll)
		}
		small := evaluate[string](b, `[...document.querySelectorAll("button, input:not([type=hidden])")].filter((e) => {
			const r = e.getBoundingClientRect();
			return r.height < 44 || r.width < 44 || r.left < 0 || r.right > innerWidth;
		}).map((e) => e.outerHTML).join()`)
		if small != "" {
			b.t.Errorf("at a width of %d these are too small, or not within the page: %s", width, small)
		}
	}
	if size := evaluate[string](b, "getComputedStyle(document.querySelector('input, button')).fontSize"); size != "16px" {
		b.t.Errorf("the font of fields is %s, want 16px: for a smaller one phones zoom in", size)
	}
}

// TestDevices logs in with a laptop and a phone. Each ends the other once, in the two ways that there are.
func TestDevices(t *testing.T) {
	t.Parallel()
	base := start(t)
	laptop, phone := startBrowser(t, base, laptopAgent, 1200), startBrowser(t, base, phoneAgent, 390)
	phone.shows("Log in", "", "")
	phone.fits()
	laptop.login()
	laptop.shows("Your devices", laptopName, laptopName)
	if evaluate[bool](laptop, "document.querySelector('#end-others') !== null") {
		t.Error("there are others to end, want none yet")
	}
	phone.login()
	both := laptopName + ", " + phoneName
	phone.shows("Your devices", both, phoneName)
	phone.fits()

	laptop.reload()
	if got := laptop.text("#flash"); got != "" {
		t.Errorf("the flash message %q is shown twice", got)
	}
	laptop.shows("Your devices", both, laptopName)
	details := laptop.text("li:nth-child(2) dd")
	if !strings.HasPrefix(details, "127.0.0.1, ") || strings.Count(details, " UTC") != 2 {
		t.Errorf("the phone's address and times are %q", details)
	}
	laptop.press(".end", "#flash", "That device is logged out.")
	laptop.shows("Your devices", laptopName, laptopName)
	phone.reload()
	phone.shows("Log in", "", "")
	laptop.reload()
	if got := laptop.text("#flash"); got != "" {
		t.Errorf("the flash message %q is shown twice", got)
	}

	phone.login()
	phone.press("#end-others", "#flash", "All other devices are logged out.") // a fresh login
	phone.shows("Your devices", phoneName, phoneName)
	laptop.reload()
	laptop.shows("Log in", "", "")
}

// TestLogout looks at what is left in the browser after a logout.
func TestLogout(t *testing.T) {
	t.Parallel()
	b := startBrowser(t, start(t), phoneAgent, 390)
	b.do(chromedp.SendKeys(chromedp.CSS("#user"), "ann"), chromedp.SendKeys(chromedp.CSS("#password"), "wrong"))
	b.press("#login", "#problem", "Wrong name or password.")
	b.login()
	evaluate[bool](b, "localStorage.setItem('draft', 'private') === undefined")
	b.reload()
	if got := evaluate[string](b, "localStorage.getItem('draft') ?? ''"); got != "private" {
		t.Fatalf("before the logout the page has stored %q", got)
	}
	b.press("#logout", "h1", "Log in")
	b.await("localStorage.getItem('draft') === null")
	evaluate[bool](b, "history.back() === undefined")
	b.await("location.pathname === '/' && document.readyState === 'complete'")
	b.shows("Log in", "", "")
	b.login() // a new session
	b.shows("Your devices", phoneName, phoneName)
}

// cookie returns the value of a cookie that no script can see, "" if there is none.
func (b *browser) cookie(name string) string {
	b.t.Helper()
	found, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{b.base}})
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range found.Cookies {
		if c.Name == name {
			if !c.HTTPOnly {
				b.t.Errorf("the cookie %s is for scripts too", name)
			}
			return c.Value
		}
	}
	return ""
}

// setCookie gives the browser a cookie, or takes it away if the value is empty.
func (b *browser) setCookie(name, value string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: b.base})
	if err == nil && value != "" {
		_, err = chromedp.Call(b.ctx, network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: b.base})
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestRemembered ticks the box, loses the session, is logged in again, and finds a thief out.
func TestRemembered(t *testing.T) {
	t.Parallel()
	base := start(t, "-grace", "1ms")
	laptop, phone := startBrowser(t, base, laptopAgent, 1200), startBrowser(t, base, phoneAgent, 390)
	phone.do(chromedp.Click(chromedp.CSS("#remember")))
	phone.login()
	if got := phone.text(".remembered"); got != "remembered" {
		t.Errorf("the list says %q of a device that is remembered", got)
	}
	copied, before := phone.cookie("remember"), phone.cookie("session")
	phone.setCookie("session", "")
	phone.reload()
	if got := phone.text("#flash"); got != "Welcome back, ann." {
		t.Errorf("the flash message is %q", got)
	}
	if phone.cookie("session") == before || phone.cookie("remember") == copied || copied == "" {
		t.Error("the session or the cookie that remembers is the one from before")
	}
	phone.shows("Your devices", phoneName+", "+phoneName, phoneName) // the session of which nobody has the cookie goes on
	phone.press("#end-others", "h1", "Your password, please")        // to be remembered is not to have shown a password
	phone.do(chromedp.SendKeys(chromedp.CSS("#password"), "nonstick"))
	phone.press("#confirm", "#flash", "Thank you. Now you can log the other devices out.")
	phone.press("#end-others", "#flash", "All other devices are logged out.")
	phone.setCookie("session", "") // which has not ended what remembers this device
	phone.reload()
	phone.shows("Your devices", phoneName+", "+phoneName, phoneName)

	laptop.setCookie("remember", copied) // a thief comes after the owner
	laptop.reload()
	laptop.shows("Log in", "", "")
	if got := laptop.text("#problem"); !strings.HasPrefix(got, "Somebody else has used the cookie") {
		t.Errorf("the thief is told %q", got)
	}
	if laptop.cookie("remember") != "" {
		t.Error("the thief's browser keeps the cookie")
	}
	phone.reload()
	phone.shows("Log in", "", "") // neither the session nor the cookie
	if phone.cookie("remember") != "" {
		t.Error("a cookie that remembers nobody stays")
	}
}

// TestRememberedIsEnded logs a remembered device out from elsewhere, and by itself.
func TestRememberedIsEnded(t *testing.T) {
	t.Parallel()
	base := start(t)
	laptop, phone := startBrowser(t, base, laptopAgent, 1200), startBrowser(t, base, phoneAgent, 390)
	laptop.login()
	for _, button := range []string{".end", "#end-others"} {
		phone.do(chromedp.Click(chromedp.CSS("#remember")))
		phone.login()
		laptop.reload()
		laptop.do(chromedp.Click(chromedp.CSS(button)))
		laptop.await("document.querySelector('#flash')?.textContent.includes('logged out')")
		phone.reload()
		phone.shows("Log in", "", "")
	}
	phone.do(chromedp.Click(chromedp.CSS("#remember")))
	phone.login()
	copied := phone.cookie("remember")
	phone.press("#logout", "h1", "Log in")
	if phone.cookie("remember") != "" {
		t.Error("after a logout the cookie is still there")
	}
	phone.setCookie("remember", copied)
	phone.reload()
	phone.shows("Log in", "", "")
}

// TestFresh wants to end others with a login that is not fresh.
func TestFresh(t *testing.T) {
	t.Parallel()
	base := start(t, "-store", "file://"+t.TempDir(), "-fresh", "1ms")
	laptop, phone := startBrowser(t, base, laptopAgent, 1200), startBrowser(t, base, phoneAgent, 390)
	laptop.login()
	phone.login()
	both := laptopName + ", " + phoneName
	phone.press("#end-others", "h1", "Your password, please")
	phone.fits()
	phone.do(chromedp.SendKeys(chromedp.CSS("#password"), "wrong"))
	phone.press("#confirm", "#problem", "Wrong password.")
	phone.do(chromedp.SendKeys(chromedp.CSS("#password"), "nonstick"))
	phone.press("#confirm", "#flash", "Thank you. Now you can log the other devices out.")
	phone.shows("Your devices", both, phoneName)
	laptop.reload()
	laptop.shows("Your devices", both, laptopName)
}

// TestPause enters wrong passwords until none is taken, and waits until that has ended by itself.
func TestPause(t *testing.T) {
	t.Parallel()
	const pause = 30 * time.Second
	base := start(t, "-fresh", "1ms", "-pause", pause.String())
	laptop, phone := startBrowser(t, base, laptopAgent, 1200), startBrowser(t, base, phoneAgent, 390)
	laptop.login()
	phone.login()
	phone.press("#end-others", "h1", "Your password, please")
	try := func(password, selector, want string) {
		t.Helper()
		phone.do(chromedp.SendKeys(chromedp.CSS("#password"), password))
		phone.press("#confirm", selector, want)
	}
	for range 3 {
		try("wrong", "#problem", "Wrong password.")
	}
	try("nonstick", "#problem", "Too many wrong passwords. Try again later.")
	time.Sleep(pause)
	phone.do(chromedp.Navigate(base + "/password"))
	try("nonstick", "#flash", "Thank you. Now you can log the other devices out.")
}

// TestConfirmed ends the others after the password was asked for.
func TestConfirmed(t *testing.T) {
	t.Parallel()
	base := start(t, "-fresh", "30s")
	laptop, phone := startBrowser(t, base, laptopAgent, 1200), startBrowser(t, base, phoneAgent, 390)
	laptop.login()
	phone.login()
	time.Sleep(31 * time.Second) // until the login is not fresh any more
	phone.press("#end-others", "h1", "Your password, please")
	laptop.reload()
	laptop.shows("Your devices", laptopName+", "+phoneName, laptopName)
	phone.do(chromedp.SendKeys(chromedp.CSS("#password"), "nonstick"))
	phone.press("#confirm", "#flash", "Thank you. Now you can log the other devices out.")
	phone.press("#end-others", "#flash", "All other devices are logged out.")
	phone.shows("Your devices", phoneName, phoneName)
	laptop.reload()
	laptop.shows("Log in", "", "")
}
