package chart

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// seen is what Find can tell of an index.
func seen(charts map[string]versions) map[string][]string {
	out := map[string][]string{}
	for name, list := range charts {
		out[name] = []string{}
		for _, v := range list {
			out[name] = append(out[name], fmt.Sprint(v.text, " ", v.url, " ", v.digest, " ", v.created.Unix()))
		}
	}
	return out
}

const smallIndex = `apiVersion: v1
entries:
  podinfo:
  - apiVersion: v2
    appVersion: "6.1"
    created: "2024-01-01T00:00:00Z"
    description: |
      - apiVersion: not an entry
       podinfo: nor a key
    digest: aaa
    name: podinfo
    urls:
    - podinfo-6.1.0.tgz
    version: 6.1.0
  - apiVersion: v2
    created: "2024-02-01T00:00:00Z"
    digest: bbb
    name: podinfo
    urls: [https://charts.example/podinfo-6.2.0-rc.1.tgz]
    version: 6.2.0-rc.1
  - name: podinfo
    version: not a version
  - name: podinfo
    version: 6.0.0
  "no":
    - {name: "no", version: 1.2.3, urls: [a.tgz]}
  empty: []
  nothing:
generated: "2024-03-01T00:00:00Z"
`

func TestFind(t *testing.T) {
	t.Parallel()
	ix, err := Index([]byte(smallIndex))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{"podinfo": 3, "no": 1, "empty": 0, "nothing": 0}, ix.Charts()); diff != "" {
		t.Errorf("charts (-want +got):\n%s", diff)
	}
	for name, c := range map[string]struct {
		chart, constraint, want string
		err                     error
	}{
		"latest stable":          {"podinfo", "", "podinfo-6.1.0.tgz aaa 6.1.0", nil},
		"star":                   {"podinfo", "*", "podinfo-6.1.0.tgz aaa 6.1.0", nil},
		"with prereleases":       {"podinfo", ">=6.0.0-0", "https://charts.example/podinfo-6.2.0-rc.1.tgz bbb 6.2.0-rc.1", nil},
		"exact prerelease":       {"podinfo", "6.2.0-rc.1", "https://charts.example/podinfo-6.2.0-rc.1.tgz bbb 6.2.0-rc.1", nil},
		"range":                  {"podinfo", "6.1.x", "podinfo-6.1.0.tgz aaa 6.1.0", nil},
		"key is a boolean":       {"no", "", "a.tgz  1.2.3", nil},
		"no download":            {"podinfo", "6.0.0", "", errors.ErrUnsupported},
		"out of range":           {"podinfo", ">7", "", ErrNoVersion},
		"no chart":               {"nginx", "", "", ErrNoChart},
		"chart without versions": {"empty", "", "", ErrNoVersion},
		"chart without a list":   {"nothing", "", "", ErrNoVersion},
		"no range":               {"podinfo", "this one", "", errors.ErrUnsupported},
	} {
		url, digest, version, err := Find(ix, c.chart, c.constraint)
		switch {
		case c.err == nil && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.err == nil && url+" "+digest+" "+version != c.want:
			t.Errorf("%s: got %s %s %s, want %s", name, url, digest, version, c.want)
		case c.err != nil && err == nil:
			t.Errorf("%s: got %s, want an error", name, version)
		case c.err != nil && !errors.Is(c.err, errors.ErrUnsupported) && !errors.Is(err, c.err):
			t.Errorf("%s: got %v, want %v", name, err, c.err)
		}
	}
}

