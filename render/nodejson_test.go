package render

import (
	"io/fs"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"
	"sigs.k8s.io/kustomize/api/resource"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// writtenLikeMarshal compares what nodes are written as with what they are through text;
// it reports whether they are written at all.
func writtenLikeMarshal(t interface {
	Helper()
	Fatalf(string, ...any)
}, res *resource.Resource, from string,
) bool {
	t.Helper()
	var w nodeWriter
	node := res.YNode()
	if node == nil || node.Kind != yaml.MappingNode || !w.node(node, false) {
		return false
	}
	want, err := res.MarshalJSON()
	if err != nil || string(want) != string(w.out) {
		t.Fatalf("of\n%s\nis written\n%s, and through text it is\n%s %v", from, w.out, want, err)
	}
	return true
}

// drawNode draws a node; rare says how seldom it has what objects seldom have.
func drawNode(t *rapid.T, depth, rare int) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode}
	comment := func() string {
		if rapid.IntRange(0, 10*rare).Draw(t, "comment") > 0 {
			return ""
		}
		return rapid.SampledFrom([]string{"# c", "# c\n# d", "# a\n\n# b", "#", "# é: |", "# - x"}).Draw(t, "words")
	}
	defer func() { n.HeadComment, n.LineComment, n.FootComment = comment(), comment(), comment() }()
	kind := rapid.IntRange(0, 9).Draw(t, "kind")
	if depth > 0 && kind < 5 {
		n.Kind, n.Tag = yaml.MappingNode, rapid.SampledFrom([]string{"!!map", "!!map", ""}).Draw(t, "tag")
		if kind < 2 {
			n.Kind, n.Tag = yaml.SequenceNode, rapid.SampledFrom([]string{"!!seq", "!!seq", ""}).Draw(t, "tag")
		}
		if rapid.IntRange(0, rare).Draw(t, "flow") == 0 {
			n.Style = yaml.FlowStyle
		}
		for i := range rapid.IntRange(0, 4).Draw(t, "entries") {
			if n.Kind == yaml.MappingNode {
				key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: string(rune('a' + i))}
				if rapid.IntRange(0, 2*rare).Draw(t, "key") == 0 {
					key = drawNode(t, 0, rare)
				}
				n.Content = append(n.Content, key)
			}
			n.Content = append(n.Content, drawNode(t, depth-1, rare))
		}
		return n
	}
	if rapid.IntRange(0, rare).Draw(t, "usual") > 0 {
		n.Tag = rapid.SampledFrom([]string{"", "!!str"}).Draw(t, "tag")
		n.Style = rapid.SampledFrom([]yaml.Style{0, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle}).Draw(t, "style")
		n.Value = rapid.StringMatching(`[a-z0-9._/:-]{1,4}|[ -~]{0,5}|1|true|null`).Draw(t, "value")
		return n
	}
	n.Tag = rapid.SampledFrom([]string{"", "!!str", "!!str", "!!str", "!!int", "!!bool", "!!null", "!!float", "!x"}).Draw(t, "tag")
	n.Style = rapid.SampledFrom([]yaml.Style{0, 0, 0, 0, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle, yaml.LiteralStyle, yaml.FoldedStyle, yaml.TaggedStyle}).Draw(t, "style")
	n.Value = rapid.SampledFrom([][]string{scalarsWith, valuesOf, valuesOf, {
		"a", "b", "c", "name", "x.y/z", "a\nb", "a\nb\n", "a\n\nb\n\n", "\na", " a\nb", "a \nb", "a\n b\n", "a\tb\nc", "a\n\tb", "# a\nb", "- a\n- b", "a: b\nc: d\n", "a\n ", "---\na", "a\n...\nb",
		"!!str a", "a, b", "a?", "? a", "k: v", "\U0001F600", "\u00a0", "end\n", "1.50", "100000.5", "-1.5", "0.00001", "~x", "nullx", "True", "012", "0x1", "a:", "a #", "'", "''", "a'b", "\"a\"",
	}}[rapid.IntRange(0, 3).Draw(t, "pool")]).Draw(t, "value")
	if rapid.IntRange(0, 9).Draw(t, "free") == 0 {
		n.Value = rapid.StringN(0, 12, -1).Draw(t, "text")
	}
	return n
}

// TestNodesLikeMarshal: nodes of any form are written as they come through text.
func TestNodesLikeMarshal(t *testing.T) {
	oneGoroutine(t)
	n, fast := 0, 0
	check := func(rt *rapid.T) {
		rare := rapid.SampledFrom([]int{2, 5, 30, 100}).Draw(rt, "rare")
		node := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		for _, key := range []string{"kind", "data", "spec"} {
			node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, drawNode(rt, 4, rare))
		}
		n++
		res := &resource.Resource{}
		res.SetYNode(node)
		text, _ := res.RNode.String()
		if writtenLikeMarshal(rt, res, text) {
			fast++
		}
	}
	for range 20 {
		rapid.Check(t, check)
	}
	t.Logf("%d nodes, %d written", n, fast)
	if n > 500 && fast < n/20 {
		t.Error("the test sees too little")
	}
}

// TestFilesLikeMarshal: so are the objects of files.
func TestFilesLikeMarshal(t *testing.T) {
	for _, m := range append(manifests, many...) {
		if list, err := decoded([]byte(m)); err == nil {
			for _, res := range list {
				writtenLikeMarshal(t, res, m)
			}
		}
	}
}

// TestFilesLikeMarshalOnCorpora: so are those of real fleets.
func TestFilesLikeMarshalOnCorpora(t *testing.T) {
	n, fast := 0, 0
	objects := func(tr *tree.Tree) {
		_ = fs.WalkDir(tr.FS(), ".", func(p string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !strings.HasSuffix(p, ".yaml") && !strings.HasSuffix(p, ".yml") {
				return nil //nolint:nilerr // what cannot be read is left out
			}
			data, err := tr.ReadFile(p)
			if err != nil || len(data) > 1<<20 {
				return nil //nolint:nilerr // as above
			}
			list, err := decoded(data)
			if err != nil {
				return nil //nolint:nilerr // no objects
			}
			for _, res := range list {
				n++
				if writtenLikeMarshal(t, res, p) {
					fast++
				}
			}
			return nil
		})
	}
	for _, bundle := range corpora(t) {
		objects(checkout(t, bundle))
	}
	t.Logf("%d objects, %d written", n, fast)
	if n > 0 && fast < n/2 {
		t.Error("few objects are written")
	}
}

// FuzzNodes takes anything for a file of objects.
func FuzzNodes(f *testing.F) {
	oneGoroutine(f)
	seeds(f, ".yaml", func(data string) { f.Add(data) })
	for _, m := range append(manifests, many...) {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := decoded([]byte(text))
		if err != nil || len(text) > 4000 {
			return
		}
		for _, res := range list {
			writtenLikeMarshal(t, res, text)
		}
	})
}
