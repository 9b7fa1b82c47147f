//go:build browser

package browser

import (
	"bytes"
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/html"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

const (
	width, height = 1280, 800
	patience      = 60 * time.Second // for one test: a small machine starts Chromium slowly
)

// chromium is where the browser is; the test is skipped where there is none.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "/usr/bin/chromium", "chromium", "chromium-browser", "google-chrome"} {
		if name == "" {
			continue
		}
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("SKIPPED: no Chromium; set CHROMIUM to one")
	return ""
}

// tab is a page that is open, and what went on in it.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	troubles []string // errors on the console, exceptions, violations of the policy, dialogs
	requests []string // other than for the page itself
}

// open writes a review to a file and opens it. Before are what is to be done first.
func open(t *testing.T, r *review.Review, before ...func(x *tab)) *tab {
	t.Helper()
	var b bytes.Buffer
	if err := html.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "impact.html")
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return visit(t, file, before...)
}

// visit is a tab with the page of a file, an absolute path.
func visit(t *testing.T, file string, before ...func(x *tab)) *tab {
	t.Helper()
	address := (&url.URL{Scheme: "file", Path: file}).String()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium(t)), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("force-color-profile", "srgb"),
		chromedp.WindowSize(width, height), chromedp.WSURLReadTimeout(patience))
	// The context of t ends before what t cleans up.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	x := &tab{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, func(e any) { x.saw(e, address) }); err != nil {
		t.Fatal(err)
	}
	call(x, network.Enable, network.EnableParams{})
	call(x, log.Enable, cdp.Empty{})
	call(x, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
	for _, f := range before {
		f(x)
	}
	x.do(chromedp.Navigate(address), chromedp.WaitReady("main"))
	t.Cleanup(x.quiet)
	return x
}

// saw keeps what is not as it should be.
func (x *tab) saw(e any, address string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		x.troubles = append(x.troubles, "exception: "+e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		x.troubles = append(x.troubles, "console: "+string(e.Type))
	case *log.EventEntryAdded:
		x.troubles = append(x.troubles, "log: "+e.Entry.Text)
	case *page.EventJavascriptDialogOpening:
		x.troubles = append(x.troubles, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		if before, _, _ := strings.Cut(e.Request.URL, "#"); before != address {
			x.requests = append(x.requests, e.Request.URL)
		}
	}
}

// quiet fails the test for each thing that [tab.saw] kept.
func (x *tab) quiet() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, s := range x.troubles {
		x.t.Error(s)
	}
	for _, s := range x.requests {
		x.t.Errorf("request for %s", s)
	}
}

func (x *tab) do(steps ...chromedp.Action[chromedp.Void]) {
	x.t.Helper()
	if err := chromedp.Do(x.ctx, steps...); err != nil {
		x.t.Fatal(err)
	}
}

// call runs a command of the protocol.
func call[P, R any](x *tab, command cdp.Command[P, R], params P) {
	x.t.Helper()
	if _, err := chromedp.Call(x.ctx, command, params); err != nil {
		x.t.Fatal(err)
	}
}

// result runs an action that has one.
func result[T any](x *tab, action chromedp.Action[T]) T {
	x.t.Helper()
	v, err := chromedp.Run(x.ctx, action)
	if err != nil {
		x.t.Fatal(err)
	}
	return v
}

// value evaluates an expression of the page.
func value[T any](x *tab, expression string) T {
	x.t.Helper()
	return result(x, chromedp.Evaluate[T](expression))
}

// want waits until an expression has a value, for a second at most.
func want[T comparable](x *tab, expression string, wanted T) {
	x.t.Helper()
	var got T
	for range 50 {
		if got = value[T](x, expression); got == wanted {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	x.t.Errorf("%s is %v, want %v", expression, got, wanted)
}

func (x *tab) press(keys ...string) {
	x.t.Helper()
	for _, k := range keys {
		x.do(chromedp.KeyEvent(k))
	}
}

// shoot writes a picture of the page into the folder that BROWSER_SHOTS names, if it does.
func (x *tab) shoot(name string, full bool) {
	x.t.Helper()
	dir := os.Getenv("BROWSER_SHOTS")
	if dir == "" {
		return
	}
	action := chromedp.CaptureScreenshot()
	if full {
		action = chromedp.FullScreenshot(100)
	}
	picture := result(x, action)
	if err := os.WriteFile(filepath.Join(dir, name+".png"), picture, 0o600); err != nil {
		x.t.Fatal(err)
	}
}

// dark is for people who like it so.
func dark(x *tab) {
	x.t.Helper()
	call(x, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}})
}

// TestShots makes a picture of each sample, light and dark.
func TestShots(t *testing.T) {
	if os.Getenv("BROWSER_SHOTS") == "" {
		t.Skip("SKIPPED: BROWSER_SHOTS names no folder for pictures")
	}
	for _, name := range reporttest.Names() {
		t.Run(name, func(t *testing.T) {
			x := open(t, reporttest.Sample(name))
			x.shoot(name+"-light", false)
			dark(x)
			x.shoot(name+"-dark", false)
			if name == "fleet" || name == "hostile" {
				return
			}
			value[any](x, `document.querySelectorAll(".g").forEach((g, i) => { g.open = i < 3 })`)
			x.press("u")
			x.shoot(name+"-full-dark", true)
			x.press("u", "t")
			x.shoot(name+"-full-light", true)
		})
	}
}
