//go:build freebsd || dragonfly

package sandbox

import "syscall"

// setLimit lowers l to value, for good.
func setLimit(l *syscall.Rlimit, value uint64) {
	l.Max = min(l.Max, int64(value)) //nolint:gosec // our limits are below 2^63
	l.Cur = min(l.Cur, l.Max)
}
