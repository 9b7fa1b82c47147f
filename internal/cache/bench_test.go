//go:build unix

package cache

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// cpu reports the processor time of an operation, which other work on the machine does not change.
func cpu(b *testing.B) (report func()) {
	b.Helper()
	used := func() int64 {
		var r syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
			b.Fatal(err)
		}
		return r.Utime.Nano() + r.Stime.Nano()
	}
	start := used()
	return func() { b.ReportMetric(float64(used()-start)/float64(b.N), "cpu-ns/op") }
}

var sizes = map[string]int{"4KB": 4 << 10, "64KB": 64 << 10, "1MB": 1 << 20}

// BenchmarkGet reads 1,000 entries in turn from the folder.
func BenchmarkGet(b *testing.B) {
	for _, name := range []string{"4KB", "64KB", "1MB"} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			s := open(b, Options{Dir: dir, Limit: 8 << 30})
			keys := make([][32]byte, 1000)
			for i := range keys {
				keys[i] = keyOf(fmt.Sprint(i))
				put(b, s, keys[i], manifests(sizes[name]))
			}
			b.SetBytes(int64(sizes[name]))
			b.ReportAllocs()
			defer cpu(b)()
			for i := 0; b.Loop(); i++ {
				if s.Get(b.Context(), keys[i%len(keys)]) == nil {
					b.Fatal("gone")
				}
			}
		})
	}
}

// BenchmarkMiss asks for what is not there.
func BenchmarkMiss(b *testing.B) {
	s := open(b, Options{Dir: b.TempDir()})
	put(b, s, keyOf("a"), manifests(4<<10))
	b.ReportAllocs()
	defer cpu(b)()
	for i := 0; b.Loop(); i++ {
		if s.Get(b.Context(), [32]byte{byte(i), byte(i >> 8), 1}) != nil {
			b.Fatal("there")
		}
	}
}

// BenchmarkPut writes entries to the folder, the work of a worker.
func BenchmarkPut(b *testing.B) {
	for _, name := range []string{"4KB", "64KB", "1MB"} {
		b.Run(name, func(b *testing.B) {
			s := open(b, Options{Dir: b.TempDir(), Limit: 8 << 30})
			value := manifests(sizes[name])
			b.SetBytes(int64(sizes[name]))
			b.ReportAllocs()
			defer cpu(b)()
			for i := 0; b.Loop(); i++ {
				s.write(item{key: &[32]byte{byte(i), byte(i >> 8)}, value: value})
			}
		})
	}
}

// BenchmarkOpen is what a command pays that finds nothing to do.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		s, err := Open(Options{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		s.Close(b.Context())
	}
}

// BenchmarkPrune looks at 20,000 entries, none of which has to go.
func BenchmarkPrune(b *testing.B) {
	d := newDisk(b.TempDir(), 8<<30, nil)
	for i := range 20_000 {
		names, err := derive(nil, keyOf(fmt.Sprint(i)))
		if err != nil {
			b.Fatal(err)
		}
		if err := d.write(names.hex(), []byte("x")); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	defer cpu(b)()
	for b.Loop() {
		d.prune()
	}
	if _, err := os.Stat(d.growthPath()); err != nil {
		b.Fatal(err)
	}
}
