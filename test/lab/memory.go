//go:build linux

package lab

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Memory is what the processes of the lab that run take, in bytes: proportional set size, which
// counts a shared page once.
func (l *Lab) Memory() (total uint64, err error) {
	for _, p := range l.Processes() {
		if p.over() {
			continue
		}
		data, readErr := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.Pid()))
		if readErr != nil {
			err = errors.Join(err, readErr)
			continue
		}
		total += pss(string(data))
	}
	return total, err
}

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