// TestFindTakesTheYoungest: versions that differ in build metadata only are equal; the
// time that they were made decides.
func TestFindTakesTheYoungest(t *testing.T) {
	t.Parallel()
	for _, order := range [][]string{{"1.0.0+a", "1.0.0+b"}, {"1.0.0+b", "1.0.0+a"}} {
		text := "apiVersion: v1\nentries:\n  x:\n"
		for _, v := range order {
			text += fmt.Sprintf("  - {name: x, version: %s, urls: [u], created: \"2024-01-0%dT00:00:00Z\"}\n", v, 1+strings.Index("ab", v[6:]))
		}
		ix, err := Index([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, version, err := Find(ix, "x", "1.x"); err != nil || version != "1.0.0+b" {
			t.Errorf("got %s %v, want 1.0.0+b", version, err)
		}
	}
}

// TestFindSaysWhatFluxSays: the words are those of the HelmChart's condition.
func TestFindSaysWhatFluxSays(t *testing.T) {
	t.Parallel()
	ix, err := Index([]byte(smallIndex))
	if err != nil {
		t.Fatal(err)
	}
	for want, asked := range map[string][2]string{
		"no chart name found: nginx":                                      {"nginx", ""},
		"no chart version found: empty":                                   {"empty", ""},
		"no 'podinfo' chart with version matching '>7' found":             {"podinfo", ">7"},
		"chart 'podinfo' has no downloadable URLs":                        {"podinfo", "6.0.0"},
		`parse version range "this one": improper constraint: "this one"`: {"podinfo", "this one"},
	} {
		if _, _, _, err := Find(ix, asked[0], asked[1]); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", asked, err, want)
		}
	}
}

func TestIndexErrors(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "empty"},
		"no apiVersion":     {"entries: {}\n", "apiVersion"},
		"unknown field":     {"apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, colour: red}\n", "colour"},
		"HTML":              {"<html></html>", "cannot unmarshal"},
		"root field twice":  {"apiVersion: v1\napiVersion: v1\n", "already set"},
		"many aliases":      {"apiVersion: v1\nx: &a [1,1,1,1,1,1,1,1,1]\ny: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nz: [*b,*b,*b,*b,*b,*b,*b,*b]\n", "unknown field"},
		"unknown at root":   {"apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0}\nextra: 1\n", "extra"},
		"chart twice":       {"apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0}\n  a:\n  - {name: a, version: 1.0.1}\n", "already set"},
		"entries twice":     {"apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0}\nentries:\n  b: []\n", "already set"},
		"field twice":       {"apiVersion: v1\nentries:\n  a:\n  - name: a\n    name: b\n    version: 1.0.0\n", "already set"},
		"not YAML":          {"apiVersion: v1\nentries:\n  a:\n  - name: [\n", "yaml"},
		"a list of entries": {"apiVersion: v1\nentries:\n- a\n", "cannot unmarshal"},
		"too large":         {"#" + strings.Repeat(" ", MaxIndex), "limit"},
		"a bomb": {
			"apiVersion: &a " + strings.Repeat("x", 1<<16) + "\nserverInfo: {a: &b [" + strings.Repeat("*a,", 1000) + "], b: [" + strings.Repeat("*b,", 1000) + "]}\n",
			"expand to more than",
		},
	} {
		if _, err := Index([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
	}
}

func TestIndexJSON(t *testing.T) {
	t.Parallel()
	ix, err := Index([]byte(`{"apiVersion":"v1","extra":1,"entries":{"a":[{"name":"a","version":"1.0.0","urls":["u"],"colour":"red"},null]}}`))
	if err != nil {
		t.Fatal(err)
	}
	if url, _, version, err := Find(ix, "a", ""); err != nil || url != "u" || version != "1.0.0" {
		t.Errorf("got %s %s %v", url, version, err)
	}
}

// TestIndexByEntryIsIndex: the reader of entries answers as the reader of whole
// documents does, or not at all; for what tools write it does answer.
func TestIndexByEntryIsIndex(t *testing.T) {
	t.Parallel()
	answered, asked := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		text := drawIndex(t)
		if rapid.Bool().Draw(t, "damaged") {
			text = damage(t, text)
		} else {
			asked++
			if _, _, ok := indexByEntry([]byte(text)); ok {
				answered++
			}
		}
		sameIndex(t, text)
	})
	if answered < asked {
		t.Errorf("only %d of %d sound indexes were read by entry", answered, asked)
	}
}

// TestIndexByBatch: lists that are read in several pieces are read as a whole, too.
func TestIndexByBatch(t *testing.T) {
	t.Parallel()
	text := string(bigIndex(2 * batch))
	if _, _, ok := indexByEntry([]byte(text)); !ok {
		t.Error("a sound index was not read by entry")
	}
	sameIndex(t, text)
}

func sameIndex(t interface{ Fatalf(string, ...any) }, text string) {
	_, got, ok := indexByEntry([]byte(text))
	if !ok {
		return
	}
	_, want, err := indexAtOnce([]byte(text))
	if err != nil {
		t.Fatalf("read by entry, but as a whole: %v\n%s", err, text)
	}
	if diff := cmp.Diff(seen(want), seen(got)); diff != "" {
		t.Fatalf("by entry (-as a whole +by entry):\n%s\n%s", diff, text)
	}
}

