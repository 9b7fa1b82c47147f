package render

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/fluxcd/pkg/envsubst"
)

// A spliced object is the JSON of a substituted object, cut at the scalars that hold
// variables. Substituting values that certainly change nothing but those scalars is to
// fill the gaps; all others go the whole way through YAML. The cuts are found by the
// whole way itself: it is gone once with a mark in place of each scalar, and a mark
// that comes out as a value of its own, or inside a text of several lines, tells what
// the YAML around it made of it. The rest of the object stands as that made it.
type spliced struct {
	pieces [][]byte // one more than gaps
	gaps   []gap    // in the order of the JSON
}

// gap is a scalar with variables, or one of the variables in a text of several lines.
type gap struct {
	parts []part
	kind  gapKind
}

type gapKind uint8

const (
	bare   gapKind = iota // a plain scalar: what is filled in decides on its type
	single                // in single quotes
	double                // in double quotes
	inside                // inside a text of several lines
)

// part is text, or an expression.
type part struct {
	text     string
	template *envsubst.Template // nil for text
}

// expression is an expression of the common forms, which certainly ends at its brace.
var expression = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*(?::?[=-][A-Za-z0-9_./:@+ -]*)?\}`)

// valueLine is a line of YAML with a short key or an entry of a list, and a value.
var valueLine = regexp.MustCompile(`^((?: |- )*)(?:[A-Za-z0-9_./-]+: |- )(.+)$`)

// markOf is a text that no object holds by chance, and that YAML takes for text. The
// letter at its end keeps the mark of 1 from being the beginning of that of 10.
func markOf(i int) string { return "zqMarkOfGap" + strconv.Itoa(i) + "zq" }

// Objects beyond these go the whole way: each gap is searched for in the object.
const (
	maxGaps    = 256
	maxSpliced = 1 << 20 // bytes of YAML
)

// splice cuts the object that text is the YAML of; nil when that is not certainly right.
func splice(text string) *spliced {
	if len(text) > maxSpliced || strings.Count(text, "${") > maxGaps || strings.Contains(text, "$$") || strings.Contains(text, "zqMarkOfGap") {
		return nil
	}
	var marked strings.Builder
	var gaps []gap
	mark := func(parts []part, kind gapKind) {
		marked.WriteString(markOf(len(gaps)))
		gaps = append(gaps, gap{parts, kind})
	}
	block := -1 // the indent of the line that began a text of several lines
	for line := range strings.Lines(text) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if body := strings.TrimRight(line, "\n"); block >= 0 && indent <= block && body != "" {
			block = -1
		}
		if block < 0 && (strings.HasSuffix(line, "|\n") || strings.HasSuffix(line, "|-\n") || strings.HasSuffix(line, "|+\n")) {
			block = indent
		}
		if !strings.Contains(line, "${") {
			marked.WriteString(line)
			continue
		}
		before, value, kind := "", strings.TrimRight(line, "\n"), inside
		if m := valueLine.FindStringSubmatchIndex(value); m != nil && block < 0 {
			before, value, kind = value[:m[4]], value[m[4]:], bare
			if quote := value[0]; quote == '\'' || quote == '"' {
				kind = map[byte]gapKind{'\'': single, '"': double}[quote]
				if len(value) < 2 || value[len(value)-1] != quote || strings.ContainsAny(value[1:len(value)-1], "\\"+string(quote)) {
					return nil
				}
				value = value[1 : len(value)-1]
			}
		}
		parts := partsOf(value)
		if parts == nil {
			return nil
		}
		marked.WriteString(before)
		quote := map[gapKind]string{single: "'", double: `"`}[kind]
		marked.WriteString(quote)
		if kind != inside {
			mark(parts, kind)
		} else {
			for _, p := range parts {
				if p.template == nil {
					marked.WriteString(p.text)
				} else {
					mark([]part{p}, inside)
				}
			}
		}
		marked.WriteString(quote)
		if strings.HasSuffix(line, "\n") {
			marked.WriteByte('\n')
		}
	}
	made, err := wholeWay(marked.String())
	if err != nil {
		return nil
	}
	return cut(made, gaps)
}

// partsOf parts a text at its expressions; nil when it holds one of another form.
func partsOf(value string) (parts []part) {
	from := 0
	for _, at := range expression.FindAllStringIndex(value, -1) {
		t, err := envsubst.Parse(value[at[0]:at[1]])
		if err != nil {
			return nil
		}
		if at[0] > from {
			parts = append(parts, part{text: value[from:at[0]]})
		}
		parts = append(parts, part{template: t})
		from = at[1]
	}
	if from < len(value) {
		parts = append(parts, part{text: value[from:]})
	}
	for _, p := range parts {
		if strings.Contains(p.text, "${") || strings.HasSuffix(p.text, "$") {
			return nil
		}
	}
	return parts
}

// cut cuts made, the JSON of the marked object, at the marks of gaps.
func cut(made []byte, gaps []gap) *spliced {
	s := &spliced{}
	where := make(map[int]int, len(gaps)) // offset -> gap
	for i := range gaps {
		m := []byte(markOf(i))
		at := bytes.Index(made, m)
		if at < 0 || bytes.Count(made, m) != 1 {
			return nil
		}
		where[at] = i
	}
	from := 0
	for at := 0; at < len(made); at++ {
		i, ok := where[at]
		if !ok {
			continue
		}
		end := at + len(markOf(i))
		begin, stop := enclosing(made, at, end)
		switch {
		case stop >= len(made) || made[stop] == ':': // a key
			return nil
		case gaps[i].kind == inside:
			if !bytes.Contains(made[begin:stop], []byte(`\n`)) {
				return nil
			}
		case begin+1 != at || end+1 != stop: // not all of its scalar
			return nil
		default:
			at, end = begin, stop
		}
		s.pieces, s.gaps = append(s.pieces, made[from:at]), append(s.gaps, gaps[i])
		from, at = end, end-1
	}
	if len(s.gaps) != len(gaps) {
		return nil
	}
	s.pieces = append(s.pieces, made[from:])
	return s
}

