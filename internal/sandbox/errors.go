package sandbox

import (
	"errors"
	"fmt"
)

// ErrClosed says that the pool was closed before the job ended.
var ErrClosed = errors.New("the pool of workers is closed")

// LimitError says that a job overran a limit of the pool's [Options].
type LimitError struct {
	What string // "time", "memory" or "output"
}

func (e *LimitError) Error() string { return "the job overran its limit of " + e.What }

// JobError is an error that the job itself returned. Of its text the first
// 64 KiB are kept.
type JobError struct {
	Text string
}

func (e *JobError) Error() string { return e.Text }

// CrashError says that a worker ended without an answer: a panic, a stack
// overflow, an exit. Its text has nothing of what the job printed.
type CrashError struct {
	Status string // how the process ended, for example "exit status 2"
	Tail   string // beginning and end of the worker's standard error, 8 KiB at most; it may hold parts of the input
}

func (e *CrashError) Error() string {
	if why := fatal(e.Tail); why != "" {
		return fmt.Sprintf("the worker crashed: %s: %s", e.Status, why)
	}
	return fmt.Sprintf("the worker crashed: %s", e.Status)
}
