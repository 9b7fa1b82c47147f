//go:build linux

package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// noCluster starts the servers that all clusters share, and no cluster.
func noCluster(o *Options) { o.empty = true }

// helper makes this program, in another process, do what its value names.
const helper = "BULKHEAD_LAB_HELPER"

// TestHelper is what the other processes of these tests run.
func TestHelper(t *testing.T) {
	does, opts := os.Getenv(helper), []Option{noCluster}
	switch does {
	case "":
		t.Skip("other tests run it")
	case "cluster":
		opts = nil
	}
	l := Start(t, opts...)
	p := peer{Dir: l.Dir}
	for _, process := range l.Processes() {
		p.Pids = append(p.Pids, process.Pid())
	}
	if err := json.NewEncoder(os.Stdout).Encode(p); err != nil {
		t.Fatal(err)
	}
	switch does {
	case "fail":
		t.Fatal("as told")
	case "panic":
		panic("as told")
	case "end":
	default:
		select {}
	}
}

// peer is a lab of another process.
type peer struct {
	Dir  string
	Pids []int

	cmd  *exec.Cmd
	said chan string // all of it, when the process has ended
}

// startPeer starts a lab in another process.
func startPeer(t *testing.T, does string, args ...string) *peer {
	t.Helper()
	p := &peer{cmd: exec.Command(os.Args[0], append([]string{"-test.run=^TestHelper$", "-test.v"}, args...)...), said: make(chan string, 1)}
	p.cmd.Env = append(os.Environ(), helper+"="+does)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = w, w
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	_ = w.Close()
	var said strings.Builder
	lines := bufio.NewReader(r)
	for p.Dir == "" {
		line, err := lines.ReadString('\n')
		said.WriteString(line)
		_ = json.Unmarshal([]byte(line), p)
		if err != nil {
			t.Fatalf("start a lab in another process: %v\n%s", p.cmd.Wait(), &said)
		}
	}
	go func() {
		_, _ = io.Copy(&said, lines)
		_ = p.cmd.Wait()
		p.said <- said.String()
	}()
	return p
}

// gone waits until no process of the lab is left.
func (p *peer) gone(t *testing.T) {
	t.Helper()
	if len(p.Pids) == 0 {
		t.Fatal("the other lab had no processes")
	}
	for _, pid := range p.Pids {
		for deadline := time.Now().Add(time.Minute); alive(pid); time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("process %d is still there", pid)
			}
		}
	}
}

// alive says whether a process is there that is more than an exit code nobody asked for.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}

// removed wants the folder of the lab to be gone.
func (p *peer) removed(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(p.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left (%v)", p.Dir, err)
	}
}

// TestEnds holds that a lab leaves nothing behind, however its test ends.
func TestEnds(t *testing.T) {
	t.Parallel()
	for does, want := range map[string]string{
		"end":   "PASS: TestHelper",
		"fail":  "--- etcd, the end of its log:", // what is logged of a test that fails
		"panic": "panic: as told",
	} {
		t.Run(does, func(t *testing.T) {
			p := startPeer(t, does)
			if said := <-p.said; !strings.Contains(said, want) {
				t.Errorf("want %q in what the test says:\n%s", want, said)
			}
			p.gone(t)
			p.removed(t)
		})
	}
	t.Run("timeout", func(t *testing.T) {
		p := startPeer(t, "hold", "-test.timeout=8s")
		if said := <-p.said; !strings.Contains(said, "test timed out") {
			t.Error(said)
		}
		p.gone(t)
		p.swept(t)
	})
}

// swept wants the next lab to remove the folder of this one, which is dead.
func (p *peer) swept(t *testing.T) {
	t.Helper()
	_, _, release, err := claim("")
	if err != nil {
		t.Fatal(err)
	}
	release()
	p.removed(t)
}
