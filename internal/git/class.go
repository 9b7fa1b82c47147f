package git

import (
	"fmt"
	"strings"
)

// class translates the bracket expression that starts at glob[i] to one of a regular expression, and
// gives where it ends. It is not ok if it does not end, or names a class that there is not.
//
// Source: Git's wildmatch.c.
func class(glob string, i int) (end int, expr string, ok bool) {
	i++
	negated := i < len(glob) && (glob[i] == '!' || glob[i] == '^')
	if negated {
		i++
	}
	var set [256]bool
	for first, prev := true, -1; ; first = false {
		if i >= len(glob) {
			return 0, "", false
		}
		c := glob[i]
		switch {
		case c == ']' && !first:
			return i + 1, classExpr(&set, negated), true
		case c == '-' && prev >= 0 && i+1 < len(glob) && glob[i+1] != ']':
			i++
			if glob[i] == '\\' {
				i++
			}
			if i >= len(glob) {
				return 0, "", false
			}
			for b := prev; b <= int(glob[i]); b++ {
				set[b] = true
			}
			prev = -1
			i++
		case c == '[' && strings.HasPrefix(glob[i:], "[:"):
			n := strings.IndexByte(glob[i+2:], ']')
			if n < 0 {
				return 0, "", false
			}
			name, isName := strings.CutSuffix(glob[i+2:i+2+n], ":")
			if !isName {
				set['['] = true
				prev = '['
				i++
				continue
			}
			if !addNamed(&set, name) {
				return 0, "", false
			}
			prev = -1
			i += n + 3
		default:
			if c == '\\' {
				i++
				if i >= len(glob) {
					return 0, "", false
				}
				c = glob[i]
			}
			set[c] = true
			prev = int(c)
			i++
		}
	}
}

// classExpr writes a set of bytes as a class of runes up to 0xff. A slash is never in it.
func classExpr(set *[256]bool, negated bool) string {
	var b strings.Builder
	for c := range set {
		if set[c] != negated && c != '/' {
			fmt.Fprintf(&b, `\x{%x}`, c)
		}
	}
	if b.Len() == 0 {
		return `[^\x{0}-\x{10ffff}]`
	}
	return "[" + b.String() + "]"
}

func addNamed(set *[256]bool, name string) bool {
	in, ok := named[name]
	if !ok {
		return false
	}
	for c := range 128 {
		if in(byte(c)) {
			set[c] = true
		}
	}
	return true
}

var named = map[string]func(byte) bool{ //nolint:gochecknoglobals // a constant table
	"alnum":  func(c byte) bool { return alpha(c) || digit(c) },
	"alpha":  alpha,
	"blank":  func(c byte) bool { return c == ' ' || c == '\t' },
	"cntrl":  func(c byte) bool { return c < ' ' || c == 0x7f },
	"digit":  digit,
	"graph":  graph,
	"lower":  lower,
	"print":  func(c byte) bool { return c == ' ' || graph(c) },
	"punct":  func(c byte) bool { return graph(c) && !alpha(c) && !digit(c) },
	"space":  func(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' },
	"upper":  upper,
	"xdigit": func(c byte) bool { return digit(c) || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F' },
}

func alpha(c byte) bool { return lower(c) || upper(c) }
func digit(c byte) bool { return '0' <= c && c <= '9' }
func graph(c byte) bool { return ' ' < c && c < 0x7f }
func lower(c byte) bool { return 'a' <= c && c <= 'z' }
func upper(c byte) bool { return 'A' <= c && c <= 'Z' }
