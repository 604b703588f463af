package demodevices_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/nonstick-go/nonstick/integration/internal/browser"
)

// The user agents of the two browsers, and what the page calls them.
const (
	laptopAgent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
	laptopName  = "Firefox on Linux"
	phoneAgent  = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
	phoneName   = "Chrome on Android"
)

// tab is what the tests of the page do with a browser.
type tab struct {
	*browser.Tab
	base string
}

func openTab(t *testing.T, base, agent string, width int64) tab {
	t.Helper()
	b := tab{browser.Open(t, chromedp.UserAgent(agent)), base}
	b.Do(chromedp.EmulateViewport(width, 800))
	b.reload()
	return b
}

// reload opens the page.
func (b tab) reload() {
	b.T.Helper()
	b.Do(chromedp.Navigate(b.base + "/"))
}

// press clicks on a button and waits until the page shows a text, in the element that a selector finds.
func (b tab) press(button, selector, want string) {
	b.T.Helper()
	browser.Evaluate[bool](b.Tab, "window.before = true")
	b.Do(chromedp.Click(chromedp.CSS(button)))
	b.Await("window.before === undefined && document.readyState === 'complete'")
	if got := b.text(selector); got != want {
		b.T.Fatalf("after %s %s shows %q, want %q", button, selector, got, want)
	}
}

// text is that of all elements that a selector finds.
func (b tab) text(selector string) string {
	b.T.Helper()
	return browser.Evaluate[string](b.Tab, "[...document.querySelectorAll("+strconv.Quote(selector)+")].map((e) => e.textContent.trim()).join(', ')")
}

// login logs ann in.
func (b tab) login() {
	b.T.Helper()
	b.Do(chromedp.SendKeys(chromedp.CSS("#user"), "ann"), chromedp.SendKeys(chromedp.CSS("#password"), "nonstick"))
	b.press("#login", "#flash", "Welcome, ann.")
}

// shows checks which page it is, and the devices on it.
func (b tab) shows(title, devices, here string) {
	b.T.Helper()
	if got := browser.Evaluate[string](b.Tab, "document.title"); got != title {
		b.T.Fatalf("the page is %q, want %q", got, title)
	}
	if got := b.text(".device"); got != devices {
		b.T.Errorf("the list has %q, want %q", got, devices)
	}
	if got := b.text("li[aria-current] .device"); got != here {
		b.T.Errorf("this device is %q, want %q", got, here)
	}
}

// fits checks that a page can be used with a finger at a phone's width: nothing is cut off, no target is small.
func (b tab) fits() {
	b.T.Helper()
	for _, width := range []int64{1200, 390, 320} {
		b.Do(chromedp.EmulateViewport(width, 800))
		if scroll := browser.Evaluate[int64](b.Tab, "document.documentElement.scrollWidth"); scroll > width {
			b.T.Errorf("at a width of %d the page is %d wide", width, scroll)
		}
		small := browser.Evaluate[string](b.Tab, `[...document.querySelectorAll("button, input:not([type=hidden])")].filter((e) => {
			const r = e.getBoundingClientRect();
			return r.height < 44 || r.width < 44 || r.left < 0 || r.right > innerWidth;
		}).map((e) => e.outerHTML).join()`)
		if small != "" {
			b.T.Errorf("at a width of %d these are too small, or not within the page: %s", width, small)
		}
	}
	if size := browser.Evaluate[string](b.Tab, "getComputedStyle(document.querySelector('input, button')).fontSize"); size != "16px" {
		b.T.Errorf("the font of fields is %s, want 16px: for a smaller one phones zoom in", size)
	}
}

