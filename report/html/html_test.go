package html_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	nethtml "golang.org/x/net/html"

	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/report/html"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

func write(t *testing.T, r *review.Review) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := html.Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// furniture is the same on every page, and kept out of the goldens.
var furniture = regexp.MustCompile(`(?s)<style>.*?</style>|<script>.*?</script>|<meta http-equiv=[^>]*>|<dialog.*?</dialog>`)

func TestSamples(t *testing.T) {
	for _, name := range []string{"incident", "empty", "mixed", "stat"} {
		t.Run(name, func(t *testing.T) {
			sample := strings.Replace(name, "stat", "mixed", 1)
			r := reporttest.Sample(sample)
			r.Groups = slices.DeleteFunc(r.Groups, func(g review.Group) bool { return len(g.Diff.Lines) > 100 })
			if name == "stat" {
				r.Details = nil
			}
			got := string(furniture.ReplaceAll(write(t, r), nil))
			file := filepath.Join("testdata", name+".html")
			if os.Getenv("UPDATE") != "" {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

// TestFleet wants a large fleet on a page that a browser opens at once.
func TestFleet(t *testing.T) {
	page := write(t, reporttest.Sample("fleet"))
	if n := len(page); n > 10<<20 {
		t.Errorf("the page has %d bytes, more than 10 MiB", n)
	}
	if n := bytes.Count(page, []byte(`<details class="g `)); n != 1500 {
		t.Errorf("%d changes, want 1500", n)
	}
	if n := bytes.Count(page, []byte(`<table class="matrix`)); n != 2 {
		t.Errorf("%d matrices, want one by environment and one by cluster", n)
	}
}

// TestBounded cuts differences that would make the page too large, and says so.
func TestBounded(t *testing.T) {
	r := reporttest.Sample("incident")
	lines := make([]review.Line, 2000)
	for i := range lines {
		lines[i] = review.Line{Op: "+", After: i + 1, Text: strings.Repeat("x", 2000)}
	}
	for range 6 {
		r.Groups = append(r.Groups, r.Groups...)
	}
	for i := range r.Groups {
		r.Groups[i].Diff.Lines = lines
	}
	page := write(t, r)
	if n := len(page); n > 8<<20 {
		t.Errorf("the page has %d bytes", n)
	}
	if !bytes.Contains(page, []byte("2000 more lines of this difference left out")) && !bytes.Contains(page, []byte("2,000 more lines of this difference left out")) {
		t.Error("a difference is left out, and nothing says so")
	}
}

// TestPolicy wants the hashes of the policy to be those of the one style and the one script.
func TestPolicy(t *testing.T) {
	for _, name := range reporttest.Names() {
		root, err := nethtml.Parse(bytes.NewReader(write(t, reporttest.Sample(name))))
		if err != nil {
			t.Fatal(err)
		}
		policy := ""
		found := map[string][]string{}
		for n := range root.Descendants() {
			switch n.Data {
			case "meta":
				if slices.Contains(n.Attr, nethtml.Attribute{Key: "http-equiv", Val: "Content-Security-Policy"}) {
					policy += n.Attr[1].Val
				}
			case "style", "script":
				if n.Type == nethtml.ElementNode {
					found[n.Data] = append(found[n.Data], n.FirstChild.Data)
				}
			}
		}
		for _, element := range []string{"style", "script"} {
			if len(found[element]) != 1 {
				t.Fatalf("%s: %d elements %s", name, len(found[element]), element)
			}
			sum := sha256.Sum256([]byte(found[element][0]))
			if want := element + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %q", name, policy, want)
			}
		}
		if !strings.HasPrefix(policy, "default-src 'none';") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy is %q", name, policy)
		}
	}
}

// small is mixed without the long difference, of which a page cuts more when its lines are longer.
func small() *review.Review {
	r := reporttest.Sample("mixed")
	r.Groups = slices.DeleteFunc(r.Groups, func(g review.Group) bool { return len(g.Diff.Lines) > 100 })
	return r
}

// poisoned is small with other texts. The commits are left alone: the page leaves out one that its label names.
func poisoned(text func(string) string) *review.Review {
	from := small()
	r := reporttest.Poison(from, text)
	r.Base.Commit, r.Head.Commit = from.Base.Commit, from.Head.Commit
	return r
}

// TestHostile wants the same elements and attributes whatever the texts are.
func TestHostile(t *testing.T) {
	plain := skeleton(t, write(t, poisoned(func(s string) string { return "x" + s + "x" })))
	for i, p := range reporttest.Payloads() {
		t.Run(fmt.Sprintf("payload-%02d", i), func(t *testing.T) {
			if p == "" {
				return
			}
			for name, poison := range map[string]func(string) string{
				"around": func(s string) string { return p + s + p },
				"split":  func(s string) string { return s[:len(s)/2] + p + s[len(s)/2:] },
			} {
				page := write(t, poisoned(poison))
				if diff := cmp.Diff(plain, skeleton(t, page)); diff != "" {
					t.Errorf("%s: other elements than for harmless texts (-want +got):\n%.3000s", name, diff)
				}
			}
		})
	}
	inspect(t, write(t, reporttest.Sample("hostile")))
}

func FuzzHostile(f *testing.F) {
	for _, p := range reporttest.Payloads() {
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p string) {
		inspect(t, write(t, reporttest.Poison(small(), func(s string) string { return p + s + p })))
	})
}

// skeleton is the elements with the names of their attributes, one a line. A row names few clusters and counts
// many, so what is in that part of it is left out.
func skeleton(t *testing.T, page []byte) []string {
	t.Helper()
	root := inspect(t, page)
	var lines []string
	for n := range root.Descendants() {
		if n.Type != nethtml.ElementNode || n.Parent.Data == "span" && len(n.Parent.Attr) > 0 && n.Parent.Attr[0].Val == "at" || n.Parent.Parent != nil && n.Data == "b" {
			continue
		}
		text := n.Data
		for _, a := range n.Attr {
			text += " " + a.Key
			if a.Key == "class" || a.Key == "id" {
				text += "=" + a.Val
			}
		}
		lines = append(lines, text)
	}
	return lines
}

var attributes = strings.Fields("lang charset http-equiv content name class href title hidden type id aria-labelledby aria-hidden aria-haspopup aria-label aria-pressed " +
	"placeholder autocomplete spellcheck value label role scope colspan tabindex method data-a data-b data-c data-k data-r data-s data-t data-v")

// inspect looks for what none of our pages has.
func inspect(t *testing.T, page []byte) *nethtml.Node {
	t.Helper()
	if !utf8.Valid(page) {
		t.Fatal("not UTF-8")
	}
	for _, r := range string(page) {
		if r != '\n' && (unicode.IsControl(r) && r != '\t' || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)) {
			t.Fatalf("the character %U", r)
		}
	}
	root, err := nethtml.Parse(bytes.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	for n := range root.Descendants() {
		switch n.Type {
		default:
		case nethtml.CommentNode:
			t.Fatalf("a comment: %.80q", n.Data)
		case nethtml.ElementNode:
			if slices.Contains([]string{"img", "iframe", "svg", "object", "embed", "link", "base", "video", "math", "textarea"}, n.Data) {
				t.Fatalf("an element <%s>", n.Data)
			}
		}
		for _, a := range n.Attr {
			if !slices.Contains(attributes, a.Key) {
				t.Fatalf("the attribute %s=%.80q of <%s>", a.Key, a.Val, n.Data)
			}
			if a.Key == "href" && !regexp.MustCompile(`^#[a-z]+$`).MatchString(a.Val) {
				t.Fatalf("a link to %.80q", a.Val)
			}
		}
	}
	return root
}

func BenchmarkFleet(b *testing.B) {
	r := reporttest.Sample("fleet")
	for b.Loop() {
		if err := html.Write(&bytes.Buffer{}, r); err != nil {
			b.Fatal(err)
		}
	}
}
