package git_test

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// corpus clones the largest public fleet of the corpora: a folder of OWNER+NAME.bundle files that is not
// part of the repository. BULKHEAD_CORPORA says where it is.
func corpus(b *testing.B) string {
	b.Helper()
	dir := cmp.Or(os.Getenv("BULKHEAD_CORPORA"), filepath.Join("..", "..", "..", "shared", "corpora"))
	bundle, err := filepath.Abs(filepath.Join(dir, "wahooli+gitops-repo.bundle"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(bundle); err != nil {
		b.Skipf("no corpora (BULKHEAD_CORPORA): %v", err)
	}
	clone := filepath.Join(b.TempDir(), "clone")
	if out, err := exec.CommandContext(b.Context(), "git", "clone", "-q", "-b", "main", bundle, clone).CombinedOutput(); err != nil {
		b.Skipf("clone: %v\n%s", err, out)
	}
	return clone
}

func isYAML(path string) bool {
	return strings.HasSuffix(path, ".yaml") || strings.HasSuffix(path, ".yml")
}

// BenchmarkHead lists HEAD and reads every YAML file of it, each time with a new repository.
func BenchmarkHead(b *testing.B) {
	dir := corpus(b)
	b.Run("go-git", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			report(b, readAll(b, open(b, dir), 1))
		}
	})
	b.Run("go-git, 2 readers", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			report(b, readAll(b, open(b, dir), 2))
		}
	})
	b.Run("go-git, again", func(b *testing.B) {
		b.ReportAllocs()
		r := open(b, dir)
		for b.Loop() {
			report(b, readAll(b, r, 1))
		}
	})
	b.Run("git", func(b *testing.B) {
		for b.Loop() {
			n, err := readAllGit(b, dir)
			if err != nil {
				b.Fatal(err)
			}
			report(b, n)
		}
	})
}

func BenchmarkWorkTree(b *testing.B) {
	r := open(b, corpus(b))
	for b.Loop() {
		if _, err := r.WorkTree(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func report(b *testing.B, n int64) {
	b.Helper()
	b.ReportMetric(float64(n), "content-bytes")
}

func open(b *testing.B, dir string) *git.Repository {
	b.Helper()
	r, err := git.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	return r
}

func readAll(b *testing.B, r *git.Repository, readers int) int64 {
	b.Helper()
	c, err := r.Commit(b.Context(), "HEAD")
	if err != nil {
		b.Fatal(err)
	}
	paths := make(chan string, readers)
	var wg sync.WaitGroup
	sizes := make([]int64, readers)
	for i := range readers {
		wg.Go(func() {
			for p := range paths {
				data, err := c.Tree.ReadFile(p)
				if err != nil {
					b.Error(err)
				}
				sizes[i] += int64(len(data))
			}
		})
	}
	err = c.Tree.Walk(".", func(p string, e tree.Entry) error {
		if !e.IsDir() && e.Mode != tree.Symlink && isYAML(p) {
			paths <- p
		}
		return nil
	})
	close(paths)
	wg.Wait()
	if err != nil {
		b.Fatal(err)
	}
	total := int64(0)
	for _, n := range sizes {
		total += n
	}
	return total
}

// readAllGit does the same with two git processes.
func readAllGit(b *testing.B, dir string) (int64, error) {
	b.Helper()
	list, err := exec.CommandContext(b.Context(), "git", "-C", dir, "ls-tree", "-r", "-z", "HEAD").Output()
	if err != nil {
		return 0, err
	}
	var names bytes.Buffer
	for line := range strings.SplitSeq(string(list), "\x00") {
		info, p, ok := strings.Cut(line, "\t")
		if f := strings.Fields(info); ok && isYAML(p) && f[0] != "120000" {
			fmt.Fprintln(&names, f[2])
		}
	}
	cmd := exec.CommandContext(b.Context(), "git", "-C", dir, "cat-file", "--batch")
	cmd.Stdin = &names
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	total := int64(0)
	for in := bufio.NewReader(out); ; {
		head, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return 0, err
		}
		size, err := strconv.ParseInt(strings.TrimSpace(head[strings.LastIndexByte(head, ' ')+1:]), 10, 64)
		if err != nil {
			return 0, err
		}
		data := make([]byte, size+1)
		if _, err := io.ReadFull(in, data); err != nil {
			return 0, err
		}
		total += size
	}
	return total, cmd.Wait()
}
