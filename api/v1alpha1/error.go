package v1alpha1

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// DocumentError says what is wrong in a document and where.
type DocumentError struct {
	// File is the slash path given to Decode.
	File string
	// Line counts from 1, in the file; 0 when the fault has no line.
	Line int
	// Message names the field and the fault. It never holds a value of a
	// Cluster's variables.
	Message string
	// Hint says how to mend it, or is empty.
	Hint string
}

// Error is "file:line: message", without the hint.
func (e *DocumentError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Message)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// DidYouMean is a hint that names the known word nearest to word; without a near
// one it lists them all. It is empty when known is.
func DidYouMean(word string, known []string) string {
	if len(known) == 0 {
		return ""
	}
	best := slices.MinFunc(known, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(word, a), distance(word, b)), cmp.Compare(a, b))
	})
	if distance(word, best) <= 1+len(best)/4 {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "known here: " + strings.Join(known, ", ")
}

// distance counts the letters to insert, drop, change or swap to make a into b,
// whatever their case. Words over 64 bytes are as far from everything as can be.
func distance(a, b string) int {
	a, b = strings.ToLower(a), strings.ToLower(b)
	if max(len(a), len(b)) > 64 {
		return 64
	}
	var rows [3][66]int // the row before last, the last one, this one
	for j := range len(b) + 1 {
		rows[1][j] = j
	}
	for i := 1; i <= len(a); i++ {
		rows[2][0] = i
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[2][j] = min(rows[1][j]+1, rows[2][j-1]+1, rows[1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[2][j] = min(rows[2][j], rows[0][j-2]+1)
			}
		}
		rows[0], rows[1] = rows[1], rows[2]
	}
	return rows[1][len(b)]
}
