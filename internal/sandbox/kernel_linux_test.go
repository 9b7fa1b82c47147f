package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func rawStdout(p []byte) (int, error) { return syscall.Write(syscall.Stdout, p) }

// parent is a process that keeps its workers busy, one of them not reading, and
// says who they are.
func parent() {
	p := New(Options{Workers: 3})
	p.waited = time.Hour // each job gets a worker of its own
	for range 2 {
		go func() { _, _ = p.Run(context.Background(), "loop", nil) }()
	}
	_, _ = p.Run(context.Background(), "echo", nil)
	for {
		p.mu.Lock()
		var pids []string
		for w := range p.all {
			pids = append(pids, strconv.Itoa(w.cmd.Process.Pid))
		}
		p.mu.Unlock()
		if len(pids) == 3 {
			fmt.Println(strings.Join(pids, " "))
			time.Sleep(time.Hour)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestKilledParent: a parent that is killed takes its workers along.
func TestKilledParent(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), parentMarker+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pids := strings.Fields(line)
	for _, pid := range pids {
		if !running(pid) {
			t.Errorf("worker %s does not run", pid)
		}
	}
	_ = cmd.Process.Signal(syscall.SIGKILL)
	_ = cmd.Wait()
	for _, pid := range pids {
		for deadline := time.Now().Add(time.Minute); running(pid); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("worker %s outlived its parent", pid)
			}
		}
	}
}

// running: a zombie does not.
func running(pid string) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", pid, "stat"))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// forbidden tries what a worker must not do and lists what worked.
func forbidden(dir string) []string {
	var did []string
	try := func(what string, err error) {
		if err == nil {
			did = append(did, what)
		}
	}
	c, err := net.Dial("udp", "127.0.0.1:53")
	try("network", err)
	if err == nil {
		_ = c.Close()
	}
	_, err = net.Listen("tcp", "127.0.0.1:0")
	try("listen", err)
	try("program", exec.Command("/bin/true").Run())
	try("write", os.WriteFile(filepath.Join(dir, "new"), []byte("x"), 0o600))
	f, err := os.OpenFile(filepath.Join(dir, "old"), os.O_WRONLY, 0)
	try("open to write", err)
	_ = f
	try("remove", os.Remove(filepath.Join(dir, "old")))
	try("rename", os.Rename(filepath.Join(dir, "old"), filepath.Join(dir, "other")))
	try("mode", os.Chmod(filepath.Join(dir, "old"), 0o777))
	try("folder", os.Mkdir(filepath.Join(dir, "folder"), 0o700))
	try("link", os.Symlink("/", filepath.Join(dir, "link")))
	try("kill", syscall.Kill(os.Getppid(), 0))
	for range 100 { // threads are allowed
		done := make(chan bool)
		go func() { _, _ = os.ReadFile("/proc/self/status"); close(done) }()
		<-done
	}
	return did
}

func TestForbidden(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("no filter on this processor")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if did := forbidden(dir); len(did) < 8 {
		t.Fatalf("outside of a worker only %v works: the test proves nothing", did)
	}
	if err := os.WriteFile(filepath.Join(dir, "old"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	p := pool(t, Options{Workers: 1})
	out, err := p.Run(t.Context(), "forbidden", []byte(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != 0 {
		t.Errorf("a worker may: %s", out)
	}
}

// TestZone: templates convert times, and the zones are files.
func TestZone(t *testing.T) {
	if _, err := time.LoadLocation("Europe/Rome"); err != nil {
		t.Skip(err)
	}
	p := pool(t, Options{Workers: 1})
	if _, err := p.Run(t.Context(), "zone", []byte("Europe/Rome")); err != nil {
		t.Error(err)
	}
}

// TestKernel: what the kernel was asked for, it does.
func TestKernel(t *testing.T) {
	p := pool(t, Options{Workers: 1})
	status, err := p.Run(t.Context(), "read", []byte("/proc/self/status"))
	if err != nil {
		t.Fatal(err)
	}
	limits, err := p.Run(t.Context(), "read", []byte("/proc/self/limits"))
	if err != nil {
		t.Fatal(err)
	}
	has := func(text []byte, line string) {
		t.Helper()
		if !regexp.MustCompile("(?m)^" + line + `\b`).Match(text) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	has(status, `NoNewPrivs:\s+1`)
	has(status, `Seccomp:\s+2`)
	has(limits, `Max core file size\s+0\s+0`)
	has(limits, `Max file size\s+0\s+0`)
	has(limits, `Max open files\s+64\s+64`)
	if !raceDetector {
		has(limits, `Max data size\s+\d+\s+\d+`)
	}
}
