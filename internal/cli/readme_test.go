package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/internal/cli"
)

// TestReadme runs the session of the README in the repository that "bulkhead demo
// --keep" leaves behind, and compares what it prints. UPDATE=1 rewrites it.
func TestReadme(t *testing.T) {
	const readme = "../../README.md"
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(text, []byte("\n")); lines > 150 {
		t.Errorf("the README has %d lines; 150 is the limit", lines)
	}
	t.Setenv("TMPDIR", t.TempDir())
	t.Setenv("NO_COLOR", "1")
	run := func(args ...string) string {
		t.Helper()
		var stdout, stderr bytes.Buffer
		if code := cli.Main(t.Context(), args, &stdout, &stderr); code != 0 {
			t.Fatalf("bulkhead %s: exit code %d\n%s", strings.Join(args, " "), code, stderr.String())
		}
		return stdout.String()
	}
	run("demo", "--keep")
	kept, err := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "bulkhead-demo-*"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("demo --keep left %v behind, %v", kept, err)
	}
	blocks := strings.Split(string(text), "```console\n")
	ran := 0
	for i, b := range blocks[1:] {
		code, rest, _ := strings.Cut(b, "```")
		want := code
		var got strings.Builder
		for part := range strings.SplitSeq(strings.TrimSuffix(code, "\n"), "\n$ ") {
			line, _, _ := strings.Cut(strings.TrimPrefix(part, "$ "), "\n")
			args, ok := strings.CutPrefix(line, "bulkhead ")
			if !ok || args == "demo --keep" {
				got.WriteString("$ " + strings.TrimPrefix(part, "$ ") + "\n")
				continue
			}
			ran++
			out := strings.TrimSuffix(run(append(strings.Fields(args), "-C", kept[0])...), "\n")
			got.WriteString("$ " + line + "\n" + out + "\n")
		}
		if os.Getenv("UPDATE") != "" {
			blocks[i+1] = got.String() + "```" + rest
		} else if diff := cmp.Diff(want, got.String()); diff != "" {
			t.Errorf("the README's session (-shown +printed):\n%s", diff)
		}
	}
	if ran < 3 {
		t.Errorf("the README shows %d commands with their output", ran)
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(readme, []byte(strings.Join(blocks, "```console\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
