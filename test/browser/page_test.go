//go:build browser

package browser

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

// visible counts the changes that are shown.
const visible = `document.querySelectorAll(".g:not([hidden])").length`

// count is the number of groups of a review that keep holds for.
func count(r *review.Review, keep func(g *review.Group) bool) (n int) {
	for i := range r.Groups {
		if keep(&r.Groups[i]) {
			n++
		}
	}
	return n
}

// TestFirstScreen wants what decides a review to be seen without scrolling: verdict, gate, clusters, file, object.
func TestFirstScreen(t *testing.T) {
	x := open(t, reporttest.Sample("incident"))
	x.onScreen("Failed", "prod-alone", "prod-us-east-1", "prod-db-01", "infrastructure/base/logging/kustomization.yaml", "DaemonSet/logging/fluent-bit", "DaemonSet logging/fluent-bit is deleted")
	x.shoot("incident-light", false)
}

// TestIncident wants the same of the page that the program made of the incident in examples/.
func TestIncident(t *testing.T) {
	file, err := filepath.Abs(filepath.Join("..", "..", "examples", "incident", "impact.html"))
	if err != nil {
		t.Fatal(err)
	}
	x := visit(t, file)
	x.onScreen("Failed", "prod-alone", "prod changes together with dev", "prod-us-east-1", "prod-db-01", "infrastructure/base/logging/kustomization.yaml", "DaemonSet/logging/vector", "DaemonSet/logging/fluent-bit")
	x.shoot("incident-real-light", false)
}

// onScreen wants each text to be seen without scrolling.
func (x *tab) onScreen(texts ...string) {
	t := x.t
	t.Helper()
	for _, text := range texts {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		box := value[[]float64](x, `(() => {
			const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = document.createRange(), text = `+string(quoted)+`;
			for (let n = walk.nextNode(); n; n = walk.nextNode()) {
				const at = n.data.indexOf(text);
				if (at < 0 || n.parentElement.closest("option, script")) continue;
				range.setStart(n, at); range.setEnd(n, at + text.length);
				const b = range.getBoundingClientRect();
				if (b.width && document.elementFromPoint(b.x + b.width / 2, b.y + b.height / 2) === n.parentElement) return [b.left, b.top, b.right, b.bottom];
			}
			return [];
		})()`)
		if len(box) != 4 || box[0] < 0 || box[1] < 0 || box[2] > width || box[3] > height {
			t.Errorf("%q is not within %d x %d: %v", text, width, height, box)
		}
	}
}

// TestMatrix clicks a cell, a cluster and an environment, and moves with the arrow keys.
func TestMatrix(t *testing.T) {
	r := reporttest.Sample("mixed")
	x := open(t, r)
	cell := `(() => { const t = document.querySelector(".matrix"), heads = [...t.tHead.rows[1].cells];
		const row = [...t.tBodies[0].rows].find((r) => r.cells[0].textContent === %q);
		return row.cells[heads.findIndex((h) => h.textContent === %q)]; })()`
	one := fmt.Sprintf(cell, "tenant/checkout", "prod-eu-1")
	value[any](x, one+".click()")
	want(x, visible, count(r, func(g *review.Group) bool {
		return g.Concern == "tenant/checkout" && slices.Contains(g.Clusters, "prod-eu-1")
	}))
	want(x, one+`.classList.contains("on")`, true)
	want(x, `new URLSearchParams(location.hash.slice(1)).get("concern")`, "tenant/checkout")
	value[any](x, one+".click()")
	want(x, visible, len(r.Groups))
	value[any](x, `[...document.querySelectorAll(".matrix th[data-c]")].find((h) => h.textContent === "prod-us-1").click()`)
	want(x, visible, count(r, func(g *review.Group) bool { return slices.Contains(g.Clusters, "prod-us-1") }))
	x.press(kb.Escape)
	want(x, visible, len(r.Groups))
	value[any](x, `document.querySelector(".matrix [tabindex='0']").focus()`)
	x.press(kb.ArrowRight, kb.Enter)
	want(x, `document.querySelector("#where-filter").value`, "c:dev-eu-2")
	want(x, visible, count(r, func(g *review.Group) bool { return g.Concern == "platform" && slices.Contains(g.Clusters, "dev-eu-2") }))
}

