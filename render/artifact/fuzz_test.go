package artifact

import (
	"context"
	"strings"
	"testing"
	"time"

	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// FuzzGenerate takes anything for the fields of a generator: no panic, no endless
// run, and no path out of the artifact.
func FuzzGenerate(f *testing.F) {
	for _, from := range []string{"@s/a/**", "@s/", "@s/../x", "@s/**/*.tgz", "@s/{a,b}/[!c]?", "@s/a/{x}", "@s/\\*"} {
		for _, to := range []string{"@artifact/", "@artifact/a/", "@artifact/../x", "@artifact/{x}"} {
			f.Add("", from, to, "*.md", "Merge", "a: 1")
			f.Add("@s/{x}", from, to, "{a,b}/**", "Extract", "b: [")
			f.Add("@s/a/{x}/(y)", from, to, "[", "Overwrite", "")
		}
	}
	f.Fuzz(func(t *testing.T, pattern, from, to, exclude, strategy, data string) {
		sources := map[string]Source{"s": {Tree: tree.FromMap(map[string]string{
			"a/x.yaml": data, "a/b/y.yaml": "a: {b: 1}", "b.yaml": "b: 1", "x.tgz": data, "c/d/e/z.tar.gz": gzipped(t, data),
		})}}
		o := swv1.CopyOperation{From: from, To: to, Exclude: []string{exclude}, Strategy: strategy}
		g := generator(sources, op("@s/", "@artifact/"), o, o)
		g.Spec.PathPattern = pattern
		g.Spec.OutputArtifacts[0].Name = "x-{x}"
		if pattern == "" {
			g.Spec.OutputArtifacts[0].Name = "x"
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		made, err := Generate(ctx, g, sources)
		if ctx.Err() != nil {
			t.Fatalf("too slow: %v", err)
		}
		for _, a := range made {
			_ = contents(t, a.Tree)
		}
	})
}

// FuzzUnpack takes anything for an archive.
func FuzzUnpack(f *testing.F) {
	f.Add([]byte(pack(f, member{name: "a", data: "x"}, member{name: "d/e", data: "y"})), false)
	f.Add([]byte(pack(f, member{name: "..", kind: '5'}, member{name: "a/../b"})), false)
	f.Add([]byte(metaHeaders(f, 3)), true)
	f.Add([]byte("x"), true)
	f.Fuzz(func(t *testing.T, data []byte, plain bool) {
		if plain {
			data = []byte(gzipped(t, string(data)))
		}
		got, err := Unpack(t.Context(), data)
		if err == nil {
			_ = contents(t, got)
		}
	})
}

// FuzzPatterns takes anything for ignore rules.
func FuzzPatterns(f *testing.F) {
	for _, line := range patternLines {
		f.Add(line, "apps")
	}
	f.Add("!/deploy\n**/**/**/a\n[", "../x")
	f.Fuzz(func(t *testing.T, rules, path string) {
		tr := tree.FromMap(map[string]string{".sourceignore": rules, "a/b/c.yaml": "c", "deploy/a.yaml": "a", "x.png": "x"})
		for _, view := range []func() (*tree.Tree, error){
			func() (*tree.Tree, error) { return Git(tr, Spec{Ignore: rules}) },
			func() (*tree.Tree, error) { return Git(tr, Spec{Sparse: strings.Split(path, "\n")}) },
			func() (*tree.Tree, error) { return Bucket(tr, Objects{Ignore: rules, Prefix: path}) },
		} {
			if v, err := view(); err == nil {
				_ = contents(t, v)
			}
		}
	})
}
