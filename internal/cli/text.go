package cli

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// safe is text fit for one line of a terminal: control characters, characters
// that change the direction of writing, and bytes that are not UTF-8 are shown
// as escapes.
func safe(text string) string {
	if !strings.ContainsFunc(text, unsafe) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[i])
		case unsafe(r):
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(r)
		}
		i += n
	}
	return b.String()
}

// unsafe reports whether a terminal does not simply show r. U+FFFD is among them
// because it may stand for a broken byte.
func unsafe(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

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

// quote is text in quotes, fit for a terminal.
func quote(text string) string { return `"` + safe(text) + `"` }

// shorten cuts text to most characters.
func shorten(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// count is a number with its noun.
func count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "ch"):
		return fmt.Sprintf("%d %ses", n, noun)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// names lists names, most of them at the most.
func names(list []string, most int) string {
	shown := list
	rest := ""
	if len(list) > most+1 {
		shown, rest = list[:most], fmt.Sprintf(" and %d more", len(list)-most)
	}
	out := make([]string, len(shown))
	for i, n := range shown {
		out[i] = safe(n)
	}
	return strings.Join(out, ", ") + rest
}

func orText(a, b string) string { return cmp.Or(a, b) }

// near is a hint with the known name nearest to word, or with all of them.
func near(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	best := slices.MinFunc(known, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(word, a), distance(word, b)), cmp.Compare(a, b))
	})
	if distance(word, best) <= 1+len(best)/3 {
		return "did you mean " + quote(best) + "?"
	}
	slices.Sort(known)
	return "known here: " + names(known, 20)
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

// table is rows of cells, the first one a heading. Cells are made fit for a
// terminal; columns after the first that hold nothing but numbers stand right.
type table [][]string

func (t table) write(s *streams) {
	if len(t) == 0 {
		return
	}
	widths, right := make([]int, len(t[0])), make([]bool, len(t[0]))
	for i := range right {
		right[i] = len(t) > 1
	}
	for n, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(safe(cell)))
			if _, err := strconv.Atoi(cell); n > 0 && err != nil {
				right[i] = false
			}
		}
	}
	for n, row := range t {
		var b strings.Builder
		for i, cell := range row {
			cell = safe(cell)
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right[i] {
				cell = gap + cell
			} else {
				cell += gap
			}
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(cell)
		}
		line := strings.TrimRight(b.String(), " ")
		if n == 0 {
			line = s.look(bold, line)
		}
		s.printf("%s\n", line)
	}
}
