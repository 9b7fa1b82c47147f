package chart

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/tree"
)

func gzipReader(data []byte) (io.Reader, error) { return gzip.NewReader(bytes.NewReader(data)) }

// typical is a chart like those of large projects: 60 templates, CRDs, a library.
func typical(tb testing.TB) map[string]string {
	tb.Helper()
	files := map[string]string{
		"Chart.yaml":  metadata("app", "1.2.3"),
		"values.yaml": strings.Repeat("# What this is for.\nkey: {a: 1, b: [1, 2, 3], c: text}\n", 1)[:20] + strings.Repeat("# A comment line of a common length, as such files have them.\n", 800),
		"README.md":   strings.Repeat("| key | what it is for | default |\n", 600),
		"charts/library-1.0.0.tgz": string(packed(tb, "library", map[string]string{
			"Chart.yaml": metadata("library", "1.0.0"), "templates/_helpers.tpl": strings.Repeat("{{ define \"x\" }}y{{ end }}\n", 500),
		})),
	}
	for i := range 60 {
		files[fmt.Sprintf("templates/t%02d.yaml", i)] = strings.Repeat("  key: {{ .Values.key | quote }}\n", 80)
	}
	for i := range 10 {
		files[fmt.Sprintf("crds/c%02d.yaml", i)] = strings.Repeat("            description: what the field is for\n", 700)
	}
	return files
}

func BenchmarkFromArchive(b *testing.B) {
	data := packed(b, "app", typical(b))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromArchive(b.Context(), data, ArchiveSpec{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFromTree(b *testing.B) {
	in := tree.FromMap(under("charts/app", typical(b)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := FromTree(b.Context(), in, TreeSpec{Path: "charts/app"}, nil); err != nil {
			b.Fatal(err)
		}
	}
}
