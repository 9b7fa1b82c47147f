package sandbox

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

const (
	// marker is the environment variable that makes a process a worker. Its value
	// is the limit of memory and that of output, in bytes.
	marker = "BULKHEAD_SANDBOX_WORKER"

	exitMemory = 86 // the watchdog ended the worker
	exitUsage  = 87 // the worker could not begin

	watchEvery   = 5 * time.Millisecond
	maxErrorText = 64 << 10
	maxStack     = 64 << 20 // bytes of one goroutine's stack
)

// workerEnv is the whole environment of a worker. Two threads run Go code: the
// job's, and one for the collector and the watchdog.
func workerEnv(o Options) []string {
	return []string{
		fmt.Sprintf("%s=%d,%d", marker, o.Memory, o.Output),
		"GOMAXPROCS=2",
		"GOGC=400", // a job lives for milliseconds; the limit of memory holds all the same
		"GOTRACEBACK=single",
	}
}

// work answers requests from standard input until it ends. The result is the
// exit code.
func work(jobs map[string]Job, spec string) int {
	memory, output, err := parseSpec(spec)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	_ = os.Unsetenv(marker)
	out, err := takeStdout()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitUsage
	}
	debug.SetMemoryLimit(memory / 4 * 3) // the collector works harder before the watchdog bites
	debug.SetMaxStack(maxStack)
	restrict(memory)
	if err := writeFrame(out, frame{kind: kindHello, payload: []byte(protocol)}); err != nil {
		return exitUsage
	}
	requests := make(chan frame)
	go func() {
		in := bufio.NewReader(os.Stdin)
		for {
			f, err := readFrame(in, maxFrame)
			if err != nil {
				os.Exit(0) // the pool is gone, whatever the job does
			}
			requests <- f
		}
	}()
	for f := range requests {
		if err := writeFrame(out, frame{kind: kindTaken}); err != nil {
			return 0
		}
		stop := watchdog(memory)
		answer := perform(jobs, f, output)
		stop()
		if err := writeFrame(out, answer); err != nil {
			return 0
		}
		if f.kind != kindNeed && tooFull(memory) {
			return 0 // the pool finds a new worker for its next job
		}
	}
	return 0
}

func parseSpec(spec string) (memory, output int64, err error) {
	a, b, _ := strings.Cut(spec, ",")
	if memory, err = strconv.ParseInt(a, 10, 64); err == nil {
		output, err = strconv.ParseInt(b, 10, 64)
	}
	if err != nil || memory <= 0 || output <= 0 {
		return 0, 0, fmt.Errorf("%s is for internal use", marker)
	}
	return memory, output, nil
}

// perform runs the job. A panic is not held up: it ends the worker, as nobody
// knows what state it is in.
func perform(jobs map[string]Job, f frame, output int64) frame {
	job := jobs[f.name]
	if job == nil {
		return frame{kind: kindNoJob}
	}
	result, err := job(context.Background(), f.payload)
	switch {
	case err != nil:
		text := err.Error()
		return frame{kind: kindError, payload: []byte(text[:min(len(text), maxErrorText)])}
	case int64(len(result)) > output:
		return frame{kind: kindTooLong}
	}
	return frame{kind: kindResult, payload: result}
}

// watchdog ends the process when it has more than limit bytes of memory. The
// function that it returns looks a last time, as one large allocation can hold up
// the whole process, and ends the watch.
func watchdog(limit int64) (stop func()) {
	done := make(chan struct{})
	look := func(m meter) {
		if m.read() > limit {
			os.Exit(exitMemory)
		}
	}
	go func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		m := newMeter()
		for {
			select {
			case <-tick.C:
				look(m)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		look(newMeter())
	}
}

// tooFull reports whether what jobs left behind takes half of the memory, after
// collecting garbage if there may be some.
func tooFull(memory int64) bool {
	m := newMeter()
	if m.read() > memory/4 {
		debug.FreeOSMemory()
	}
	return m.read() > memory/2
}

// meter reads how many bytes of memory the Go runtime has from the system.
type meter []metrics.Sample

func newMeter() meter {
	return meter{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
}

func (m meter) read() int64 {
	metrics.Read(m)
	return int64(m[0].Value.Uint64()) - int64(m[1].Value.Uint64()) //nolint:gosec // below 2^63
}