func drawIndex(t *rapid.T) string {
	indent := rapid.SampledFrom([]string{"", "  "}).Draw(t, "indent")
	var b strings.Builder
	b.WriteString(rapid.SampledFrom([]string{"apiVersion: v1\n", "---\napiVersion: v1\n", "# hello\napiVersion: v1\nserverInfo: {}\n"}).Draw(t, "head"))
	b.WriteString("entries:\n")
	for i := range rapid.IntRange(1, 4).Draw(t, "charts") {
		fmt.Fprintf(&b, "  %s:\n", rapid.SampledFrom([]string{"c%d", `"c%d"`, "c-%d", "%d"}).Draw(t, "name"))
		text := strings.ReplaceAll(b.String(), "%d", fmt.Sprint(i))
		b.Reset()
		b.WriteString(text)
		for range rapid.IntRange(1, 3).Draw(t, "versions") {
			lines := []string{"name: c", "version: " + rapid.SampledFrom([]string{"1.2.3", "\"1.2\"", "1.0.0-rc.1", "zzz", "1.2.3+b"}).Draw(t, "version")}
			for range rapid.IntRange(0, 3).Draw(t, "extras") {
				lines = append(lines, rapid.SampledFrom([]string{
					"urls:\n  - a.tgz\n  - b.tgz", "urls:\n- c.tgz", "appVersion: \"1.10\"", "description: |\n  a\n\n  - b: c",
					"description: 'it''s\n  two lines'", "# a comment", "created: \"2020-01-01T00:00:00.1Z\"", "annotations:\n  a: b", "digest: 123e4",
					"dependencies:\n- name: d\n  repository: \"\"\n  version: 1.0.0", "keywords: [a,\n  b]", "deprecated: true", "kubeVersion: '>=1.20'",
					"icon: " + strings.Repeat("x", batch/2), // so that a list has more than one batch
				}).Draw(t, "extra"))
			}
			item := strings.ReplaceAll(strings.Join(lines, "\n"), "\n", "\n"+"  "+indent+"  ")
			if seenTwice(lines) {
				continue
			}
			fmt.Fprintf(&b, "  %s- %s\n", indent, item)
		}
	}
	b.WriteString(rapid.SampledFrom([]string{"", "generated: \"2020-01-01T00:00:00Z\"\n", "\n# end\n"}).Draw(t, "tail"))
	return b.String()
}

func seenTwice(lines []string) bool {
	keys := map[string]bool{}
	for _, l := range lines {
		key, _, _ := strings.Cut(l, ":")
		if keys[key] {
			return true
		}
		keys[key] = true
	}
	return false
}

// damage moves, copies, drops or indents lines, and puts marks of YAML in.
func damage(t *rapid.T, text string) string {
	lines := strings.SplitAfter(text, "\n")
	for range rapid.IntRange(1, 4).Draw(t, "damages") {
		i := rapid.IntRange(0, len(lines)-1).Draw(t, "line")
		switch rapid.IntRange(0, 5).Draw(t, "damage") {
		case 0:
			lines = slices.Delete(lines, i, i+1)
			if len(lines) == 0 {
				return ""
			}
		case 1:
			lines = slices.Insert(lines, i, lines[rapid.IntRange(0, len(lines)-1).Draw(t, "from")])
		case 2:
			lines[i] = rapid.SampledFrom([]string{" ", "  ", "\t", "- ", "    "}).Draw(t, "before") + lines[i]
		case 3:
			lines[i] = strings.TrimPrefix(lines[i], "  ")
		case 4:
			at := rapid.IntRange(0, len(lines[i])).Draw(t, "at")
			mark := rapid.SampledFrom([]string{"\"", "'", "[", "]", "{", "}", "|\n", ">\n", ": ", "- ", "#", "&a ", "*a ", "? ", "\r", "\u2028", "---\n", "entries:\n", "!!str ", "\ufeff"}).Draw(t, "mark")
			lines[i] = lines[i][:at] + mark + lines[i][at:]
		case 5:
			lines[i] = strings.TrimSuffix(lines[i], "\n")
		}
	}
	return strings.Join(lines, "")
}

