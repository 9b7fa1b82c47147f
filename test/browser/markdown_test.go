package browser

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	"github.com/yuin/goldmark/text"
	nethtml "golang.org/x/net/html"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/markdown"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

// TestMarkdownHostile reads comments as a forge does: whatever the texts of a review are, there are the same
// blocks, only our own tags, and nothing that a forge makes a link or a mention of.
func TestMarkdownHostile(t *testing.T) {
	plain := skeleton(comment(t, reporttest.Poison(reporttest.Sample("mixed"), func(s string) string { return "x" + s + "x" }), 1<<20))
	for i, p := range reporttest.Payloads() {
		t.Run(fmt.Sprintf("payload-%02d", i), func(t *testing.T) {
			for name, poison := range map[string]func(string) string{
				"around": func(s string) string { return p + s + p },
				"apart":  func(s string) string { return p + " " + s + " " + p },
				"split":  func(s string) string { return s[:len(s)/2] + p + s[len(s)/2:] },
			} {
				r := reporttest.Poison(reporttest.Sample("mixed"), poison)
				out := comment(t, r, 1<<20)
				inspect(t, out)
				if p == "" && name != "around" {
					continue
				}
				if got := skeleton(out); p != "" && got != plain {
					t.Errorf("%s: other blocks than for harmless text:\n%s", name, firstDifference(plain, got))
				}
				inspect(t, comment(t, r, 6000))
			}
		})
	}
	for _, name := range reporttest.Names() {
		inspect(t, comment(t, reporttest.Sample(name), 60_000))
	}
}

func FuzzMarkdown(f *testing.F) {
	for _, p := range reporttest.Payloads() {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		inspect(t, comment(t, reporttest.Poison(reporttest.Sample("mixed"), func(s string) string { return p + s + p }), 60_000))
	})
}

func comment(t *testing.T, r *review.Review, limit int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := markdown.Write(&b, r, markdown.Options{Limit: limit}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func parser() goldmark.Markdown {
	return goldmark.New(goldmark.WithExtensions(extension.GFM, extension.Footnote), goldmark.WithRendererOptions(html.WithUnsafe()))
}

// skeleton is the tree of blocks, one a line.
func skeleton(src []byte) string {
	var b strings.Builder
	depth := 0
	_ = ast.Walk(parser().Parser().Parse(text.NewReader(src)), func(n ast.Node, enter bool) (ast.WalkStatus, error) {
		if n.Type() == ast.TypeInline {
			return ast.WalkSkipChildren, nil
		}
		if !enter {
			depth--
			return ast.WalkContinue, nil
		}
		fmt.Fprintf(&b, "%*s%s\n", 2*depth, "", n.Kind())
		depth++
		return ast.WalkContinue, nil
	})
	return b.String()
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d: want %q, got %q", i, w[i], g[i])
		}
	}
	return fmt.Sprintf("want %d lines, got %d", len(w), len(g))
}

var (
	elements = map[string]bool{
		"html": true, "head": true, "body": true, "h2": true, "h3": true, "p": true, "ul": true, "li": true, "strong": true, "code": true, "pre": true, "br": true, "sub": true,
		"table": true, "thead": true, "tbody": true, "tr": true, "th": true, "td": true, "details": true, "summary": true,
	}
	// reference is what GitHub or GitLab make a link of, outside of code.
	reference = regexp.MustCompile(`[@#!$~%][\pL\pN_"-]|&[a-z]|://|(?i:www\.[\pL\pN]|gh-\d)|:[a-z0-9_+-]+:`)
)

// inspect renders a comment and looks at what a forge would show.
func inspect(t *testing.T, src []byte) {
	t.Helper()
	var page bytes.Buffer
	if err := parser().Convert(src, &page); err != nil {
		t.Fatal(err)
	}
	root, err := nethtml.Parse(&page)
	if err != nil {
		t.Fatal(err)
	}
	open := map[string]int{}
	for n := range root.Descendants() {
		switch n.Type {
		default:
		case nethtml.ElementNode:
			open[n.Data]++
			if !elements[n.Data] {
				t.Fatalf("the element <%s>", n.Data)
			}
			for _, a := range n.Attr {
				if a.Key != "class" || a.Val != "language-diff" {
					t.Fatalf("the attribute %s=%q of <%s>", a.Key, a.Val, n.Data)
				}
			}
		case nethtml.TextNode:
			if found := reference.FindString(n.Data); found != "" && !within(n, "code") && !within(n, "pre") {
				t.Fatalf("%q is a reference: %.200q", found, n.Data)
			}
		case nethtml.CommentNode:
			if n.Data != " bulkhead:impact " {
				t.Fatalf("the comment %q", n.Data)
			}
			open["comment"]++
		}
	}
	if open["comment"] != 1 || open["details"] != open["summary"] {
		t.Fatalf("%d comments, %d details, %d summaries", open["comment"], open["details"], open["summary"])
	}
	for n := range root.Descendants() {
		if n.Type == nethtml.ElementNode && n.Data == "details" && n.Parent.Data != "body" {
			t.Fatalf("details in <%s>", n.Parent.Data)
		}
	}
}

func within(n *nethtml.Node, element string) bool {
	for p := range n.Ancestors() {
		if p.Data == element {
			return true
		}
	}
	return false
}