// enclosing finds the string of JSON that holds made[at:end]: begin is that of its
// quote, stop follows the other.
func enclosing(made []byte, at, end int) (begin, stop int) {
	escaped := func(i int) bool {
		n := 0
		for i-n-1 >= 0 && made[i-n-1] == '\\' {
			n++
		}
		return n%2 == 1
	}
	for begin = at - 1; begin > 0 && (made[begin] != '"' || escaped(begin)); begin-- {
	}
	for stop = end; stop < len(made) && (made[stop] != '"' || escaped(stop)); stop++ {
	}
	return begin, stop + 1
}

// fill is the object with the values of mapping; false when they need the whole way.
func (s *spliced) fill(mapping func(string) (string, bool)) ([]byte, bool) {
	size := len(s.pieces[len(s.gaps)])
	for _, p := range s.pieces {
		size += len(p)
	}
	out := make([]byte, 0, size+size/8)
	for i := range s.gaps {
		out = append(out, s.pieces[i]...)
		var ok bool
		if out, ok = s.gaps[i].fill(out, mapping); !ok {
			return nil, false
		}
	}
	return append(out, s.pieces[len(s.gaps)]...), true
}

func (g *gap) fill(out []byte, mapping func(string) (string, bool)) ([]byte, bool) {
	var b strings.Builder
	for _, p := range g.parts {
		if p.template == nil {
			b.WriteString(p.text)
			continue
		}
		value, err := p.template.Execute(mapping)
		if err != nil {
			return nil, false
		}
		b.WriteString(value)
	}
	text := b.String()
	switch g.kind {
	case bare:
		return appendPlain(out, text)
	case single:
		return appendText(out, text, "'")
	case double:
		return appendText(out, text, `"\`)
	case inside:
		if text == "" || !consistsOf(text, &wordBytes) {
			return nil, false
		}
		return append(out, text...), true
	}
	return nil, false
}

// wordBytes are those that mean nothing to YAML or JSON, wherever they stand in a text,
// printBytes all that YAML prints as they are.
var wordBytes, printBytes = func() (word, printed [256]bool) { //nolint:gochecknoglobals // constant sets
	for c := byte(' '); c <= '~'; c++ {
		printed[c] = true
		word[c] = alphanumeric(c, true) || strings.IndexByte("_./@+=-", c) >= 0
	}
	return word, printed
}()

func consistsOf(s string, set *[256]bool) bool {
	for i := range len(s) {
		if !set[s[i]] {
			return false
		}
	}
	return true
}

func appendText(out []byte, text, but string) ([]byte, bool) {
	if !consistsOf(text, &printBytes) || strings.ContainsAny(text, but) {
		return nil, false
	}
	return appendString(out, text), true
}

func appendString(out []byte, text string) []byte {
	if !strings.ContainsAny(text, `"\<>&`) {
		return append(append(append(out, '"'), text...), '"')
	}
	data, err := json.Marshal(text)
	if err != nil {
		panic(err) // a string of printable characters
	}
	return append(out, data...)
}

// appendPlain adds what YAML makes of text as the plain scalar of a value. Outside of
// [] and {} only a colon and a number sign mean anything after the first character.
func appendPlain(out []byte, text string) ([]byte, bool) {
	if text == "" || !consistsOf(text, &printBytes) {
		return nil, false
	}
	first, last := text[0], text[len(text)-1]
	if !alphanumeric(first, true) && strings.IndexByte("/_.$", first) < 0 || last == ' ' || last == ':' || strings.Contains(text, ": ") || strings.Contains(text, " #") {
		return nil, false
	}
	if made, ok := plainScalars.known(text); ok {
		return append(out, made...), made != nil
	}
	return appendString(out, text), true
}

// plainScalars keeps what the whole way makes of plain scalars that may be other than
// text.
var plainScalars typed //nolint:gochecknoglobals // answers that never change

type typed struct {
	mu   sync.Mutex
	kept map[string][]byte
}

// maxTyped bounds the answers kept, which are short.
const maxTyped = 4096

// known is the JSON of a plain scalar, nil when it is not known; false when it is
// certainly text: other values begin with a digit, a sign or a dot, or are a short word.
//
// Source: go.yaml.in/yaml v2.4 resolve.go.
func (t *typed) known(text string) ([]byte, bool) {
	digit := text[0] >= '0' && text[0] <= '9' || text[0] == '.'
	if !digit && len(text) > len("false") || len(text) > 64 && strings.IndexByte(text, ' ') >= 0 {
		return nil, false
	}
	t.mu.Lock()
	made, ok := t.kept[text]
	t.mu.Unlock()
	if ok {
		return made, true
	}
	if object, err := wholeWay("v: " + text + "\n"); err == nil && bytes.HasPrefix(object, []byte(`{"v":`)) {
		made = object[len(`{"v":`) : len(object)-1]
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kept == nil || len(t.kept) >= maxTyped {
		t.kept = map[string][]byte{}
	}
	if len(text) <= 64 {
		t.kept[text] = made
	}
	return made, true
}
