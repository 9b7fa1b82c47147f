package sandbox

import (
	"bytes"
	"strings"
	"sync"
)

const tailLength = 4 << 10

// tail keeps the beginning and the end of what is written to it: a Go program
// that crashes says why first.
type tail struct {
	mu    sync.Mutex
	begin []byte
	end   []byte
	cut   bool
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := len(p)
	k := min(n, tailLength-len(t.begin))
	t.begin, p = append(t.begin, p[:k]...), p[k:]
	t.end = append(t.end, p...)
	if over := len(t.end) - tailLength; over > 0 {
		t.end = append(t.end[:0], t.end[over:]...)
		t.cut = true
	}
	return n, nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cut {
		return string(bytes.Join([][]byte{t.begin, t.end}, []byte("\n...\n")))
	}
	return string(t.begin) + string(t.end)
}

// fatal is what the Go runtime gave as reason for a crash, without anything that
// the program had a say in.
func fatal(text string) string {
	const sign = "fatal error: "
	for line := range strings.Lines(text) {
		switch { // the runtime indents what a panic adds in further lines
		case strings.HasPrefix(line, "panic:"):
			return "panic"
		case strings.HasPrefix(line, sign):
			return reason(line[len(sign):])
		}
	}
	return ""
}

// reason is the known cause that text names, so that nothing else of it is told.
func reason(text string) string {
	for _, known := range []string{
		"stack overflow", "out of memory", "cannot allocate memory", "all goroutines are asleep - deadlock!",
		"concurrent map", "unexpected signal", "checkptr", "sync: ",
	} {
		if strings.Contains(text, known) {
			return strings.Trim(known, "! :")
		}
	}
	return "fatal error"
}

func noMemory(text string) bool {
	why := fatal(text)
	return why == "out of memory" || why == "cannot allocate memory"
}
