package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func pack(tb testing.TB, headers ...*tar.Header) []byte {
	tb.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	tw := tar.NewWriter(zw)
	for _, h := range headers {
		if err := tw.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if h.Typeflag == tar.TypeReg {
			io.CopyN(tw, zeros{}, h.Size)
		}
	}
	tw.Close()
	zw.Close()
	return out.Bytes()
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestUntar(t *testing.T) {
	limits := Limits{Files: 100, Unpacked: 1 << 20}.orDefault()
	reg := func(name string, size int64) *tar.Header {
		return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644}
	}
	dir := func(name string) *tar.Header { return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755} }
	link := func(kind byte, name, to string) *tar.Header {
		return &tar.Header{Typeflag: kind, Name: name, Linkname: to}
	}
	many := make([]*tar.Header, 101)
	for i := range many {
		many[i] = reg("f"+strings.Repeat("x", i), 0)
	}
	deep := reg(strings.Repeat("a/", 80)+"f", 0)
	for name, c := range map[string]struct {
		data []byte
		want []string // nil: refused
	}{
		"plain":             {pack(t, dir("./"), reg("./a", 1), reg("b/c", 2), dir("empty/")), []string{"a", "b/c", "empty/"}},
		"nothing":           {pack(t), []string{}},
		"later wins":        {pack(t, reg("a", 1), reg("a", 2)), []string{"a"}},
		"odd spelling":      {pack(t, reg("a//b/./c", 1)), []string{"a/b/c"}},
		"symlink":           {pack(t, link(tar.TypeSymlink, "a", "/etc/passwd"), reg("b", 1)), []string{"b"}},
		"through symlink":   {pack(t, link(tar.TypeSymlink, "a", "/etc"), reg("a/passwd", 1)), []string{"a/passwd"}},
		"up":                {pack(t, reg("../a", 1)), nil},
		"up inside":         {pack(t, reg("a/../../b", 1)), nil},
		"up at the end":     {pack(t, reg("a/..", 1)), nil},
		"only up":           {pack(t, reg("..", 1)), nil},
		"absolute":          {pack(t, reg("/etc/passwd", 1)), nil},
		"backslash":         {pack(t, reg(`..\a`, 1)), nil},
		"hard link":         {pack(t, link(tar.TypeLink, "a", "/etc/passwd")), []string{"a"}}, // an empty file, as upstream
		"device":            {pack(t, link(tar.TypeChar, "a", "")), nil},
		"pipe":              {pack(t, link(tar.TypeFifo, "a", "")), nil},
		"file and folder":   {pack(t, reg("a", 1), reg("a/b", 1)), nil},
		"folder and file":   {pack(t, reg("a/b", 1), reg("a", 1)), nil},
		"file, then folder": {pack(t, reg("a", 1), dir("a/")), nil},
		"too many":          {pack(t, many...), nil},
		"too big":           {pack(t, reg("a", 1<<20), reg("b", 1)), nil},
		"too deep":          {pack(t, deep), nil},
		"cut off":           {pack(t, reg("a", 1<<19))[:100], nil},
		"no gzip":           {[]byte("hello"), nil},
		"no tar":            {tgzOf(t, strings.Repeat("x", 2000)), nil},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := untar(c.data, limits)
			if c.want == nil {
				want(t, err, ErrInvalid)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, f := range files {
				if f.Mode.IsDir() {
					f.Name += "/"
				}
				got = append(got, f.Name)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

func tgzOf(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	zw := gzip.NewWriter(&out)
	io.WriteString(zw, text)
	zw.Close()
	return out.Bytes()
}

// TestUntarBomb: what is small packed and huge unpacked costs little, be it one file or
// many.
func TestUntarBomb(t *testing.T) {
	limits := Limits{Unpacked: 2 << 20}.orDefault()
	if files, err := untar(bomb(t, slices.Repeat([]int64{1 << 20}, 2)), limits); err != nil || len(files) != 2 {
		t.Fatalf("what is small enough gives %d files, %v", len(files), err)
	}
	for name, sizes := range map[string][]int64{"one file": {200 << 20}, "many files": slices.Repeat([]int64{1 << 20}, 200)} {
		data := bomb(t, sizes)
		if len(data) > 1<<20 {
			t.Fatalf("%s: %d bytes are packed", name, len(data))
		}
		n := testing.AllocsPerRun(1, func() {
			if _, err := untar(data, limits); err == nil {
				t.Errorf("%s: a bomb is taken", name)
			}
		})
		if n > 1000 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// bomb packs files of zeros, whose sizes are whole MiB. Each MiB is a gzip stream of its
// own, so that it is compressed once.
func bomb(t *testing.T, sizes []int64) []byte {
	t.Helper()
	mega := tgzOf(t, strings.Repeat("\x00", 1<<20))
	var out bytes.Buffer
	for i, size := range sizes {
		var head bytes.Buffer
		tw := tar.NewWriter(&head)
		if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprint(i), Size: size}); err != nil {
			t.Fatal(err)
		}
		out.Write(tgzOf(t, head.String()))
		for range size >> 20 {
			out.Write(mega)
		}
	}
	out.Write(tgzOf(t, strings.Repeat("\x00", 1024)))
	return out.Bytes()
}

func FuzzUntar(f *testing.F) {
	f.Add(tgz(f, "a/", "", "a/b", "1", "c", "2"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files, err := untar(data, Limits{Files: 50, Unpacked: 1 << 16}.orDefault())
		if err != nil {
			return
		}
		if len(files) > 50 {
			t.Fatalf("%d files", len(files))
		}
		total := 0
		for i, x := range files {
			if total += len(x.Data); !fs.ValidPath(x.Name) || x.Name == "." || i > 0 && files[i-1].Name >= x.Name {
				t.Fatalf("name %q", x.Name)
			}
		}
		if total > 1<<16 {
			t.Fatalf("%d bytes", total)
		}
	})
}
