//go:build linux

package lab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// built is the file that says that a folder of the cache is whole, and what it holds.
const built = ".built"

// Build makes the programs of the lab, those of the clusters and of the parts that are
// named ("forge", "s3"), and tells progress to w. A part is built once for each content of its module files, its
// flags and the version of Go, into a folder of its own in the user's cache folder
// (BULKHEAD_LAB_CACHE names another one). Processes that build at once wait for each
// other. A folder appears when it is whole, so a build that is killed leaves nothing
// that would be taken for one, and one that has lost files is built again.
//
// It returns the folders of the parts by name, that of the clusters as "cluster".
func Build(ctx context.Context, w io.Writer, with ...string) (map[string]string, error) {
	parts := []Part{clusterPart()}
	for _, name := range with {
		more := []Part{forgePart(), s3Part()}
		i := slices.IndexFunc(more, func(p Part) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("the lab has no part %q", name)
		}
		parts = append(parts, more[i])
	}
	tools, err := toolsDir()
	if err != nil {
		return nil, err
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	folders := map[string]string{}
	for _, p := range parts {
		if folders[p.name], err = p.build(ctx, w, filepath.Join(tools, p.folder), cache); err != nil {
			return nil, fmt.Errorf("build the lab's %s programs: %w", p.name, err)
		}
		p.prune(ctx, w, cache)
	}
	return folders, nil
}

// say tells progress; nobody minds when it is lost.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }

// CacheDir is where the finished programs lie, and what tests keep beside them;
// BULKHEAD_LAB_CACHE names another place.
func CacheDir() (string, error) {
	if dir := os.Getenv("BULKHEAD_LAB_CACHE"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w; BULKHEAD_LAB_CACHE names a folder for the lab's programs", err)
	}
	return filepath.Join(dir, "bulkhead", "lab"), nil
}

// toolsDir finds test/lab/tools from the working directory, which in a test is the
// folder of its package.
func toolsDir() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		tools := filepath.Join(dir, "test", "lab", "tools")
		if _, err := os.Stat(filepath.Join(tools, clusterPart().folder, "go.mod")); err == nil {
			return tools, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no test/lab/tools in %s or above it: run this inside the repository", wd)
		}
	}
}

// key names a state of the part: whatever changes the programs changes it.
func (p Part) key(ctx context.Context, dir string) (string, error) {
	h := sha256.New()
	version, err := goCommand(ctx, dir, nil, "env", "GOVERSION").Output()
	if err != nil {
		return "", fmt.Errorf("go env: %w", withStderr(err))
	}
	_, _ = fmt.Fprintln(h, "with a listing", string(version), runtime.GOOS, runtime.GOARCH, p.env, p.args, p.packages, p.links, p.copies)
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path) //nolint:gosec // a file of this repository
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		_, _ = fmt.Fprintf(h, "%s %d\n%s", filepath.ToSlash(rel), len(data), data)
		return err
	})
	return hex.EncodeToString(h.Sum(nil))[:16], err
}

