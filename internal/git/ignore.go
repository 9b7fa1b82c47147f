package git

import (
	"regexp"
	"strings"
)

// ignores decides what Git does not track. Later patterns win over earlier ones.
//
// Source: gitignore. go-git's gitignore package is not used here: it does not know "[!a]" and
// "[[:alpha:]]", nor a "**" that has to match more than the shortest way, as in "**/a/b" for "a/a/b".
type ignores []pattern

type pattern struct {
	dir     string // where the pattern stands: "" for the root, else with a trailing slash
	keep    bool   // "!": not ignored after all
	dirOnly bool
	name    bool           // matched with the last element, not with the path below dir
	literal string         // if re is nil
	re      *regexp.Regexp // over Latin-1, as Git matches bytes
}

// maxPatterns bounds the patterns of one file.
const maxPatterns = 1 << 16

// parseIgnores reads the text of a .gitignore that stands in dir, "" or with a trailing slash.
func parseIgnores(text []byte, dir string) ignores {
	var list ignores
	s := strings.TrimPrefix(string(text), "\uFEFF")
	for line := range strings.SplitSeq(s, "\n") {
		if len(list) == maxPatterns {
			break
		}
		if p, ok := parsePattern(strings.TrimSuffix(line, "\r")); ok {
			p.dir = dir
			list = append(list, p)
		}
	}
	return list
}

func parsePattern(s string) (p pattern, ok bool) {
	if s == "" || s[0] == '#' {
		return p, false
	}
	s = trimSpaces(s)
	s, p.keep = strings.CutPrefix(s, "!")
	s, p.dirOnly = strings.CutSuffix(s, "/")
	p.name = !strings.Contains(s, "/")
	s = strings.TrimPrefix(s, "/")
	if s == "" {
		return p, false
	}
	plain := strings.IndexAny(s, `*?[\`)
	if plain < 0 {
		p.literal = s
		return p, true
	}
	// As Git compares the plain start first, stars right after it stand as at the start: "a**/b" is "a/b" too.
	expr, ok := translate(s[plain:], !p.name)
	if !ok {
		return p, false
	}
	re, err := regexp.Compile(`(?s)\A` + regexp.QuoteMeta(latin1(s[:plain])) + expr + `\z`)
	if err != nil {
		return p, false // too large
	}
	p.re = re
	return p, true
}

// trimSpaces takes away spaces at the end that are not escaped.
func trimSpaces(s string) string {
	end := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' {
			i++
		} else if s[i] == ' ' {
			continue
		}
		end = min(i+1, len(s))
	}
	return s[:end]
}

// ignored decides about a path from the root; the directories above it are not ignored.
func (l ignores) ignored(path string, isDir bool) bool {
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].match(path, isDir) {
			return !l[i].keep
		}
	}
	return false
}

func (p *pattern) match(path string, isDir bool) bool {
	if p.dirOnly && !isDir {
		return false
	}
	rest, ok := strings.CutPrefix(path, p.dir)
	if !ok {
		return false
	}
	if p.name {
		rest = rest[strings.LastIndexByte(rest, '/')+1:]
	}
	if p.re == nil {
		return rest == p.literal
	}
	return p.re.MatchString(latin1(rest))
}

// latin1 makes each byte a rune.
func latin1(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			runes := make([]rune, len(s))
			for i := range len(s) {
				runes[i] = rune(s[i])
			}
			return string(runes)
		}
	}
	return s
}

// translate turns a glob into a regular expression, which matches in linear time whatever the glob.
// deep is for those with a slash, where "**" may stand for directories. A glob that Git can't match with
// anything is not ok.
//
// Source: Git's wildmatch.c with WM_PATHNAME.
func translate(glob string, deep bool) (expr string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(glob); {
		switch c := glob[i]; c {
		case '*':
			end := i
			for end < len(glob) && glob[end] == '*' {
				end++
			}
			i = star(&b, glob, i, end, deep)
		case '?':
			b.WriteString(`[^/]`)
			i++
		case '[':
			end, class, ok := class(glob, i)
			if !ok {
				return "", false
			}
			b.WriteString(class)
			i = end
		case '\\':
			if i+1 == len(glob) {
				return "", false
			}
			writeByte(&b, glob[i+1])
			i += 2
		default:
			writeByte(&b, c)
			i++
		}
	}
	return b.String(), true
}

// star writes the run of stars glob[i:end], and gives where to go on.
func star(b *strings.Builder, glob string, i, end int, deep bool) int {
	starts := i == 0 || glob[i-1] == '/'
	rest := glob[end:]
	switch {
	case !deep || end-i != 2 && (end-i <= 2 || !starts) || !starts:
		b.WriteString(`[^/]*`)
	case rest == "":
		b.WriteString(`.*`)
	case rest[0] == '/':
		b.WriteString(`(?:.*/)?`)
		return end + 1
	default:
		b.WriteString(`[^/]*`)
	}
	return end
}

func writeByte(b *strings.Builder, c byte) {
	b.WriteString(regexp.QuoteMeta(latin1(string([]byte{c}))))
}
