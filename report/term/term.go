// Package term makes text fit for a terminal.
//
// It turns what may come from anywhere into characters that a terminal does nothing with but show, and
// rows of cells into tables. Start at [Safe].
package term

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Safe is text fit for one line of a terminal: control characters, characters that change the
// direction of writing, and bytes that are not UTF-8 are shown as escapes.
func Safe(text string) string {
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

// unsafe reports whether a terminal does not simply show r. U+FFFD is among them because it may stand
// for a broken byte.
func unsafe(r rune) bool {
	return r == utf8.RuneError || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == '\u2028' || r == '\u2029'
}

// Quote is text in quotes, fit for a terminal.
func Quote(text string) string { return `"` + Safe(text) + `"` }

// Colour says whether looks are wanted.
type Colour bool

// Code is an ANSI code of a look.
type Code string

// The looks of text on a terminal.
const (
	Bold   Code = "1"
	Red    Code = "31"
	Green  Code = "32"
	Yellow Code = "33"
	Cyan   Code = "36"
	Dim    Code = "2"
)

// Look is text in a look, where that is wanted. No code is no look.
func (c Colour) Look(code Code, text string) string {
	if !c || code == "" || text == "" {
		return text
	}
	return "\x1b[" + string(code) + "m" + text + "\x1b[0m"
}

// Width is the number of characters that a terminal shows of text.
func Width(text string) int {
	n := 0
	for text != "" {
		before, rest, found := strings.Cut(text, "\x1b[")
		n += utf8.RuneCountInString(before)
		if !found {
			break
		}
		_, text, _ = strings.Cut(rest, "m")
	}
	return n
}