// TestFilters uses each of the choices, and the address that they are kept in.
func TestFilters(t *testing.T) {
	r := reporttest.Sample("mixed")
	x := open(t, r)
	choose := func(id, to string) {
		t.Helper()
		value[any](x, fmt.Sprintf(`(() => { const s = document.getElementById(%q); s.value = %q; s.dispatchEvent(new Event("change", {bubbles: true})); })()`, id, to))
	}
	for _, c := range []struct {
		id, to string
		keep   func(g *review.Group) bool
	}{
		{"kind", "removed", func(g *review.Group) bool { return g.Kind == "removed" }},
		{"concern", "platform", func(g *review.Group) bool { return g.Concern == "platform" }},
		{"where-filter", "e:prod", func(g *review.Group) bool { return slices.Contains(g.Environments, "prod") }},
		{"risk", "s:error", func(g *review.Group) bool { return g.Severity == finding.Error }},
		{"risk", "s:none", func(g *review.Group) bool { return g.Severity == "" }},
		{"risk", "r:immutable-field", func(g *review.Group) bool {
			return slices.ContainsFunc(g.Risks, func(f finding.Finding) bool { return f.Rule == "immutable-field" })
		}},
	} {
		choose(c.id, c.to)
		want(x, visible, count(r, c.keep))
		choose(c.id, "")
	}
	want(x, visible, len(r.Groups))
	value[any](x, `location.hash = "#kind=removed&where=e%3Aprod&view=split"`)
	want(x, visible, count(r, func(g *review.Group) bool { return g.Kind == "removed" && slices.Contains(g.Environments, "prod") }))
	want(x, `document.getElementById("split").getAttribute("aria-pressed")`, "true")
	value[any](x, `location.hash = "#g-`+r.Groups[2].Key+`"`)
	want(x, `document.querySelectorAll(".g")[2].open`, true)
}

// TestKeys reviews without a mouse.
func TestKeys(t *testing.T) {
	r := reporttest.Sample("mixed")
	x := open(t, r)
	at := `[...document.querySelectorAll(".g")].findIndex((g) => g.classList.contains("at-it"))`
	x.press("j", "j", "j")
	want(x, at, 2)
	x.press("k")
	want(x, at, 1)
	x.press("e")
	want(x, `document.querySelectorAll(".g")[1].open`, true)
	want(x, `document.querySelectorAll(".lines:not(.two) tr").length`, 1+len(r.Groups[1].Diff.Lines))
	x.press("u")
	want(x, `document.querySelectorAll(".lines.two").length`, 1)
	want(x, `document.querySelector(".lines.two tr:nth-child(3)").cells.length`, 6)
	x.press("u", "e")
	want(x, `document.querySelectorAll(".lines").length`, 0)
	value[any](x, `document.body.dispatchEvent(new KeyboardEvent("keydown", {key: "/", bubbles: true}))`) // a key that is sent types, too
	want(x, `document.activeElement.id`, "q")
	x.press("l", "e", "d", "g", "e", "r")
	want(x, visible, 1)
	want(x, `location.hash`, "#q=ledger")
	x.press(kb.Escape)
	want(x, visible, len(r.Groups))
	want(x, `location.hash`, "")
	x.press("?")
	want(x, `document.getElementById("help").open`, true)
	x.press(kb.Escape)
	want(x, `document.getElementById("help").open`, false)
	x.press("E")
	want(x, `document.querySelectorAll(".g[open]").length`, len(r.Groups))
}

// TestLineNumbers compares what the script draws with the review, line by line.
func TestLineNumbers(t *testing.T) {
	r := reporttest.Sample("mixed")
	x := open(t, r)
	x.press("E")
	for i := range r.Groups {
		g := &r.Groups[i]
		var lines []string
		for k := range g.Diff.Lines {
			if l := &g.Diff.Lines[k]; l.Op != "@" {
				lines = append(lines, strings.ReplaceAll(fmt.Sprintf("%d|%d|%s|%s", l.Before, l.After, l.Op, l.Text), "0|", "|"))
			}
		}
		got := value[[]string](x, fmt.Sprintf(`[...document.querySelectorAll("#g-%s .lines tr:not(.hunk)")].map((r) => [...r.cells].map((c) => c.textContent).join("|"))`, g.Key))
		for k := range got {
			got[k] = strings.ReplaceAll(got[k], "0|", "|")
		}
		if !slices.Equal(lines, got) {
			t.Errorf("%s: want %d lines, got %d: %.300q", g.Name, len(lines), len(got), got)
		}
	}
}

// TestThemes follows the system, and the button.
func TestThemes(t *testing.T) {
	x := open(t, reporttest.Sample("mixed"))
	colour := `getComputedStyle(document.body).backgroundColor`
	light := value[string](x, colour)
	unreadable(x, "light")
	dark(x)
	if value[string](x, colour) == light {
		t.Error("dark is as light")
	}
	unreadable(x, "dark")
	x.press("t")
	want(x, colour, light)
}

