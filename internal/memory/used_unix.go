//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package memory

import (
	"bytes"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"
)

// Used is what this process has taken so far, its children left out.
func Used() Usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return Usage{}
	}
	u := Usage{CPU: time.Duration(syscall.TimevalToNsec(r.Utime) + syscall.TimevalToNsec(r.Stime)), Peak: int64(r.Maxrss)} //nolint:unconvert // 32 bits on some systems
	if runtime.GOOS != "darwin" {
		u.Peak <<= 10
	}
	if peak := highest(); peak > 0 {
		u.Peak = peak
	}
	return u
}

// highest is the peak by Linux' other count: the first one starts with the memory of whoever started the process.
//
// Source: proc(5), VmHWM.
func highest() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
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
