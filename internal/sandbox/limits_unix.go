//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package sandbox

import (
	"os"
	"syscall"
)

// limitFiles: no core dump, no file written, few files open.
func limitFiles() {
	limit(syscall.RLIMIT_CORE, 0)
	limit(syscall.RLIMIT_FSIZE, 0)
	limit(syscall.RLIMIT_NOFILE, 64)
}

func limit(resource int, value uint64) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(resource, &l); err != nil {
		return
	}
	setLimit(&l, value)
	_ = syscall.Setrlimit(resource, &l)
}

// killGroup kills a worker, and whatever it may have started.
func killGroup(p *os.Process) {
	_ = syscall.Kill(-p.Pid, syscall.SIGKILL)
	_ = p.Kill()
}
