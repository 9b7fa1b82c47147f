package cli

import (
	"fmt"
	"slices"
	"strings"
)

const (
	contextLines = 1       // of a text's difference
	mostLines    = 24      // shown of one text's difference
	mostCells    = 1 << 20 // of the table that finds common lines
)

// unified is the difference of two texts by lines: "-", "+" or a space before each,
// a line of dots where equal lines are left out. Texts that are long and have
// little in common are shown as replaced.
func unified(a, b string) []string {
	x, y := lines(a), lines(b)
	head := 0
	for head < len(x) && head < len(y) && x[head] == y[head] {
		head++
	}
	tail := 0
	for tail < len(x)-head && tail < len(y)-head && x[len(x)-1-tail] == y[len(y)-1-tail] {
		tail++
	}
	marked := make([]string, 0, len(x)+len(y))
	for _, l := range x[:head] {
		marked = append(marked, " "+l)
	}
	marked = append(marked, middle(x[head:len(x)-tail], y[head:len(y)-tail])...)
	for _, l := range x[len(x)-tail:] {
		marked = append(marked, " "+l)
	}
	if len(marked) == 0 || !differs(marked) {
		return []string{" only the line break at the end differs"}
	}
	return window(marked)
}

func lines(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n")
}

func differs(marked []string) bool {
	for _, l := range marked {
		if l[0] != ' ' {
			return true
		}
	}
	return false
}

// middle marks the lines between the common beginning and the common end, by
// their longest common subsequence.
func middle(x, y []string) (marked []string) {
	long := make([][]int, len(x)+1) // of the rests from i and j on
	if len(x)*len(y) <= mostCells {
		for i := range long {
			long[i] = make([]int, len(y)+1)
		}
		for i, a := range slices.Backward(x) {
			for j, b := range slices.Backward(y) {
				if a == b {
					long[i][j] = long[i+1][j+1] + 1
				} else {
					long[i][j] = max(long[i+1][j], long[i][j+1])
				}
			}
		}
	}
	i, j := 0, 0
	for i < len(x) && j < len(y) && len(long[i]) > 0 {
		switch {
		case x[i] == y[j]:
			marked = append(marked, " "+x[i])
			i, j = i+1, j+1
		case long[i+1][j] >= long[i][j+1]:
			marked = append(marked, "-"+x[i])
			i++
		default:
			marked = append(marked, "+"+y[j])
			j++
		}
	}
	for ; i < len(x); i++ {
		marked = append(marked, "-"+x[i])
	}
	for ; j < len(y); j++ {
		marked = append(marked, "+"+y[j])
	}
	return marked
}

// window keeps what differs and a little around it.
func window(marked []string) (out []string) {
	keep := make([]bool, len(marked))
	changed := 0
	for i, l := range marked {
		if l[0] == ' ' {
			continue
		}
		changed++
		for k := max(0, i-contextLines); k <= min(len(marked)-1, i+contextLines); k++ {
			keep[k] = true
		}
	}
	skipped, shown := false, 0
	for i, l := range marked {
		switch {
		case !keep[i]:
			skipped = true
		case len(out) >= mostLines:
			return append(out, fmt.Sprintf(" … %d more changed lines", changed-shown))
		default:
			if skipped && len(out) > 0 {
				out = append(out, " ...")
			}
			skipped = false
			out = append(out, l)
			if l[0] != ' ' {
				shown++
			}
		}
	}
	return out
}
