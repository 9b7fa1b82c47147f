package sandbox

import (
	"bytes"
	"testing"
)

// BenchmarkStart is a worker's start and its first job.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p := New(Options{Workers: 1})
		if _, err := p.Run(b.Context(), "echo", nil); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = p.Close()
		b.StartTimer()
	}
}

// BenchmarkRun is a round trip to a worker that runs.
func BenchmarkRun(b *testing.B) {
	for name, size := range map[string]int{"empty": 0, "1MB": 1 << 20} {
		b.Run(name, func(b *testing.B) {
			p := pool(b, Options{Workers: 1, Memory: 512 << 20})
			in := bytes.Repeat([]byte("x"), size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := p.Run(b.Context(), "echo", in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
