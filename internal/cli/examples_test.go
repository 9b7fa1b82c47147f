package cli

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestExamples runs the commands of examples/README.md, and wants the folders there to be what they make. With UPDATE=1 it writes them.
func TestExamples(t *testing.T) {
	const examples = "../../examples"
	examplesDir, err := filepath.Abs(examples)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(examplesDir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("BULKHEAD_CACHE", off)
	ran := 0
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1) {
		for line := range strings.Lines(string(block[1])) {
			var out, errs bytes.Buffer
			args := strings.Fields(line)[1:]
			if code := Main(t.Context(), args, &out, &errs); code != 0 {
				t.Fatalf("%s: exit code %d\n%s", line, code, errs.String())
			}
			ran++
			if args[0] == "render" && !regexp.MustCompile(`(?m)^coverage: appliers (\d+)/(\d+) built$`).Match(out.Bytes()) {
				t.Errorf("%s: something failed or is unresolved:\n%s", line, out.String())
			}
		}
	}
	if ran < 10 {
		t.Errorf("only %d commands", ran)
	}
	folders, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		made := filesIn(t, f.Name())
		at := filepath.Join(examplesDir, f.Name())
		if os.Getenv("UPDATE") != "" {
			if err := os.RemoveAll(at); err != nil {
				t.Fatal(err)
			}
			if err := writeAll(at, made, nil); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(filesIn(t, at), made); diff != "" {
			t.Errorf("examples/%s (-as it is +as it is made):\n%s", f.Name(), diff)
		}
	}
}

// filesIn are the files of a folder, but for those of Git itself.
func filesIn(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == ".git":
			return fs.SkipDir
		case e.IsDir():
			return nil
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		data, err := os.ReadFile(p)
		out[filepath.ToSlash(rel)] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