// unreadable fails for text with less contrast than WCAG 2.1 asks for.
//
// Source: WCAG 2.1, success criterion 1.4.3: a ratio of at least 4.5.
func unreadable(x *tab, theme string) {
	x.t.Helper()
	x.press("E")
	for _, s := range value[[]string](x, `(() => {
		const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true}), seen = new Map();
		const rgb = (c) => { if (!seen.has(c)) { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = c; canvas.fillRect(0, 0, 1, 1); seen.set(c, [...canvas.getImageData(0, 0, 1, 1).data]); } return seen.get(c); };
		const light = (c) => { const [r, g, b] = c.map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
		const behind = (e) => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255, 255]; };
		const bad = new Set();
		for (const e of document.querySelectorAll("body *")) {
			if (![...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility() || e.closest("script, option, optgroup")) continue;
			const a = light(rgb(getComputedStyle(e).color)), b = light(behind(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
			if (ratio < 4.5) bad.add(e.nodeName + "." + e.className + " " + ratio.toFixed(2));
		}
		return [...bad];
	})()`) {
		x.t.Errorf("%s: too little contrast: %s", theme, s)
	}
	x.press("E")
}

// TestHostile wants that nothing of a hostile review runs; what the policy refuses would be told on the console.
func TestHostile(t *testing.T) {
	x := open(t, reporttest.Sample("hostile"))
	want(x, `typeof window.pwned`, "undefined")
	want(x, `document.scripts.length + document.styleSheets.length`, 2)
	want(x, `document.querySelectorAll("img, svg, iframe, object, link, [onclick], [onload], [onerror], [style]").length`, 0)
	x.press("j", "e", "u", "j", "e")
	want(x, `document.querySelectorAll(".lines").length > 0`, true)
	want(x, `document.documentElement.scrollWidth <= innerWidth`, true)
	want(x, `typeof window.pwned`, "undefined")
}

// TestWithoutScripts wants everything to be there, and no control that does nothing.
func TestWithoutScripts(t *testing.T) {
	r := reporttest.Sample("mixed")
	x := open(t, r, func(x *tab) {
		call(x, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	})
	want(x, `document.documentElement.classList.contains("js")`, false)
	want(x, visible, len(r.Groups))
	want(x, `[...document.querySelectorAll("button, input, select")].filter((e) => e.checkVisibility()).length`, 0)
	x.do(chromedp.Click(".g summary"))
	want(x, `document.querySelector(".g").open`, true)
	want(x, `document.querySelector(".g .diff pre").checkVisibility()`, true)
	if text := value[string](x, `document.querySelector(".g .diff pre").innerText`); !strings.Contains(text, "-  name: ledger") {
		t.Errorf("the difference is %q", text)
	}
	x.shoot("mixed-without-scripts", false)
}

// TestPrint wants the differences on paper, also those that are folded.
func TestPrint(t *testing.T) {
	x := open(t, reporttest.Sample("incident"))
	call(x, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
	want(x, `document.querySelectorAll(".g[open]").length`, 0)
	want(x, `[...document.querySelectorAll(".g .diff pre")].every((p) => p.getBoundingClientRect().height > 20)`, true)
	want(x, `document.getElementById("filters").checkVisibility()`, false)
}

// TestFleet wants a large page to be there, and to answer, at once.
func TestFleet(t *testing.T) {
	r := reporttest.Sample("fleet")
	x := open(t, r)
	paint := value[float64](x, `performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? -1`)
	loaded := value[float64](x, `performance.getEntriesByType("navigation")[0].loadEventEnd`)
	filter := value[float64](x, `(() => { const before = performance.now(); document.querySelector("#wide td.hit").click(); document.body.offsetHeight; return performance.now() - before; })()`)
	search := value[float64](x, `(() => { const q = document.getElementById("q"), before = performance.now(); q.value = "service-0042"; q.form.dispatchEvent(new Event("submit", {cancelable: true})); document.getElementById("kind").dispatchEvent(new Event("change", {bubbles: true})); document.body.offsetHeight; return performance.now() - before; })()`)
	t.Logf("%d elements; first paint after %.0f ms, loaded after %.0f ms; a filter takes %.0f ms, the first search %.0f ms",
		value[int](x, `document.querySelectorAll("*").length`), paint, loaded, filter, search)
	if loaded > 10_000 || filter > 1500 || search > 3000 {
		t.Error("that is too slow")
	}
	x.press(kb.Escape)
	want(x, visible, len(r.Groups))
	want(x, `document.documentElement.scrollWidth <= innerWidth`, true)
	value[any](x, `(() => { const d = document.getElementById("wide"); d.open = true; d.scrollIntoView(); })()`)
	want(x, `document.documentElement.scrollWidth <= innerWidth`, true)
	x.shoot("fleet-wide-light", false)
}