func FuzzIndex(f *testing.F) {
	f.Add(smallIndex)
	f.Add("apiVersion: v1\nentries:\n  a:\n    - name: a\n      version: 1.0.0\n      description: \"\n    - b\"\n")
	f.Add("apiVersion: v1\nentries:\n  a:\n  - name: a\n    version: 1.0.0\n    description: |1\n     - x\n  b: null\n")
	f.Add(`{"apiVersion":"v1","entries":{"a":[{"name":"a","version":"1.0.0"}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		ix, err := Index([]byte(text))
		if err != nil {
			return
		}
		for name := range ix.charts {
			_, _, _, _ = Find(ix, name, "")
		}
		sameIndex(t, text)
	})
}

func TestPick(t *testing.T) {
	t.Parallel()
	tags := []string{"latest", "1.0.0", "v1.1.0", "1.2.0-rc.1", "1.1.5+build.2", "1.1.5+build.1", "2.0", "sha-abc"}
	for name, c := range map[string]struct{ constraint, want string }{
		"latest stable":              {"", "1.1.5+build.2"},
		"star":                       {"*", "1.1.5+build.2"},
		"exact":                      {"1.0.0", "1.0.0"},
		"exact but not there":        {"1.1.0", ""},
		"text of a tag":              {"latest", "latest"},
		"range":                      {"~1.0", "1.0.0"},
		"with v":                     {"<1.1.5, >1.0.0", "v1.1.0"},
		"prereleases in the range":   {">=1.2.0-0", "1.2.0-rc.1"},
		"two numbers are no version": {">=2", ""},
		"no range":                   {"newest", ""},
	} {
		got, err := Pick(tags, c.constraint)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%s: got %q %v, want %q", name, got, err, c.want)
		}
	}
	if _, err := Pick(tags, ">=2"); !errors.Is(err, ErrNoVersion) {
		t.Errorf("got %v, want ErrNoVersion", err)
	}
}

// TestPickIsHighest: of plain versions, the highest in the range, whatever the order.
func TestPickIsHighest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfNDistinct(rapid.IntRange(0, 99), 1, 20, rapid.ID).Draw(t, "minor")
		var tags []string
		for _, n := range numbers {
			tags = append(tags, fmt.Sprintf("1.%d.0", n))
		}
		got, err := Pick(tags, "1.x")
		if want := fmt.Sprintf("1.%d.0", slices.Max(numbers)); err != nil || got != want {
			t.Fatalf("got %s %v, want %s", got, err, want)
		}
	})
}

func TestURLs(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"": "", "https://a.example/charts": "https://a.example/charts/", "https://a.example/charts///": "https://a.example/charts/",
		"oci://a.example/charts/": "oci://a.example/charts", "http://a.example": "http://a.example/",
	} {
		if got, err := NormalizeURL(in); err != nil || got != want {
			t.Errorf("NormalizeURL(%q) = %q %v, want %q", in, got, err, want)
		}
	}
	for _, c := range [][3]string{
		{"https://a.example/charts/", "x-1.tgz", "https://a.example/charts/x-1.tgz"},
		{"https://a.example/charts?token=t", "x-1.tgz", "https://a.example/charts/x-1.tgz?token=t"},
		{"https://a.example/charts", "https://b.example/x.tgz", "https://b.example/x.tgz"},
		{"https://a.example/charts", "/x.tgz", "https://a.example/x.tgz"},
	} {
		if got, err := ResolveURL(c[0], c[1]); err != nil || got != c[2] {
			t.Errorf("ResolveURL(%q, %q) = %q %v, want %q", c[0], c[1], got, err, c[2])
		}
	}
}

// bigIndex is an index like a large public repository's, of about size bytes.
func bigIndex(size int) []byte {
	var b strings.Builder
	b.WriteString("apiVersion: v1\nentries:\n")
	random := rand.New(rand.NewPCG(1, 2))
	for chart := 0; b.Len() < size; chart++ {
		fmt.Fprintf(&b, "  chart-%d:\n", chart)
		for v := range 100 {
			fmt.Fprintf(&b, `  - annotations:
      category: Infrastructure
      licenses: Apache-2.0
    apiVersion: v2
    appVersion: 1.%[2]d.0
    created: "2024-05-14T10:37:27.%06[4]dZ"
    dependencies:
    - name: common
      repository: oci://registry.example/charts
      tags:
      - common
      version: 2.x.x
    description: A chart of some length that says what the thing is, and why it
      would be good to have it in a cluster.
    digest: %016[3]x%016[3]x%016[3]x%016[3]x
    home: https://example.com/chart-%[1]d
    icon: https://example.com/chart-%[1]d/icon.png
    keywords:
    - one
    - two
    maintainers:
    - name: Somebody
      url: https://example.com
    name: chart-%[1]d
    sources:
    - https://example.com/chart-%[1]d
    urls:
    - https://example.com/chart-%[1]d-1.%[2]d.0.tgz
    version: 1.%[2]d.0
`, chart, v, random.Uint64(), random.IntN(1_000_000))
		}
	}
	b.WriteString("generated: \"2024-05-14T10:37:27Z\"\n")
	return []byte(b.String())
}

func BenchmarkIndex(b *testing.B) {
	data := bigIndex(20 << 20)
	read := map[string]func([]byte) (*indexHead, map[string]versions, bool){
		"by entry": indexByEntry,
		"at once": func(data []byte) (*indexHead, map[string]versions, bool) {
			head, charts, err := indexAtOnce(data)
			return head, charts, err == nil
		},
	}
	for _, name := range slices.Sorted(maps.Keys(read)) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, charts, ok := read[name](data); !ok || len(charts) < 100 {
					b.Fatal(ok)
				}
			}
		})
	}
}
