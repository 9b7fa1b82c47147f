package sandbox

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
)

const (
	// self is what runs, also after its file was replaced or removed.
	self = "/proc/self/exe"

	// hardSlack is how far above the watchdog's limit the kernel's own lies.
	hardSlack = 64 << 20
)

// attributes makes a worker a process group of its own, which ends with us.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// takeStdout moves standard output away from where jobs can write to it: what
// they write goes to standard error.
func takeStdout() (*os.File, error) {
	fd, err := syscall.Dup(syscall.Stdout)
	if err != nil {
		return nil, os.NewSyscallError("dup", err)
	}
	syscall.CloseOnExec(fd)
	if err := syscall.Dup3(syscall.Stderr, syscall.Stdout, 0); err != nil {
		return nil, os.NewSyscallError("dup3", err)
	}
	return os.NewFile(uintptr(fd), "answers"), nil
}

// restrict takes from the process what no job needs. A kernel that refuses a part
// of it leaves the other parts, and the watchdog, in place.
func restrict(memory int64) {
	limitFiles()
	if !raceDetector { // it maps terabytes
		limit(syscall.RLIMIT_DATA, uint64(dataNow()+memory+memory/4+hardSlack)) //nolint:gosec // positive
	}
	filterCalls()
}

// dataNow is what counts for RLIMIT_DATA at present, in bytes.
//
// Source: proc(5), VmData.
func dataNow() int64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return hardSlack
	}
	_, rest, _ := bytes.Cut(status, []byte("VmData:"))
	fields := bytes.Fields(rest[:min(len(rest), 64)])
	if len(fields) == 0 {
		return hardSlack
	}
	kilobytes, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return hardSlack
	}
	return kilobytes << 10
}
