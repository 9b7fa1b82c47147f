// Package sandbox runs untrusted pure work in worker processes with hard limits.
//
// A worker is the same executable, started again: [Main] turns it into one. A
// [Pool] starts workers when they are needed, gives each one job at a time and
// uses them again. A job that takes too long, too much memory or says too much
// costs its worker, never the process that asked.
//
// A worker has no environment, no open files and a root folder as its own. On
// Linux it also has no network, starts no program and writes no file. None
// outlives its parent.
package sandbox

import (
	"context"
	"os"
	"runtime"
	"time"
)

// Job turns bytes into bytes. It runs in a worker and must need nothing but its
// input. The context ends with the worker. A nil result is given back as nil or
// empty. The text of its error reaches the caller as a [*JobError].
type Job func(ctx context.Context, in []byte) ([]byte, error)

// Main turns the process into a worker if a [Pool] started it, and then never
// returns. Otherwise it does nothing. Call it first in main and in TestMain: what
// runs before it runs in each worker too.
func Main(jobs map[string]Job) {
	if spec, ok := os.LookupEnv(marker); ok {
		os.Exit(work(jobs, spec))
	}
}

// Options are the limits of a [Pool]. The zero value has the defaults.
type Options struct {
	Workers    int           // how many jobs run at a time; 0: as many as there are processors
	Memory     int64         // bytes of memory per worker; 0: 512 MiB
	Time       time.Duration // wall time per job; 0: 30 seconds
	Output     int64         // bytes of one result; 0: 64 MiB, and 1 GiB is the most
	Executable string        // what to start; "": the running executable
}

const (
	// maxFrame bounds inputs and results, whatever the options say.
	maxFrame = 1 << 30
	// startTime is how long a worker may take until it answers.
	startTime = time.Minute
	// attempts is how many workers may die before one takes the job.
	attempts = 3
)

func (o Options) orDefault() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Memory <= 0 {
		o.Memory = 512 << 20
	}
	if o.Time <= 0 {
		o.Time = 30 * time.Second
	}
	if o.Output <= 0 {
		o.Output = 64 << 20
	}
	o.Output = min(o.Output, maxFrame)
	return o
}
