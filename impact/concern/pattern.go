package concern

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// pattern is one line of a concerns map.
type pattern struct {
	text    string
	literal int // bytes before the first wildcard
	match   *regexp.Regexp
	concern Concern
}

// compile reads a concerns map; the most specific pattern comes first.
func compile(concerns map[string]string) []pattern {
	var out []pattern
	for text, value := range concerns {
		c, ok := parse(value)
		clean := strings.Trim(strings.TrimPrefix(text, "./"), "/")
		if !ok || clean == "" {
			continue
		}
		re, err := regexp.Compile(expression(clean))
		if err != nil {
			continue
		}
		literal := len(clean)
		if i := strings.IndexAny(clean, "*?"); i >= 0 {
			literal = i
		}
		out = append(out, pattern{text, literal, re, c})
	}
	slices.SortFunc(out, func(a, b pattern) int {
		return cmp.Or(cmp.Compare(b.literal, a.literal), cmp.Compare(len(b.text), len(a.text)), cmp.Compare(a.text, b.text))
	})
	return out
}

// expression is a pattern as a regular expression over whole paths.
func expression(text string) string {
	var b strings.Builder
	b.WriteString("^")
	for len(text) > 0 {
		switch {
		case strings.HasPrefix(text, "**/"): // also no folder at all
			b.WriteString("(?:.*/)?")
			text = text[3:]
		case strings.HasPrefix(text, "**"):
			b.WriteString(".*")
			text = text[2:]
		case text[0] == '*':
			b.WriteString("[^/]*")
			text = text[1:]
		case text[0] == '?':
			b.WriteString("[^/]")
			text = text[1:]
		default:
			n := strings.IndexAny(text, "*?")
			if n < 0 {
				n = len(text)
			}
			b.WriteString(regexp.QuoteMeta(text[:n]))
			text = text[n:]
		}
	}
	b.WriteString("(?:/.*)?$")
	return b.String()
}

// byPattern asks the concerns map about the file.
func (j *Judge) byPattern(s *subject) verdict {
	if s.file == "" {
		return verdict{}
	}
	for i := range j.patterns {
		if p := &j.patterns[i]; p.match.MatchString(s.file) {
			return verdict{concern: p.concern, why: "concerns pattern " + p.text + " matches file " + s.file, by: byMap}
		}
	}
	return verdict{}
}
