package object

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// minPart is the length in bytes from which a sensitive value is looked for inside other strings.
const minPart = 4

// matcher finds sensitive values in text.
type matcher struct {
	whole map[string]bool // texts that are secret as a whole
	parts []part          // texts that are secret wherever they occur
}

func newMatcher(values []string) matcher {
	m := matcher{whole: map[string]bool{}}
	for _, v := range values {
		// A manifest may hold the value without the newline that many a Secret ends with.
		for _, v := range []string{v, strings.TrimSpace(v)} {
			if v == "" || m.whole[v] {
				continue
			}
			m.whole[v] = true
			if len(v) >= minPart {
				m.parts = append(m.parts, newPart(v))
			}
		}
	}
	// After the values themselves, how their numbers are spelled in a content.
	for v := range m.whole {
		if n, ok := numberText(v); ok {
			m.whole[n] = true
		}
	}
	return m
}

// numberText is the canonical spelling of a number that YAML reads from s.
func numberText(s string) (string, bool) {
	if i, err := strconv.ParseInt(s, 0, 64); err == nil {
		return strconv.FormatInt(i, 10), true
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return "", false
	}
	return string(appendFloat(nil, f)), true
}

// plainWords are field names of every object: that a sensitive value is the same word does not show.
var plainWords = map[string]bool{ //nolint:gochecknoglobals // a table that nothing changes; Go has no constant maps
	"apiVersion": true, "kind": true, "metadata": true, "name": true, "namespace": true, "labels": true,
	"annotations": true, "spec": true, "status": true, "data": true, "stringData": true, "type": true,
}

// field is a field name without secrets.
func (w *redaction) field(name string) string {
	if len(w.parts) == 0 || plainWords[name] {
		return name
	}
	return w.replace(name, w.mark)
}

// replace puts marks in the place of all parts; parts that overlap get one mark together.
func (m matcher) replace(text string, mark func(string) string) string {
	var found []span
	for _, p := range m.parts {
		found = p.find(found, text)
	}
	if len(found) == 0 {
		return text
	}
	slices.SortFunc(found, func(a, b span) int { return a.start - b.start })
	var out strings.Builder
	end := 0
	for len(found) > 0 {
		s := found[0]
		for len(found) > 0 && found[0].start < s.end {
			s.end = max(s.end, found[0].end)
			found = found[1:]
		}
		out.WriteString(text[end:s.start])
		out.WriteString(mark(text[s.start:s.end]))
		end = s.end
	}
	out.WriteString(text[end:])
	return out.String()
}

// span is a part of a text, from start up to but without end, in bytes.
type span struct{ start, end int }

// part is a text to look for, with the table of Knuth, Morris and Pratt: how long
// the longest proper prefix is that also ends after so many bytes. A text that repeats
// itself, in a big file that does so too, is thus found in linear time.
type part struct {
	text string
	back []int
}

func newPart(text string) part {
	p := part{text: text, back: make([]int, len(text)+1)}
	for i, n := 1, 0; i < len(text); i++ {
		for n > 0 && text[i] != text[n] {
			n = p.back[n]
		}
		if text[i] == text[n] {
			n++
		}
		p.back[i+1] = n
	}
	return p
}

// find appends where p is in text. Occurrences that overlap each other become one span.
func (p part) find(found []span, text string) []span {
	first := strings.Index(text, p.text)
	if first < 0 {
		return found
	}
	own := len(found)
	for i, n := first, 0; i < len(text); i++ {
		for n > 0 && text[i] != p.text[n] {
			n = p.back[n]
		}
		if text[i] == p.text[n] {
			n++
		}
		if n < len(p.text) {
			continue
		}
		n = p.back[n]
		s := span{start: i + 1 - len(p.text), end: i + 1}
		if k := len(found); k > own && found[k-1].end > s.start {
			found[k-1].end = s.end
		} else {
			found = append(found, s)
		}
	}
	return found
}