func (p Part) build(ctx context.Context, w io.Writer, dir, cache string) (string, error) {
	key, err := p.key(ctx, dir)
	if err != nil {
		return "", err
	}
	final := filepath.Join(cache, p.name+"-"+key)
	if p.ready(ctx, cache, final) {
		return final, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil { //nolint:gosec // programs are no secret
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(cache, p.name+".lock"), func() {
		say(w, "lab: waiting for another process that builds the %s programs\n", p.name)
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if p.ready(ctx, cache, final) {
		return final, nil
	}
	// What is there and not whole was left by somebody who deleted parts of it.
	if err := os.RemoveAll(final); err != nil {
		return "", fmt.Errorf("%w; remove %s", err, final)
	}
	half := final + ".half"
	if err := os.RemoveAll(half); err != nil {
		return "", fmt.Errorf("%w; remove %s", err, half)
	}
	start := time.Now()
	say(w, "lab: building the %s programs into %s (minutes, once)\n", p.name, final)
	if err := p.compile(ctx, w, dir, filepath.Join(half, "bin")); err != nil {
		return "", err
	}
	if err := p.collect(ctx, dir, half); err != nil {
		return "", err
	}
	holds, err := listing(half)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(half, built), []byte(holds), 0o600); err != nil {
		return "", err
	}
	if err := os.Rename(half, final); err != nil {
		return "", err
	}
	say(w, "lab: the %s programs are built, %s\n", p.name, time.Since(start).Round(time.Second))
	return final, nil
}

// whole says whether a folder holds what was built, by name and size.
func whole(dir string) bool {
	want, err := os.ReadFile(filepath.Join(dir, built)) //nolint:gosec // a path of the cache
	if err != nil {
		return false
	}
	got, err := listing(dir)
	return err == nil && got == string(want)
}

// listing has a line for each file below dir, but for the mark.
func listing(dir string) (string, error) {
	var s strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == built {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(&s, "%12d %s\n", info.Size(), strings.TrimPrefix(path, dir))
		return nil
	})
	return s.String(), err
}

// compile builds the programs into bin and counts the packages while it does.
func (p Part) compile(ctx context.Context, w io.Writer, dir, bin string) error {
	if err := os.MkdirAll(bin, 0o755); err != nil { //nolint:gosec // programs are no secret
		return err
	}
	args := append([]string{"build", "-v", "-buildvcs=false", "-o", bin + string(filepath.Separator)}, p.args...)
	cmd := goCommand(ctx, dir, p.env, append(args, p.packages...)...)
	out, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = 5 * time.Second
	if err := spawn(cmd, syscall.SIGINT); err != nil {
		return fmt.Errorf("go build: %w", err)
	}
	var packages, modules atomic.Int64
	done := make(chan struct{})
	go progress(w, p.name, &packages, &modules, done)
	var tail []string
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "go: downloading "):
			modules.Add(1)
		case !strings.ContainsAny(line, " \t:#"):
			packages.Add(1)
		default:
			tail = append(tail, line)
		}
	}
	_, _ = io.Copy(io.Discard, out) // after a line that is too long
	err = cmd.Wait()
	close(done)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("go build: %w\n%s", err, strings.Join(tail[max(0, len(tail)-20):], "\n"))
	}
	for program, names := range p.links {
		for _, name := range names {
			if err := os.Symlink(program, filepath.Join(bin, name)); err != nil {
				return err
			}
		}
	}
	return nil
}

func progress(w io.Writer, name string, packages, modules *atomic.Int64, done <-chan struct{}) {
	start, tick := time.Now(), time.NewTicker(15*time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			say(w, "lab: %s: %s, %d modules downloaded, %d packages compiled\n",
				name, time.Since(start).Round(time.Second), modules.Load(), packages.Load())
		}
	}
}

// collect copies what the programs need at run time from their modules.
func (p Part) collect(ctx context.Context, dir, into string) error {
	for _, c := range p.copies {
		module, pattern, _ := strings.Cut(c[0], ":")
		out, err := goCommand(ctx, dir, p.env, "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			return fmt.Errorf("go list -m %s: %w", module, withStderr(err))
		}
		root := strings.TrimSpace(string(out))
		found, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(found) == 0 {
			return fmt.Errorf("module %s has no %s", module, pattern)
		}
		for _, path := range found {
			if err := copyInto(path, filepath.Join(into, filepath.FromSlash(c[1]))); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyInto copies a file into a folder, or what a folder holds.
func copyInto(path, folder string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(folder, os.DirFS(path))
	}
	if err := os.MkdirAll(folder, 0o755); err != nil { //nolint:gosec // manifests are no secret
		return err
	}
	data, err := os.ReadFile(path) //nolint:gosec // a file of a module
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, filepath.Base(path)), data, 0o600) //nolint:gosec // into a folder of the cache
}

func goCommand(ctx context.Context, dir string, env []string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // the arguments are this file's
	cmd.Dir = dir
	// The flags of the caller, like -race or a work file, are not meant for these modules.
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GOFLAGS=") || strings.HasPrefix(v, "GOWORK=")
	}), append([]string{"GOFLAGS=", "GOWORK=off"}, env...)...)
	return cmd
}

// withStderr adds what a program said to the error of its end.
func withStderr(err error) error {
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return fmt.Errorf("%w: %s", err, bytes.TrimSpace(exit.Stderr))
	}
	return err
}

// lock takes the lock of a file and returns what releases it; waiting is called when
// another process holds it. The end of the process releases it too.
func lock(ctx context.Context, path string, waiting func()) (func(), error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // a path of the cache
	if err != nil {
		return nil, err
	}
	for told := false; ; {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		if !told {
			waiting()
			told = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), f.Close())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
