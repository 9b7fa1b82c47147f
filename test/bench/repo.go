package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"slices"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
)

// base is the branch of the fleet as it is; a change's branch is named after it.
const base = "main"

// commit makes a Git repository of the fleet in dir, which must be empty: one pack,
// base with the fleet, and for each change a branch with one commit more. There is
// no working tree. The same fleet gives the same commits.
func commit(ctx context.Context, dir string, f fleetgen.Fleet) error {
	if out, err := exec.CommandContext(ctx, "git", "init", "-q", "-b", base, dir).CombinedOutput(); err != nil { //nolint:gosec // the folder is our own
		return fmt.Errorf("git init: %w: %s", err, out)
	}
	cmd := exec.CommandContext(ctx, "git", "-C", dir, "fast-import", "--quiet", "--done") //nolint:gosec // the folder is our own
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var report limited
	cmd.Stdout, cmd.Stderr = &report, &report
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("git fast-import: %w", err)
	}
	w := bufio.NewWriterSize(in, 1<<20)
	history(w, f)
	if err := errors.Join(w.Flush(), in.Close(), cmd.Wait()); err != nil {
		return fmt.Errorf("git fast-import: %w: %s", err, report.text)
	}
	return nil
}

// history writes the fleet's commits as git fast-import reads them.
//
// Source: git-fast-import(1), "Input Format". Errors of w are kept by w.
func history(w *bufio.Writer, f fleetgen.Fleet) {
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	one := func(branch, message string, files map[string]string) {
		write("commit refs/heads/%s\ncommitter Bench <bench@example.com> 1767225600 +0000\ndata %d\n%s\n", branch, len(message), message)
		if branch != base {
			write("from refs/heads/%s\n", base)
		}
		for _, path := range slices.Sorted(maps.Keys(files)) {
			write("M 100644 inline %s\ndata %d\n%s\n", path, len(files[path]), files[path])
		}
		write("\n")
	}
	one(base, "The fleet", f.Files)
	for _, c := range f.Changes {
		one(c.Name, c.What, c.Files)
	}
	write("done\n")
}

// limited keeps the first KiB of what is written to it.
type limited struct{ text []byte }

func (l *limited) Write(p []byte) (int, error) {
	l.text = append(l.text, p[:min(len(p), 1024-len(l.text))]...)
	return len(p), nil
}

var _ io.Writer = (*limited)(nil)