// TestDevices logs in with a laptop and a phone. Each ends the other once, in the two ways that there are.
func TestDevices(t *testing.T) {
	t.Parallel()
	base := start(t)
	laptop, phone := openTab(t, base, laptopAgent, 1200), openTab(t, base, phoneAgent, 390)
	phone.shows("Log in", "", "")
	phone.fits()
	laptop.login()
	laptop.shows("Your devices", laptopName, laptopName)
	if browser.Evaluate[bool](laptop.Tab, "document.querySelector('#end-others') !== null") {
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
	b := openTab(t, start(t), phoneAgent, 390)
	b.Do(chromedp.SendKeys(chromedp.CSS("#user"), "ann"), chromedp.SendKeys(chromedp.CSS("#password"), "wrong"))
	b.press("#login", "#problem", "Wrong name or password.")
	b.login()
	browser.Evaluate[bool](b.Tab, "localStorage.setItem('draft', 'private') === undefined")
	b.reload()
	if got := browser.Evaluate[string](b.Tab, "localStorage.getItem('draft') ?? ''"); got != "private" {
		t.Fatalf("before the logout the page has stored %q", got)
	}
	b.press("#logout", "h1", "Log in")
	b.Await("localStorage.getItem('draft') === null")
	browser.Evaluate[bool](b.Tab, "history.back() === undefined")
	b.Await("location.pathname === '/' && document.readyState === 'complete'")
	b.shows("Log in", "", "")
	b.login() // a new session
	b.shows("Your devices", phoneName, phoneName)
}

// cookie returns the value of a cookie that no script can see, "" if there is none.
func (b tab) cookie(name string) string {
	b.T.Helper()
	found, err := chromedp.Call(b.Context(), network.GetCookies, network.GetCookiesParams{URLs: []string{b.base}})
	if err != nil {
		b.T.Fatal(err)
	}
	for _, c := range found.Cookies {
		if c.Name == name {
			if !c.HTTPOnly {
				b.T.Errorf("the cookie %s is for scripts too", name)
			}
			return c.Value
		}
	}
	return ""
}

// setCookie gives the browser a cookie, or takes it away if the value is empty.
func (b tab) setCookie(name, value string) {
	b.T.Helper()
	_, err := chromedp.Call(b.Context(), network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: b.base})
	if err == nil && value != "" {
		_, err = chromedp.Call(b.Context(), network.SetCookie, network.SetCookieParams{Name: name, Value: value, URL: b.base})
	}
	if err != nil {
		b.T.Fatal(err)
	}
}

// TestRemembered ticks the box, loses the session, is logged in again, and finds a thief out.
func TestRemembered(t *testing.T) {
	t.Parallel()
	base := start(t, "-grace", "1ms")
	laptop, phone := openTab(t, base, laptopAgent, 1200), openTab(t, base, phoneAgent, 390)
	phone.Do(chromedp.Click(chromedp.CSS("#remember")))
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
	phone.Do(chromedp.SendKeys(chromedp.CSS("#password"), "nonstick"))
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
	laptop, phone := openTab(t, base, laptopAgent, 1200), openTab(t, base, phoneAgent, 390)
	laptop.login()
	for _, button := range []string{".end", "#end-others"} {
		phone.Do(chromedp.Click(chromedp.CSS("#remember")))
		phone.login()
		laptop.reload()
		laptop.Do(chromedp.Click(chromedp.CSS(button)))
		laptop.Await("document.querySelector('#flash')?.textContent.includes('logged out')")
		phone.reload()
		phone.shows("Log in", "", "")
	}
	phone.Do(chromedp.Click(chromedp.CSS("#remember")))
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
	laptop, phone := openTab(t, base, laptopAgent, 1200), openTab(t, base, phoneAgent, 390)
	laptop.login()
	phone.login()
	both := laptopName + ", " + phoneName
	phone.press("#end-others", "h1", "Your password, please")
	phone.fits()
	phone.Do(chromedp.SendKeys(chromedp.CSS("#password"), "wrong"))
	phone.press("#confirm", "#problem", "Wrong password.")
	phone.Do(chromedp.SendKeys(chromedp.CSS("#password"), "nonstick"))
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
	laptop, phone := openTab(t, base, laptopAgent, 1200), openTab(t, base, phoneAgent, 390)
	laptop.login()
	phone.login()
	phone.press("#end-others", "h1", "Your password, please")
	try := func(password, selector, want string) {
		t.Helper()
		phone.Do(chromedp.SendKeys(chromedp.CSS("#password"), password))
		phone.press("#confirm", selector, want)
	}
	for range 3 {
		try("wrong", "#problem", "Wrong password.")
	}
	try("nonstick", "#problem", "Too many wrong passwords. Try again later.")
	time.Sleep(pause)
	phone.Do(chromedp.Navigate(base + "/password"))
	try("nonstick", "#flash", "Thank you. Now you can log the other devices out.")
}

// TestConfirmed ends the others after the password was asked for.
func TestConfirmed(t *testing.T) {
	t.Parallel()
	base := start(t, "-fresh", "30s")
	laptop, phone := openTab(t, base, laptopAgent, 1200), openTab(t, base, phoneAgent, 390)
	laptop.login()
	phone.login()
	time.Sleep(31 * time.Second) // until the login is not fresh any more
	phone.press("#end-others", "h1", "Your password, please")
	laptop.reload()
	laptop.shows("Your devices", laptopName+", "+phoneName, laptopName)
	phone.Do(chromedp.SendKeys(chromedp.CSS("#password"), "nonstick"))
	phone.press("#confirm", "#flash", "Thank you. Now you can log the other devices out.")
	phone.press("#end-others", "#flash", "All other devices are logged out.")
	phone.shows("Your devices", phoneName, phoneName)
	laptop.reload()
	laptop.shows("Log in", "", "")
}
