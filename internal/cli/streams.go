package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	tty "golang.org/x/term"

	"github.com/bulkhead-dev/bulkhead/report/term"
)

// streams is where a command writes.
type streams struct {
	out      *bufio.Writer // data
	err      io.Writer     // the rest
	colour   term.Colour   // of out
	progress bool          // err is a terminal that can erase a line
	doing    string        // what the progress is of; between renders only
}

func newStreams(stdout, stderr io.Writer) *streams {
	plain := os.Getenv("NO_COLOR") != "" || os.Getenv("TERM") == "dumb"
	return &streams{
		out: bufio.NewWriterSize(stdout, 1<<16), err: stderr,
		colour: term.Colour(!plain && terminal(stdout)), progress: !plain && terminal(stderr),
	}
}

func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && tty.IsTerminal(int(f.Fd()))
}

// printf writes data. What does not come from us must have gone through [safe].
// Errors of writing show when [Main] flushes.
func (s *streams) printf(format string, args ...any) { _, _ = fmt.Fprintf(s.out, format, args...) }

// note writes a remark to standard error.
func (s *streams) note(format string, args ...any) {
	_, _ = fmt.Fprintf(s.err, "bulkhead: note: %s\n", term.Safe(fmt.Sprintf(format, args...)))
}

// json writes v as an indented document.
func (s *streams) json(v any) error { return writeJSON(s.out, v) }

// look is text in a look, where colour is wanted.
func (s *streams) look(code term.Code, text string) string { return s.colour.Look(code, text) }

// watch returns what shows how far a render is, and what erases it. Both are
// nil and empty unless standard error is a terminal.
func (s *streams) watch() (progress func(done, found int), erase func()) {
	if !s.progress {
		return nil, func() {}
	}
	var mu sync.Mutex
	var last time.Time
	shown := false
	progress = func(done, found int) {
		mu.Lock()
		defer mu.Unlock()
		if now := time.Now(); now.Sub(last) >= 100*time.Millisecond {
			last, shown = now, true
			_, _ = fmt.Fprintf(s.err, "\r%srendering %d/%d appliers\x1b[K", s.doing, done, found)
		}
	}
	return progress, func() {
		mu.Lock()
		defer mu.Unlock()
		if shown {
			_, _ = io.WriteString(s.err, "\r\x1b[K")
		}
		shown = false
	}
}
