package term

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table is rows of cells, the first one a heading. Cells are made fit for a terminal; columns
// that hold nothing but numbers stand right.
type Table [][]string

// Write writes the table, its heading in bold; nothing when there are no rows at all. Looks has the code of
// a cell by row and column, and may be nil.
func (t Table) Write(w io.Writer, c Colour, looks func(row, column int) Code) {
	if len(t) == 0 {
		return
	}
	widths, right := make([]int, len(t[0])), make([]bool, len(t[0]))
	for i := range right {
		right[i] = len(t) > 1
	}
	for n, row := range t {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(Safe(cell)))
			if n > 0 && strings.ContainsFunc(cell, func(r rune) bool { return r < '0' || r > '9' }) {
				right[i] = false
			}
		}
	}
	for n, row := range t {
		last := len(row) - 1
		for last > 0 && row[last] == "" {
			last--
		}
		var b strings.Builder
		for i, cell := range row[:last+1] {
			cell = Safe(cell)
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if n > 0 && looks != nil {
				cell = c.Look(looks(n, i), cell)
			}
			switch {
			case right[i]:
				cell = gap + cell
			case i < last:
				cell += gap
			}
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(cell)
		}
		line := b.String()
		if n == 0 {
			line = c.Look(Bold, line)
		}
		_, _ = fmt.Fprintf(w, "%s\n", line)
	}
}
