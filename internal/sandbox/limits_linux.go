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
func dataNow() int64 {
	if n := status("self", "VmData:"); n > 0 {
		return n
	}
	return hardSlack
}

// peakOf is how much memory a process that runs has had at most, in bytes; 0 if it has
// ended. What the system tells of one that has ended counts its parent's memory, too.
func peakOf(pid int) int64 { return status(strconv.Itoa(pid), "VmHWM:") }

// status is a line of what the system tells of a process, in bytes; 0 without one.
//
// Source: proc(5), /proc/PID/status.
func status(process, field string) int64 {
	text, err := os.ReadFile("/proc/" + process + "/status") //nolint:gosec // a process of ours
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte(field))
	fields := bytes.Fields(rest[:min(len(rest), 64)])
	if len(fields) == 0 {
		return 0
	}
	kilobytes, err := strconv.ParseInt(string(fields[0]), 10, 64)
	if err != nil {
		return 0
	}
	return kilobytes << 10
}
