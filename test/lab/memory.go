//go:build linux

package lab

import (
	"strconv"
	"strings"
)

// pss reads the proportional set size, in bytes, from a smaps_rollup file of proc(5).
func pss(text string) uint64 {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			f := strings.Fields(rest)
			if len(f) == 0 {
				return 0
			}
			kib, _ := strconv.ParseUint(f[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
