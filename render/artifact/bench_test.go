package artifact

import (
	"fmt"
	"testing"

	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// monorepo is 10,000 files in 500 folders of apps.
func monorepo() *tree.Tree {
	files := map[string]string{}
	for i := range 500 {
		for j := range 20 {
			files[fmt.Sprintf("apps/app%d/envs/e%d/f%d.yaml", i, j%4, j)] = "kind: ConfigMap"
		}
	}
	return tree.FromMap(files)
}

func walk(b *testing.B, t *tree.Tree) {
	b.Helper()
	n := 0
	if err := t.Walk(".", func(string, tree.Entry) error { n++; return nil }); err != nil || n == 0 {
		b.Fatal(n, err)
	}
}

// BenchmarkGit lists the artifact of a commit with 10,000 files.
func BenchmarkGit(b *testing.B) {
	src := monorepo()
	b.ReportAllocs()
	for b.Loop() {
		view, err := Git(src, Spec{})
		if err != nil {
			b.Fatal(err)
		}
		walk(b, view)
	}
}

// BenchmarkDecompose makes 500 artifacts of 10,000 files.
func BenchmarkDecompose(b *testing.B) {
	for name, list := range map[string]bool{"make": false, "make-and-list": true} {
		b.Run(name, func(b *testing.B) {
			sources := map[string]Source{"repo": {Tree: monorepo()}}
			g := generator(sources, op("@repo/apps/{app}/**", "@artifact/"))
			g.Spec.PathPattern, g.Spec.OutputArtifacts[0].Name = "@repo/apps/{app}", "{app}"
			b.ReportAllocs()
			for b.Loop() {
				made, err := Generate(b.Context(), g, sources)
				if err != nil || len(made) != 500 {
					b.Fatal(len(made), err)
				}
				if list {
					for _, a := range made {
						walk(b, a.Tree)
					}
				}
			}
		})
	}
}

// BenchmarkExcludes copies 10,000 files past an exclude pattern.
func BenchmarkExcludes(b *testing.B) {
	sources := map[string]Source{"repo": {Tree: monorepo()}}
	g := generator(sources, swv1.CopyOperation{From: "@repo/apps", To: "@artifact/", Exclude: []string{"**/e3/**"}})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Generate(b.Context(), g, sources); err != nil {
			b.Fatal(err)
		}
	}
}
