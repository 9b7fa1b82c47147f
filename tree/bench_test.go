package tree_test

import (
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/tree"
)

func BenchmarkReadAll(b *testing.B) {
	source := big(10_000)
	views := map[string]func() *tree.Tree{
		"map": func() *tree.Tree { return big(10_000) },
		"filter": func() *tree.Tree {
			return source.Filter(func(path string, e tree.Entry) bool { return strings.HasSuffix(path, ".yaml") })
		},
	}
	for name, make := range views {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				tr := make()
				b.StartTimer()
				n := 0
				err := tr.Walk(".", func(path string, e tree.Entry) error {
					if e.IsDir() {
						return nil
					}
					data, err := tr.ReadFile(path)
					n += len(data)
					return err
				})
				if err != nil || n == 0 {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkStat(b *testing.B) {
	tr := big(10_000)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := tr.Stat("d42/f4242.yaml"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHolds(b *testing.B) {
	tr := big(10_000)
	rec := tree.Record(tr)
	_ = tr.Walk(".", func(path string, e tree.Entry) error {
		if !e.IsDir() {
			_, _ = rec.ReadFile(path)
		}
		return nil
	})
	trace := rec.Trace()
	b.ReportAllocs()
	for b.Loop() {
		if !trace.Holds(tr) {
			b.Fatal("does not hold")
		}
	}
}
