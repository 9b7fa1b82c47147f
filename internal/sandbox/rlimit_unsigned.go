//go:build linux || darwin || netbsd || openbsd

package sandbox

import "syscall"

// setLimit lowers l to value, for good.
func setLimit(l *syscall.Rlimit, value uint64) {
	l.Max = min(l.Max, value)
	l.Cur = min(l.Cur, l.Max)
}
