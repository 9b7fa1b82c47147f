//go:build linux

package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a program of the lab that runs.
type Process struct {
	Name string // cluster and program, like "a/kustomize-controller"
	Log  string // file of its standard output and error

	cmd   *exec.Cmd
	ended chan struct{} // closed when it has ended
	err   error         // how; read it after ended
	mu    sync.Mutex
	meant bool // its end is our doing
}

func (p *Process) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// Pid is the process id.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Of the log of a process that dies this much is shown.
const (
	tailLines = 25
	tailBytes = 32 << 10
)

// Tail is the end of the log: whole lines, and no more than 32 KiB.
func (p *Process) Tail(lines int) string {
	f, err := os.Open(p.Log)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return err.Error()
	}
	from := max(0, info.Size()-tailBytes)
	data, err := io.ReadAll(io.NewSectionReader(f, from, tailBytes))
	if err != nil {
		return err.Error()
	}
	if _, whole, ok := bytes.Cut(data, []byte("\n")); ok && from > 0 {
		data = whole
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// starts is where programs are started: one thread that lives as long as the process.
// The kernel sends a child its parent's death signal when the thread that started it
// ends, and a thread of Go may end at any time.
var starts = sync.OnceValue(func() chan<- func() { //nolint:gochecknoglobals // it belongs to the process
	work := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range work {
			f()
		}
	}()
	return work
})

// spawn starts a program in a process group of its own. The kernel sends it the signal
// when this process dies, whatever the cause.
func spawn(cmd *exec.Cmd, s syscall.Signal) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: s}
	begun := make(chan error)
	starts() <- func() { begun <- cmd.Start() }
	return <-begun
}

// start runs a program that dies with this process. Its end, unless we ask for it, fails
// the lab.
func (l *Lab) start(name string, env []string, program string, args ...string) (*Process, error) {
	p := &Process{Name: name, Log: l.logFile(name), ended: make(chan struct{})}
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	p.cmd = exec.Command(program, args...) //nolint:gosec,noctx // a program of the lab; its end is stop's work
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.Dir, p.cmd.Env = l.Dir, l.env(env...)
	err = spawn(p.cmd, syscall.SIGKILL)
	_ = log.Close()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w; remove %s to have it built again", name, err, filepath.Dir(filepath.Dir(program)))
	}
	go l.watch(p)
	l.mu.Lock()
	closed := l.closed
	l.processes = append(l.processes, p)
	l.mu.Unlock()
	if closed {
		p.stop()
		return nil, fmt.Errorf("start %s: the lab is closed", name)
	}
	return p, nil
}

// env is the environment of a program: nothing of the caller's decides what it does.
// They live for minutes at most, so they spend memory to save a quarter of their time: that
// of collecting garbage.
func (l *Lab) env(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.Dir, "TMPDIR=" + l.Dir, "GOGC=300"}, more...)
}

func (l *Lab) logFile(name string) string {
	return filepath.Join(l.Dir, "log", strings.ReplaceAll(name, "/", "-")+".log")
}

// watch waits for the end of a process.
func (l *Lab) watch(p *Process) {
	// What has ended keeps its id, and that of its group, until we ask how it ended.
	for errors.Is(unix.Waitid(unix.P_PID, p.Pid(), nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
		continue
	}
	p.mu.Lock()
	p.killGroup()
	p.err = p.cmd.Wait()
	close(p.ended)
	meant := p.meant
	p.mu.Unlock()
	if !meant {
		l.fail(fmt.Errorf("%s ended: %w; the end of its log, %s:\n%s", p.Name, cmpErr(p.err), p.Log, p.Tail(tailLines)))
	}
}

func cmpErr(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// stop ends a process and waits for it. Servers of Kubernetes wait for open watches when
// they are asked politely, and nothing of a lab is worth keeping: it is killed.
func (p *Process) stop() {
	p.mu.Lock()
	p.meant = true
	if !p.over() {
		p.killGroup()
	}
	p.mu.Unlock()
	<-p.ended
}

// killGroup kills a process with its children, such as Git of the forge.
func (p *Process) killGroup() { _ = syscall.Kill(-p.Pid(), syscall.SIGKILL) }

// fail records the first thing that went wrong; every wait ends with it.
func (l *Lab) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
		close(l.failed)
	}
}

// Err is what went wrong with the lab itself: a process that died.
func (l *Lab) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Wait asks until it gets yes, the lab fails, or ctx ends. The error then says what was
// waited for and what ready said last.
func (l *Lab) Wait(ctx context.Context, what string, ready func(context.Context) (bool, error)) error {
	var last error
	for pause := 20 * time.Millisecond; ; pause = min(pause*3/2, 250*time.Millisecond) {
		ok, err := ready(ctx)
		if ok && err == nil {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-l.failed:
			return fmt.Errorf("wait for %s: %w", what, l.Err())
		case <-ctx.Done():
			if last == nil {
				return fmt.Errorf("wait for %s: %w", what, ctx.Err())
			}
			return fmt.Errorf("wait for %s: %w; last: %w", what, ctx.Err(), last)
		case <-time.After(pause):
		}
	}
}

// waitHTTP waits until a server says that it is ready, for no longer than a lab may take
// to start.
func (l *Lab) waitHTTP(ctx context.Context, p *Process, url string) error {
	ctx, cancel := context.WithTimeout(ctx, l.opts.startup)
	defer cancel()
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{TLSClientConfig: l.pki.client()}}
	defer client.CloseIdleConnections()
	err := l.Wait(ctx, p.Name, func(ctx context.Context) (bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, err
		}
		res, err := client.Do(req)
		if err != nil {
			return false, err
		}
		body, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return false, fmt.Errorf("%s: %s", res.Status, bytes.TrimSpace(body))
		}
		return true, nil
	})
	if err != nil && l.Err() == nil {
		return fmt.Errorf("%w; the end of its log, %s:\n%s", err, p.Log, p.Tail(tailLines))
	}
	return err
}
