package sandbox

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"time"
)

// cause is why the pool killed a worker.
type cause int32

const (
	notKilled cause = iota
	byPool          // it is of no use any more
	byTime
	byContext
	byClose
)

// process is a worker as the pool sees it. One goroutine uses it at a time; kill
// is for all.
type process struct {
	cmd     *exec.Cmd
	in      *os.File      // the worker's standard input
	out     *os.File      // its standard output
	answers *bufio.Reader // reads out
	errors  *tail         // its standard error
	done    chan struct{} // closed when it has ended
	killed  atomic.Int32  // a cause, the first one
	peak    atomic.Int64  // bytes of memory that it had at most, when it was killed

	known map[string]bool // keys of what it has been told
	told  int             // bytes of that
}

// launch starts a worker. It has not said hello yet.
func launch(o Options) (*process, error) {
	path, err := executable(o.Executable)
	if err != nil {
		return nil, fmt.Errorf("find executable: %w", err)
	}
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start worker: %w", err)
	}
	defer childIn.Close() //nolint:errcheck // our copy of the child's end
	out, childOut, err := os.Pipe()
	if err != nil {
		_ = in.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	defer childOut.Close() //nolint:errcheck // our copy of the child's end
	w := &process{in: in, out: out, answers: bufio.NewReader(out), errors: &tail{}, done: make(chan struct{}), known: map[string]bool{}}
	w.cmd = exec.Command(path) //nolint:gosec,noctx // our own executable; it outlives the job that asked for it
	w.cmd.Args = []string{"sandbox-worker"}
	w.cmd.Env = workerEnv(o)
	w.cmd.Dir = string(filepath.Separator)
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = childIn, childOut, w.errors
	w.cmd.SysProcAttr = attributes()
	w.cmd.WaitDelay = time.Second // if something holds on to its standard error
	if err := w.cmd.Start(); err != nil {
		_, _ = in.Close(), out.Close()
		return nil, fmt.Errorf("start worker: %w", err)
	}
	go func() {
		defer close(w.done)
		_ = w.cmd.Wait() // its state says more
		_ = w.in.Close() // a write that waits for a dead reader ends
	}()
	return w, nil
}

// executable is what to start: by default what runs at the moment, even if its
// file has been replaced since.
func executable(path string) (string, error) {
	if path != "" {
		return filepath.Abs(path)
	}
	if _, err := os.Stat(self); self != "" && err == nil {
		return self, nil
	}
	return os.Executable()
}

// hello waits for the worker's first frame.
func (w *process) hello(ctx context.Context) error {
	defer w.watch(ctx, startTime)()
	f, err := readFrame(w.answers, int64(len(protocol)))
	if err != nil && !errors.Is(err, errFrameLength) {
		if err := w.ended(ctx); cause(w.killed.Load()) != byTime {
			return err
		}
		return errors.New("no answer in time")
	}
	if f.kind != kindHello || string(f.payload) != protocol {
		return errors.New("the executable is not one: its main does not call sandbox.Main")
	}
	return nil
}

// do gives the worker a request. It reports whether the worker took the job; if
// it did not, nothing of the job has happened. After an error the worker is of no
// more use.
func (w *process) do(ctx context.Context, request frame, o Options) (answer frame, taken bool, err error) {
	defer w.watch(ctx, o.Time)()
	if err := writeFrame(w.in, request); err != nil {
		return frame{}, false, w.ended(ctx)
	}
	f, err := readFrame(w.answers, 0)
	if err != nil || f.kind != kindTaken {
		return frame{}, false, w.ended(ctx)
	}
	answer, err = readFrame(w.answers, max(o.Output, maxErrorText))
	switch {
	case errors.Is(err, errFrameLength):
		return frame{}, true, &LimitError{What: "output"}
	case err != nil:
		return frame{}, true, w.ended(ctx)
	}
	return answer, true, nil
}

// tell runs the needs that the worker does not know yet. After an error it is of no
// more use.
func (w *process) tell(ctx context.Context, needs []Need, o Options) error {
	for _, n := range needs {
		if w.known[n.Key] {
			continue
		}
		in, err := n.Input()
		if err != nil {
			return err
		}
		if len(in) > maxFrame {
			return fmt.Errorf("run %s: %w", n.Job, errFrameLength)
		}
		answer, _, err := w.do(ctx, frame{kind: kindNeed, name: n.Job, payload: in}, o)
		if err != nil {
			return err
		}
		if _, err := result(answer, n.Job); err != nil {
			return err
		}
		w.known[n.Key] = true
		w.told += len(in)
	}
	return nil
}

// watch kills the worker when the time is over or ctx has ended. The function
// that it returns ends the watch.
func (w *process) watch(ctx context.Context, limit time.Duration) (stop func()) {
	timer := time.AfterFunc(limit, func() { w.kill(byTime) })
	forget := context.AfterFunc(ctx, func() { w.kill(byContext) })
	return func() {
		if !timer.Stop() || !forget() {
			w.kill(byPool) // the other one may come too late to be seen
		}
	}
}

func (w *process) kill(why cause) {
	if w.killed.CompareAndSwap(int32(notKilled), int32(why)) {
		w.peak.Store(peakOf(w.cmd.Process.Pid))
	}
	select {
	case <-w.done:
	default:
		killGroup(w.cmd.Process)
	}
}

func (w *process) alive() bool {
	select {
	case <-w.done:
		return false
	default:
		return cause(w.killed.Load()) == notKilled
	}
}

// ended says why a worker that does not answer ended. If it has not, it is killed.
func (w *process) ended(ctx context.Context) error {
	select {
	case <-w.done:
	case <-time.After(time.Second): // it closed its output, or talks nonsense
		w.kill(byPool)
		<-w.done
	}
	switch cause(w.killed.Load()) {
	case byTime:
		return &LimitError{What: "time"}
	case byContext:
		return ctx.Err()
	case byClose:
		return ErrClosed
	case notKilled, byPool:
	}
	state := w.cmd.ProcessState
	text := w.errors.String()
	if state.ExitCode() == exitMemory || noMemory(text) {
		return &LimitError{What: "memory"}
	}
	return &CrashError{Status: state.String(), Tail: text}
}

// bury kills the worker and waits for its end.
func (w *process) bury(why cause) {
	w.kill(why)
	<-w.done
	_ = w.out.Close()
}
