package markdown

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// section is a part of the comment: what opens and closes it, and blocks. It is left out with its blocks.
type section struct {
	open, close string
	blocks      []block
}

// block has forms, the shortest first, each in place of the one before.
type block struct {
	forms []form
	at    int // the form that is written; -1 for none
}

// form of a block. Forms of a lower rank are given room first.
type form struct {
	rank int
	text string
	// noun is what the reader misses without this form: "change"; "" when the form before tells.
	noun string
}

// plain is a block of one form.
func plain(rank int, noun, text string) block { return block{forms: []form{{rank, text, noun}}} }

// step makes one block one form longer.
type step struct{ rank, section, block, form int }

// reserve is room for the line that says what is left out.
const reserve = 250

// fold writes as much as limit bytes hold, most important first. Where something is left out, it says so
// before the section with the index note.
func fold(sections []section, note, limit int) string {
	steps, all := plan(sections)
	room := limit
	if all > limit {
		room -= reserve
	}
	opened := make([]bool, len(sections))
	for _, s := range steps {
		sec := &sections[s.section]
		b := &sec.blocks[s.block]
		cost := len(b.forms[s.form].text)
		if b.at >= 0 {
			cost -= len(b.forms[b.at].text)
		}
		if !opened[s.section] {
			cost += len(sec.open) + len(sec.close)
		}
		if cost <= room {
			room -= cost
			b.at, opened[s.section] = s.form, true
		}
	}
	var out strings.Builder
	for i := range sections {
		if i == note && all > limit {
			out.WriteString(missing(sections, limit))
		}
		if opened[i] {
			sections[i].write(&out)
		}
	}
	return out.String()
}

// plan lists the steps in the order in which they get room, and counts the bytes of all.
func plan(sections []section) (steps []step, all int) {
	for i := range sections {
		s := &sections[i]
		if len(s.blocks) > 0 {
			all += len(s.open) + len(s.close)
		}
		for j := range s.blocks {
			s.blocks[j].at = -1
			for k, f := range s.blocks[j].forms {
				steps = append(steps, step{f.rank, i, j, k})
			}
			all += len(s.blocks[j].forms[len(s.blocks[j].forms)-1].text)
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.rank, b.rank) })
	return steps, all
}

func (s *section) write(out *strings.Builder) {
	out.WriteString(s.open)
	for i := range s.blocks {
		if b := &s.blocks[i]; b.at >= 0 {
			out.WriteString(b.forms[b.at].text)
		}
	}
	out.WriteString(s.close)
}

// missing says what was left out.
func missing(sections []section, limit int) string {
	counts := map[string]int{}
	var nouns []string
	for i := range sections {
		for _, b := range sections[i].blocks {
			for _, f := range b.forms[b.at+1:] {
				if f.noun == "" {
					continue
				}
				if counts[f.noun] == 0 {
					nouns = append(nouns, f.noun)
				}
				counts[f.noun]++
			}
		}
	}
	if len(nouns) == 0 {
		nouns, counts["line of differences"] = []string{"line of differences"}, 2
	}
	for i, n := range nouns {
		nouns[i] = count(counts[n], n)
	}
	return "**Left out** to stay within " + thousands(limit) + " bytes: " + strings.Join(nouns, ", ") + ".\n\n"
}

func digits(n int) string { return strconv.Itoa(n) }

// count is a number with its noun: "1 gate", "1,500 changes".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if before, ok := strings.CutSuffix(noun, "y"); ok {
		noun = before + "ie"
	}
	return thousands(n) + " " + noun + "s"
}
