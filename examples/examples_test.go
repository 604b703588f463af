package examples_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestExamples builds the programs that the README shows and does with them what their readers will.
func TestExamples(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"nethttp", "gin", "echo", "fiber"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			base := start(t, name)
			ada, bob := newBrowser(t), newBrowser(t)
			for _, step := range []struct {
				browser *http.Client
				path    string // a form is posted unless it is /
				want    string
				renewed bool // the answer brings a new cookie
			}{
				{ada, "/", "hello stranger, visit 1\n", true},
				{ada, "/", "hello stranger, visit 2\n", false},
				{ada, "/login", "hello ada, visit 3\n", true},
				{bob, "/", "hello stranger, visit 1\n", true},
				{ada, "/", "hello ada, visit 4\n", false},
				{ada, "/logout", "hello stranger, visit 1\n", true},
				{bob, "/", "hello stranger, visit 2\n", false},
			} {
				before := cookie(t, step.browser, base)
				if got := visit(t, step.browser, base+step.path); got != step.want {
					t.Errorf("%s: %q, want %q", step.path, got, step.want)
				}
				after := cookie(t, step.browser, base)
				if after == "" || (after != before) != step.renewed {
					t.Errorf("%s: cookie changed: %v, want %v (empty: %v)", step.path, after != before, step.renewed, after == "")
				}
			}
		})
	}
}

func newBrowser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Timeout: 10 * time.Second}
}

func visit(t *testing.T, c *http.Client, target string) string {
	t.Helper()
	var resp *http.Response
	var err error
	if strings.HasSuffix(target, "/") {
		resp, err = c.Get(target)
	} else {
		resp, err = c.PostForm(target, url.Values{"user": {"ada"}})
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// cookie returns the value of the only cookie that a browser has.
func cookie(t *testing.T, c *http.Client, base string) string {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	cookies := c.Jar.Cookies(u)
	if len(cookies) > 1 {
		t.Fatalf("%d cookies, want one at most", len(cookies))
	}
	if len(cookies) == 0 {
		return ""
	}
	return cookies[0].Value
}

// start builds and starts a program and returns where it listens.
func start(t *testing.T, name string) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command("go", "build", "-o", program, "./"+name).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", name, err, out)
	}
	for range 3 { // somebody else may take the port before the program does
		if base := run(t, program); base != "" {
			return base
		}
	}
	t.Fatalf("%s does not start", name)
	return ""
}

// run starts a program on a free port and waits until it listens. It returns "" if the program ended at once.
func run(t *testing.T, program string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "ADDR="+addr)
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed
		close(ended)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("output:\n%s", out.Bytes())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		select {
		case <-ended:
			return ""
		default:
		}
		if conn, err := net.Dial("tcp", addr); err == nil {
			_ = conn.Close()
			return "http://" + addr
		}
	}
	t.Fatal("the program does not listen")
	return ""
}
