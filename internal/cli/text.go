package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// escaper writes JSON on which the controls that JSON allows in strings are
// escaped too: DEL and U+0080 to U+009F.
type escaper struct {
	w    io.Writer
	half bool // the last byte was 0xC2, which begins a control or a letter
}

// Write implements [io.Writer].
func (e *escaper) Write(p []byte) (int, error) {
	out := make([]byte, 0, len(p))
	for _, c := range p {
		if e.half {
			e.half = false
			if c <= 0x9f {
				out = fmt.Appendf(out, `\u%04x`, c)
				continue
			}
			out = append(out, 0xc2)
		}
		switch c {
		case 0xc2:
			e.half = true
		case 0x7f:
			out = append(out, `\u007f`...)
		default:
			out = append(out, c)
		}
	}
	if _, err := e.w.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}

// near is a hint with the known name nearest to word, or with all of them.
func near(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	best := slices.MinFunc(known, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(word, a), distance(word, b)), cmp.Compare(a, b))
	})
	if distance(word, best) <= 1+len(best)/3 {
		return "did you mean " + term.Quote(best) + "?"
	}
	slices.Sort(known)
	return "known here: " + term.Safe(phrase.List(known, 20))
}

// distance counts the letters to insert, drop or change to make a into b.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if max(len(a), len(b)) > 100 {
		return 100
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
