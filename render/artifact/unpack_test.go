package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// member is an entry of an archive.
type member struct {
	name, data string
	kind       byte // zero: a regular file
	mode       int64
}

func pack(tb testing.TB, members ...member) string {
	tb.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	tw := tar.NewWriter(gz)
	for _, m := range members {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Mode: m.mode, Size: int64(len(m.data))}
		switch m.kind {
		case tar.TypeSymlink, tar.TypeLink:
			h.Linkname, h.Size = m.data, 0
		case tar.TypeXGlobalHeader:
			h.PAXRecords, h.Size = map[string]string{"comment": m.data}, 0
		}
		if err := tw.WriteHeader(h); err != nil {
			tb.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := tw.Write([]byte(m.data)); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := errors.Join(tw.Close(), gz.Close()); err != nil {
		tb.Fatal(err)
	}
	return buf.String()
}

func TestUnpack(t *testing.T) {
	huge := strings.Repeat("\x00", tree.MaxFile+1)
	for name, c := range map[string]struct {
		archive string
		want    []string
		err     string
	}{
		"files":                 {pack(t, member{name: "a"}, member{name: "d/", kind: tar.TypeDir}, member{name: "e/f/g", data: "g"}), []string{"a", "d/", "e/", "e/f/", "e/f/g"}, ""},
		"root":                  {pack(t, member{name: ".", kind: tar.TypeDir}, member{name: "./a"}), []string{"a"}, ""},
		"links are left out":    {pack(t, member{name: "l", kind: tar.TypeSymlink, data: "/etc/passwd"}, member{name: "a"}), []string{"a"}, ""},
		"hard link is empty":    {pack(t, member{name: "a", data: "a"}, member{name: "l", kind: tar.TypeLink, data: "a"}), []string{"a", "l"}, ""},
		"header of git archive": {pack(t, member{name: "pax_global_header", kind: tar.TypeXGlobalHeader, data: "0123"}, member{name: "a"}), []string{"a", "pax_global_header"}, ""},
		"twice":                 {pack(t, member{name: "a", data: "1"}, member{name: "a", data: "2"}), []string{"a"}, ""},
		"empty":                 {pack(t), nil, ""},
		"folder above":          {pack(t, member{name: "..", kind: tar.TypeDir}, member{name: "a"}), []string{"a"}, ""},
		"escape":                {pack(t, member{name: "../a"}), nil, "invalid name"},
		"escape inside":         {pack(t, member{name: "a/../../b"}), nil, "invalid name"},
		"absolute":              {pack(t, member{name: "/etc/passwd"}), nil, "invalid name"},
		"backslash":             {pack(t, member{name: `..\a`}), nil, "invalid name"},
		"file above":            {pack(t, member{name: ".."}), nil, "is a directory"},
		"file is the root":      {pack(t, member{name: "a/.."}), nil, "is a directory"},
		"file on a folder":      {pack(t, member{name: "d/a"}, member{name: "d"}), nil, "is a directory"},
		"file below a file":     {pack(t, member{name: "d"}, member{name: "d/a"}), nil, "is a file"},
		"folder on a file":      {pack(t, member{name: "d"}, member{name: "d/", kind: tar.TypeDir}), nil, "is a file"},
		"device":                {pack(t, member{name: "d", kind: tar.TypeChar}), nil, "unsupported file type"},
		"pipe":                  {pack(t, member{name: "d", kind: tar.TypeFifo}), nil, "unsupported file type"},
		"large file":            {pack(t, member{name: "a", data: huge}), nil, "too large"},
		"not gzip":              {"PK\x03\x04", nil, "gzip"},
		"nothing":               {"", nil, "gzip"},
		"not tar":               {gzipped(t, strings.Repeat("x", 1024)), nil, "tar error"},
		"cut off":               {pack(t, member{name: "a", data: strings.Repeat("a", 99)})[:40], nil, "unexpected EOF"},
		"long name":             {pack(t, member{name: strings.Repeat("a/", 3000) + "b"}), nil, "too large"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Unpack(t.Context(), []byte(c.archive))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("got error %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, files(t, got)); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
		})
	}
}

// TestEndlessHeaders: an archive that names a file for ever is stopped.
func TestEndlessHeaders(t *testing.T) {
	s := newStage(newBudget(t.Context()))
	s.budget.stream = 1 << 20
	if err := s.unpack([]byte(gzipped(t, metaHeaders(t, 1<<10))), ".", true); !errors.Is(err, tree.ErrTooLarge) {
		t.Errorf("got error %v", err)
	}
}

// metaHeaders is the stream of an archive of nothing but long names.
func metaHeaders(tb testing.TB, n int) string {
	tb.Helper()
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	if err := tw.WriteHeader(&tar.Header{Name: strings.Repeat("n", 600), Typeflag: tar.TypeReg, Format: tar.FormatGNU}); err != nil {
		tb.Fatal(err)
	}
	one := buf.Bytes()[:1536] // the header that says so, and the name
	return strings.Repeat(string(one), n)
}

func gzipped(tb testing.TB, s string) string {
	tb.Helper()
	var buf bytes.Buffer
	gz := gzip.NewWriter(&buf)
	if _, err := gz.Write([]byte(s)); err != nil {
		tb.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		tb.Fatal(err)
	}
	return buf.String()
}

// TestBudget: what a bound stops says so.
func TestBudget(t *testing.T) {
	b := newBudget(t.Context())
	for name, err := range map[string]error{
		"entries": b.spend(maxEntries + 1), "bytes": b.take(maxBytes + 1), "negative": b.take(-1), "steps": b.step(math.MaxInt32),
	} {
		if !errors.Is(err, tree.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnpackLikeDisk compares with what archive/tar and the rules of upstream give
// on disk, for archives of random names that clash with each other.
func TestUnpackLikeDisk(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		var members []member
		for range rapid.IntRange(0, 6).Draw(rt, "members") {
			m := member{
				name: strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", ".", "c.yaml"}), 1, 3).Draw(rt, "name"), "/"),
				kind: rapid.SampledFrom([]byte{tar.TypeReg, tar.TypeReg, tar.TypeDir}).Draw(rt, "kind"),
				mode: rapid.SampledFrom([]int64{0o600, 0o700}).Draw(rt, "mode"),
			}
			if m.kind == tar.TypeReg {
				m.data = rapid.StringN(0, 5, 5).Draw(rt, "data")
			}
			members = append(members, m)
		}
		dir, err := os.MkdirTemp(root, "") //nolint:usetesting // one for each draw, removed at its end
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		wantErr := untar(members, dir)
		got, err := Unpack(t.Context(), []byte(pack(t, members...)))
		if (err != nil) != (wantErr != nil) {
			rt.Fatalf("ours: %v, on disk: %v", err, wantErr)
		}
		if err == nil {
			if diff := cmp.Diff(onDisk(t, dir), contents(t, got)); diff != "" {
				rt.Fatalf("files (-disk +ours):\n%s", diff)
			}
		}
	})
}

// untar writes members as upstream does.
//
// Source: fluxcd/pkg/tar v1.2.0 untar.go Untar.
func untar(members []member, dir string) error {
	for _, m := range members {
		p := filepath.Join(dir, m.name)
		if m.kind == tar.TypeDir {
			if err := os.MkdirAll(p, 0o755); err != nil {
				return err
			}
			continue
		}
		if err := os.MkdirAll(filepath.Dir(p), 0o750); err != nil {
			return err
		}
		if err := os.WriteFile(p, []byte(m.data), os.FileMode(m.mode)); err != nil {
			return err
		}
	}
	return nil
}

// contents maps each path to its mode and content; folders end with a slash.
func contents(tb testing.TB, tr *tree.Tree) map[string]string {
	tb.Helper()
	out := map[string]string{}
	err := tr.Walk(".", func(p string, e tree.Entry) error {
		if e.IsDir() {
			out[p+"/"] = ""
			return nil
		}
		data, err := tr.ReadFile(p)
		if h, _ := tr.HashOf(p); h != tree.HashBlob(data) {
			tb.Errorf("%s has the hash of another content", p)
		}
		out[p] = e.Mode.String() + " " + string(data)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func onDisk(tb testing.TB, dir string) map[string]string {
	tb.Helper()
	out := map[string]string{}
	err := filepath.Walk(dir, func(p string, fi os.FileInfo, err error) error {
		if err != nil || p == dir {
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if fi.IsDir() {
			out[rel+"/"] = ""
			return nil
		}
		data, err := os.ReadFile(p)
		mode := tree.File
		if fi.Mode()&0o100 != 0 {
			mode = tree.Executable
		}
		out[rel] = mode.String() + " " + string(data)
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	return out
}
