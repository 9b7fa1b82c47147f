//go:build linux

package lab

import "testing"

func TestStart(t *testing.T) {
	l := Start(t, Clusters("a", "b"))
	m, err := l.Memory()
	t.Log(m>>20, "MiB", err)
	for range 3 {
		if err := l.Cluster("a").Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}
