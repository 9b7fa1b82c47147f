package part

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

const (
	aroundLines  = 3       // unchanged ones around what differs
	mostLines    = 2000    // of one difference
	mostLine     = 2000    // characters of one line
	mostBytes    = 1 << 20 // of an object that is compared line by line
	mostValue    = 1 << 16 // bytes of one value of an edit
	keptOfLarge  = 200     // characters of a text that is larger
	stringHeader = 16      // bytes that any value counts at least
)

// diff is the difference of two contents, either of which may be nil, fit to be shown.
func diff(redact *object.Redactor, before, after *object.Body) Diff {
	a, b := sizeOf(before), sizeOf(after)
	if a > mostBytes || b > mostBytes {
		return Diff{Lines: []Line{}, Summary: fmt.Sprintf("too large to be compared line by line: %s before, %s after", size(a), size(b))}
	}
	return unified(text(redact, before), text(redact, after))
}

// text is a content as YAML without secrets; "" for nil.
func text(redact *object.Redactor, b *object.Body) string {
	if b == nil {
		return ""
	}
	data, err := yaml.Marshal(redact.Body(b))
	if err != nil {
		return "# no YAML: " + err.Error() + "\n"
	}
	return string(data)
}

// unified is the difference of two texts by lines.
func unified(before, after string) Diff {
	d := Diff{Lines: Lines(before, after, aroundLines)}
	if len(d.Lines) > mostLines {
		d.Omitted = len(d.Lines) - mostLines
		d.Lines = d.Lines[:mostLines]
	}
	return d
}

// Lines is the difference of two texts by lines, with so many equal ones around what differs. It is
// empty for equal texts.
func Lines(before, after string, around int) []Line {
	all := &marked{}
	at := 0
	for _, e := range udiff.Lines(before, after) {
		all.add(" ", before[at:e.Start])
		all.add("-", before[e.Start:e.End])
		all.add("+", e.New)
		at = e.End
	}
	if len(all.lines) == 0 {
		return []Line{}
	}
	all.add(" ", before[at:])
	return all.window(around)
}

// marked are the lines of two texts, each once where they are equal.
type marked struct {
	lines         []Line
	before, after int // lines of each so far
}

func (m *marked) add(op, text string) {
	for line := range strings.Lines(text) {
		l := Line{Op: op, Text: phrase.Clip(strings.TrimSuffix(line, "\n"), mostLine)}
		if op != "+" {
			m.before++
			l.Before = m.before
		}
		if op != "-" {
			m.after++
			l.After = m.after
		}
		m.lines = append(m.lines, l)
	}
}

// window leaves out equal lines that are far from what differs.
func (m *marked) window(around int) []Line {
	out := []Line{}
	near := -1 // the last line that is shown after what differs
	next := 0  // the next line that differs, from i on
	skipped := false
	for i := range m.lines {
		for next = max(next, i); next < len(m.lines) && m.lines[next].Op == " "; next++ {
			if next > i+around {
				break
			}
		}
		differs := next < len(m.lines) && m.lines[next].Op != " "
		if m.lines[i].Op != " " {
			near = i + around
		}
		if i > near && (!differs || next > i+around) {
			skipped = true
			continue
		}
		if skipped && len(out) > 0 {
			out = append(out, Line{Op: "@"})
		}
		skipped = false
		out = append(out, m.lines[i])
	}
	return out
}

// Value is what an edit leads from or to, as one line of JSON or as the plain text of a string.
func Value(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	data, err := json.Marshal(v)
	if err != nil {
		return "?"
	}
	return string(data)
}

// edits are those of a change, fit to be shown: a value of more than 64 KiB is replaced
// by its beginning, its size and its digest.
func edits(redact *object.Redactor, before, after *object.Body, list []object.Edit) []object.Edit {
	out := redact.Edits(before, list, after)
	for i := range out {
		out[i].From, out[i].To = smaller(out[i].From), smaller(out[i].To)
	}
	return out
}

// smaller is v, or what stands for it when it is large.
func smaller(v any) any {
	n := weigh(v, mostValue)
	if n <= mostValue {
		return v
	}
	s, isText := v.(string)
	if !isText {
		data, err := json.Marshal(v)
		if err != nil {
			return "[a value that is no JSON]"
		}
		s = string(data)
	}
	sum := sha256.Sum256([]byte(s))
	return phrase.Clip(s[:min(len(s), 4*keptOfLarge)], keptOfLarge) + fmt.Sprintf(" [%s in all, sha256 %s]", size(len(s)), hex.EncodeToString(sum[:6]))
}

// sizeOf is about the number of bytes of a content.
func sizeOf(b *object.Body) int {
	if b == nil {
		return 0
	}
	return weigh(b.Map(), 1<<40)
}

// weigh is about how many bytes v is as text; it stops counting above most.
func weigh(v any, most int) int {
	switch v := v.(type) {
	case string:
		return len(v)
	case []any:
		n := stringHeader
		for _, e := range v {
			if n += weigh(e, most); n > most {
				break
			}
		}
		return n
	case map[string]any:
		n := stringHeader
		for k, e := range v {
			if n += len(k) + weigh(e, most); n > most {
				break
			}
		}
		return n
	}
	return stringHeader
}

// size is a number of bytes as people write it: "512 bytes", "50.0 MiB".
func size(n int) string {
	switch {
	case n < 10_000:
		return phrase.Count(n, "byte")
	case n < 10_000_000:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
