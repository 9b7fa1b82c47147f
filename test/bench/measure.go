package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

// spec is work to measure: commands, run one after the other in Dir, each with
// Env added to what is left of ours.
type spec struct {
	Dir      string
	Env      []string
	Commands [][]string
}

// usage is what the work took.
type usage struct {
	// Wall and CPU are seconds; CPU is user and system time of the commands and all
	// their descendants.
	Wall, CPU float64
	// Peak is the resident memory of the largest process in bytes, exact. Children is
	// the most that all descendants of a command held together: sampled, 0 where
	// there is no /proc.
	Peak, Children int64
	// Code is the exit code of the last command; one that is not 0 ends the work.
	Code int
	// Head is the start of standard output, Tail its end, Stderr the end of standard
	// error: some KiB of each.
	Head, Tail, Stderr string
}

// measureArg makes this program a [measurer].
const measureArg = "-measure"

// measure runs the work in a process of its own: ours, as a [measurer]. So the CPU
// time of its children is that of the work alone, and no memory of ours counts: a
// child's peak begins with what its parent held when it was started.
func measure(ctx context.Context, s spec) (usage, error) {
	in, err := json.Marshal(s)
	if err != nil {
		return usage{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return usage{}, err
	}
	cmd := exec.CommandContext(ctx, self, measureArg) //nolint:gosec // ourselves
	cmd.Stdin, cmd.Stderr = bytes.NewReader(in), os.Stderr
	cmd.Env = clean(os.Environ())
	out, err := cmd.Output()
	if err != nil {
		return usage{}, fmt.Errorf("measure %s: %w", strings.Join(s.Commands[0], " "), err)
	}
	var u usage
	return u, json.Unmarshal(out, &u)
}

// clean is the environment without what would tune the measured programs: make
// gives tests a larger heap.
func clean(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(e string) bool {
		for _, name := range []string{"GOGC=", "GOMEMLIMIT=", "GOMAXPROCS=", "GODEBUG=", "BULKHEAD_"} {
			if strings.HasPrefix(e, name) {
				return true
			}
		}
		return false
	})
}

// measurer reads a [spec], does the work and writes its [usage].
func measurer(in io.Reader, out io.Writer) error {
	var s spec
	if err := json.NewDecoder(in).Decode(&s); err != nil {
		return err
	}
	runtime.LockOSThread() // a child dies with the thread that started it
	if err := adopt(); err != nil {
		return fmt.Errorf("adopt orphans: %w", err)
	}
	var u usage
	for _, argv := range s.Commands {
		if err := u.run(s, argv); err != nil {
			return fmt.Errorf("run %s: %w", argv[0], err)
		}
		if u.Code != 0 {
			break
		}
	}
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &r); err != nil {
		return err
	}
	u.CPU = time.Duration(r.Utime.Nano() + r.Stime.Nano()).Seconds()
	u.Peak = r.Maxrss
	if runtime.GOOS != "darwin" {
		u.Peak *= 1024 // there it is bytes, elsewhere KiB
	}
	return json.NewEncoder(out).Encode(u)
}

// run adds one command to u and waits for everything that it started.
func (u *usage) run(s spec, argv []string) error {
	cmd := exec.Command(argv[0], argv[1:]...) //nolint:gosec,noctx // what we are there for; it ends with its parent
	cmd.Dir, cmd.Env = s.Dir, append(os.Environ(), s.Env...)
	cmd.SysProcAttr = mortal()
	stdout, stderr := &ends{limit: 4096}, &ends{limit: 4096}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := sample(cmd.Process.Pid)
	err := cmd.Wait()
	u.Wall += time.Since(start).Seconds()
	u.Children = max(u.Children, stop())
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	u.Code = cmd.ProcessState.ExitCode()
	u.Head, u.Tail, u.Stderr = string(stdout.head), string(stdout.tail), string(stderr.tail)
	return reap()
}

// ends keeps the first and the last bytes of what is written to it.
type ends struct {
	limit      int
	head, tail []byte
}

func (e *ends) Write(p []byte) (int, error) {
	e.head = append(e.head, p[:min(len(p), e.limit-len(e.head))]...)
	e.tail = append(e.tail, p[max(0, len(p)-e.limit):]...)
	e.tail = e.tail[max(0, len(e.tail)-e.limit):]
	return len(p), nil
}
