// Package setup plays the making of the GitHub App as a person does it: in a browser, with
// the released program, before a GitHub with a certificate of an authority of its own.
package setup

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience is far above what a page takes on a busy machine.
const patience = time.Minute

// tab is a page that somebody looks at.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// findBrowser says which program is the browser. Without one the test fails where CI says
// that there has to be one, and is left out elsewhere.
func findBrowser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			return found
		}
	}
	if os.Getenv("CI") == "true" {
		require.Fail(t, "no browser: install Chromium (apt-get install chromium)")
	}
	t.Skip("no browser: install Chromium (apt-get install chromium) to have this test click through the pages")
	return ""
}

// openBrowser starts a browser of its own, without a window, that trusts every certificate.
func openBrowser(t *testing.T, program string) *tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox,
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.IgnoreCertErrors)
	allocator, stop := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator, chromedp.WithLogf(t.Logf), chromedp.WithErrorf(t.Logf))
	t.Cleanup(end)
	b := &tab{t, ctx}
	require.NoError(t, chromedp.Do(ctx))
	return b
}

// do runs actions, within patience.
func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	err := chromedp.Do(ctx, actions...)
	if err != nil {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		defer cancel()
		at, failed := chromedp.Run(ctx, chromedp.Evaluate[string]("location.href + '\\n' + document.body?.innerText"))
		b.t.Log("the page is", at, failed)
		b.shoot("failed")
	}
	require.NoError(b.t, err)
}

// eval is the value of a script.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	out, err := chromedp.Run(ctx, chromedp.Evaluate[T](script))
	require.NoError(b.t, err)
	return out
}

// press tabs to something and presses Enter, as somebody without a mouse does.
func (b *tab) press(selector chromedp.CSS) {
	b.t.Helper()
	b.do(chromedp.WaitVisible(selector), chromedp.Focus(selector), chromedp.KeyEvent("\r"))
}

// opened waits until an action has opened a tab at an address, and is a tab of our own
// there: one that was opened without an opener cannot be taken over.
func (b *tab) opened(address string, action func()) *tab {
	b.t.Helper()
	action()
	require.Eventually(b.t, func() bool {
		all, err := chromedp.Targets(b.ctx)
		require.NoError(b.t, err)
		return slices.ContainsFunc(all, func(i *target.Info) bool { return i.URL == address })
	}, patience, 50*time.Millisecond, "no tab at %s", address)
	ctx, end := chromedp.NewContext(b.ctx)
	b.t.Cleanup(end)
	require.NoError(b.t, chromedp.Do(ctx)) // a deadline of the first call would be the tab's
	other := &tab{b.t, ctx}
	other.do(chromedp.Navigate(address))
	return other
}

// looks takes pictures of a page in two widths, light and dark, and sees that it fits and
// that its text can be read.
func (b *tab) looks(name string) {
	b.t.Helper()
	for _, width := range []int64{1280, 400} {
		for _, scheme := range []string{"light", "dark"} {
			b.do(chromedp.EmulateViewport(width, 900), func(ctx context.Context, to *chromedp.Target) (chromedp.Void, error) {
				_, err := cdp.Call(ctx, to, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
					Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
				return chromedp.Void{}, err
			})
			file := name + "-" + map[int64]string{1280: "wide", 400: "narrow"}[width] + "-" + scheme
			b.shoot(file)
			require.LessOrEqual(b.t, eval[int64](b, "document.documentElement.scrollWidth"), width, "%s scrolls to the side", file)
			require.Empty(b.t, eval[[]string](b, unreadable), "%s: contrast below 4.5", file)
		}
	}
}

// unreadable lists texts whose contrast is below 4.5, the AA level of WCAG 2.2.
const unreadable = `(() => {
	const parse = c => c.match(/[\d.]+/g).map(Number);
	const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((s, v, i) => s + v * [0.2126, 0.7152, 0.0722][i], 0);
	const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
	const out = [];
	for (const e of document.querySelectorAll("body *")) {
		if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || e.tagName === "SCRIPT" || !e.checkVisibility()) continue;
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
		if ((a + 0.05) / (b + 0.05) < 4.5) out.push(e.tagName + " " + e.textContent.trim().slice(0, 40));
	}
	return out;
})()`

// accessible sees that a page has a language, a title, one heading of the first level, one
// main part, and names for everything that can be pressed.
func (b *tab) accessible() {
	b.t.Helper()
	require.Empty(b.t, eval[[]string](b, `(() => {
		const out = [];
		if (document.documentElement.lang !== "en") out.push("no language");
		if (!document.title) out.push("no title");
		if (document.querySelectorAll("h1").length !== 1) out.push("not one h1");
		if (document.querySelectorAll("main").length !== 1) out.push("not one main");
		for (const e of document.querySelectorAll("a, button, summary")) if (!e.textContent.trim()) out.push("nameless " + e.tagName);
		for (const e of document.querySelectorAll("input:not([type=hidden])")) if (!e.labels.length) out.push("no label for " + e.name);
		for (const e of document.querySelectorAll("th")) if (!e.scope) out.push("th without scope");
		return out;
	})()`))
}

// shoot keeps a picture beside the test's other results.
func (b *tab) shoot(name string) {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	picture, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Log("no picture of", name, err)
		return
	}
	file := filepath.Join(b.t.ArtifactDir(), name+".png")
	if err := os.WriteFile(file, picture, 0o600); err != nil {
		b.t.Log("no picture of", name, err)
	}
}

// front brings a tab before the others: nothing is drawn of one that is behind.
func (b *tab) front() {
	b.t.Helper()
	b.do(func(ctx context.Context, to *chromedp.Target) (chromedp.Void, error) {
		_, err := cdp.Call(ctx, to, page.BringToFront, cdp.Empty{})
		return chromedp.Void{}, err
	})
}
