package fetch

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUsageAndClear(t *testing.T) {
	c, _ := newTestCache(t, 1<<30)
	root := filepath.Dir(c.dir)
	if u, err := UsageOf(root); err != nil || u.Entries != 0 || u.Dir != root || u.Limit != 2<<30 {
		t.Errorf("usage of nothing is %+v, %v", u, err)
	}
	c.setRef(entry{Key: "a", Digest: c.put(make([]byte, 1000))})
	if _, err := c.folder("repo", func(dir string) error { return os.WriteFile(filepath.Join(dir, "x"), make([]byte, 500), 0o600) }); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "mine"), "x")
	write(t, filepath.Join(root, "v2", "newer"), "x")
	u, err := UsageOf(root)
	if err != nil || u.Entries != 3 || u.Bytes < 1500 || u.Oldest.IsZero() {
		t.Errorf("usage is %+v, %v", u, err)
	}
	if cleared, err := Clear(root); err != nil || cleared != u {
		t.Errorf("cleared %+v, %v, want %+v", cleared, err, u)
	}
	if u, err := UsageOf(root); err != nil || u.Entries != 0 {
		t.Errorf("left are %+v, %v", u, err)
	}
	for _, name := range []string{"mine", "v2/newer"} {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(name))); err != nil {
			t.Error(err)
		}
	}
	file := filepath.Join(root, "mine")
	if _, err := UsageOf(file); err == nil {
		t.Error("a file has a usage")
	}
}
