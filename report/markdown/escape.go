package markdown

import (
	"html"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

const (
	mostProse = 600 // characters of one sentence
	mostName  = 160 // of one name
	mostCode  = 300 // of one line of a difference
)

// apart keeps two characters from being read together, and is not seen.
const apart = "&#8203;"

// line is text on one line without anything that moves the cursor or the direction of writing.
func line(text string, most int) string {
	if len(text) > 4*most { // do not look at all of a huge text
		text = strings.ToValidUTF8(text[:4*most], "") + "…"
	}
	return phrase.Clip(term.Safe(strings.Join(strings.FieldsFunc(text, unicode.IsSpace), " ")), most)
}

// prose is text that means nothing to Markdown, nor to what a forge looks for in it: no markup, no HTML, no
// link, no mention, no reference to an issue. It stays on its line and in its cell of a table.
func prose(text string) string { return escape(line(text, mostProse)) }

// escape makes a line that [line] gave fit for Markdown and for HTML.
func escape(text string) string {
	var b strings.Builder
	for i, r := range text {
		rest := text[i+utf8.RuneLen(r):]
		switch r {
		case '<', '>', '&', '"', '\'':
			b.WriteString(html.EscapeString(string(r)))
			if r == '&' && glues(rest) {
				b.WriteString(apart)
			}
		case '|', '`', '*', '_', '[', ']', '\\', '{', '}', '(', ')', '^', '=':
			entity(&b, r)
		case '$', '~', '#', '@', '!', '%':
			entity(&b, r)
			if glues(rest) {
				b.WriteString(apart)
			}
		case ':':
			b.WriteRune(r)
			if strings.HasPrefix(rest, "/") || strings.HasPrefix(rest, "+") || glues(rest) && (strings.Contains(rest, ":") || !strings.Contains(rest, " ")) {
				b.WriteString(apart) // no link, no emoji
			}
		case '.':
			b.WriteRune(r)
			if i >= 3 && strings.EqualFold(text[i-3:i], "www") {
				b.WriteString(apart)
			}
		case '+', '-', '/':
			if i == 0 {
				entity(&b, r)
				continue
			}
			b.WriteRune(r)
			if r == '-' && i >= 2 && strings.EqualFold(text[i-2:i], "gh") {
				b.WriteString(apart)
			}
		default:
			b.WriteRune(r)
		}
	}
	return number(b.String())
}

// glues reports whether text goes on with what a reference could be made of.
func glues(text string) bool {
	r, _ := utf8.DecodeRuneInString(text)
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '"' || r == '_' || r == '-'
}

// number keeps text that begins like "1." or "1)" from being a list.
func number(text string) string {
	rest := strings.TrimLeft(text, "0123456789")
	if digits := len(text) - len(rest); digits > 0 && strings.HasPrefix(rest, ".") {
		return text[:digits] + "&#46;" + rest[1:]
	}
	return text
}

func entity(b *strings.Builder, r rune) {
	b.WriteString("&#" + digits(int(r)) + ";")
}

// code is a name in the font of code, where no forge looks for references.
func code(name string) string {
	name = line(name, mostName)
	if name == "" || strings.ContainsAny(name, "`|\\") || strings.TrimSpace(name) != name || broken.Replace(name) != name {
		return tag(name)
	}
	return "`" + name + "`"
}

// tag is [code] for where Markdown is not read, and for names that a code span cannot hold.
func tag(name string) string { return "<code>" + escape(line(name, mostName)) + "</code>" }

// codes are names, the first few of them.
func codes(names []string, most int) string {
	out := make([]string, 0, min(len(names), most)+1)
	for i, n := range names {
		if i == most && len(names) > most+1 {
			return strings.Join(out, ", ") + " and " + thousands(len(names)-most) + " more"
		}
		out = append(out, code(n))
	}
	return strings.Join(out, ", ")
}

// fenced is lines in a fence that none of them closes.
func fenced(language string, lines []string) string {
	longest, run := 2, 0
	for _, l := range lines {
		for _, r := range l {
			if run++; r != '`' {
				run = 0
			}
			longest = max(longest, run)
		}
		run = 0
	}
	fence := strings.Repeat("`", longest+1)
	return fence + language + "\n" + strings.Join(lines, "\n") + "\n" + fence + "\n"
}

// raw is a line of a difference, fit for a fence. What a build log or the search for this comment
// would take for its own is broken up.
func raw(text string) string {
	if len(text) > 4*mostCode {
		text = strings.ToValidUTF8(text[:4*mostCode], "") + "…"
	}
	text = phrase.Clip(term.Safe(strings.ReplaceAll(text, "\t", "    ")), mostCode)
	text = broken.Replace(text)
	if begin := strings.TrimLeft(text, " "); strings.HasPrefix(begin, "::") {
		text = text[:len(text)-len(begin)] + ":\u200b" + begin[1:]
	}
	return text
}

// broken breaks up what begins a marker, or a command anywhere in a line of a build log.
//
//nolint:gochecknoglobals // a table, made once
var broken = strings.NewReplacer("<!--", "<\u200b!--", "##[", "##\u200b[", "##vso[", "##vso\u200b[")

// thousands writes 1500 as "1,500".
func thousands(n int) string {
	if n < 0 {
		return "-" + thousands(-n)
	}
	if n < 1000 {
		return digits(n)
	}
	low := digits(n % 1000)
	return thousands(n/1000) + "," + strings.Repeat("0", 3-len(low)) + low
}
