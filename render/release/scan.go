package release

import (
	"errors"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// marks are the names of the functions that are put into templates. Their end differs from chart to chart.
type marks struct {
	file  string // file INDEX $: a template file begins
	tick  string // a round of a loop begins
	enter string // enter DOT: a call of a template begins
	leave string // a call of a template ends
	text  string // text TEXT: what tpl is about to run
}

func marksOf(digest string) marks {
	end := digest[:8]
	return marks{file: "_bf" + end, tick: "_bt" + end, enter: "_be" + end, leave: "_bl" + end, text: "_bx" + end}
}

// insertion is text put before the byte at of a template.
type insertion struct {
	at   int
	text string
}

// bounds of a template's own text, far above what people write, that keep the recursion of text/template in check.
const (
	maxBlocks = 200 // blocks within blocks, and links of one chain of else
	maxParens = 200
)

var (
	errSyntax = errors.New("not a template")
	errNested = errors.New("a template nests its blocks too deep")
)

// scan reads a template as text/template does and says what to put in: the mark tick at the start of each loop's
// body, enter and leave around the body of each named template, text around the first operand of each tpl.
// solid reports whether the text itself makes a template, other than by its definitions: whether it holds more
// than space, comments and definitions. A template in which nothing is put reads the same: trimming is kept.
//
// The error is errNested, or errSyntax for what text/template refuses, or might.
//
// Source: text/template/parse of Go 1.26, lex.go and IsEmptyTree.
func scan(in string, m *marks) (put []insertion, solid bool, err error) {
	s, err := scanned(in, m)
	if err != nil {
		return nil, false, err
	}
	return s.put, s.frames[0].solid, nil
}

func scanned(in string, m *marks) (*scanner, error) {
	s := &scanner{in: in, m: m, frames: []frame{{word: "main"}}}
	for {
		x := strings.Index(in[s.pos:], "{{")
		if x < 0 {
			s.saw(in[s.pos:])
			break
		}
		s.saw(in[s.pos : s.pos+x])
		s.pos += x
		if err := s.action(); err != nil {
			return nil, err
		}
	}
	if len(s.frames) != 1 {
		return nil, errSyntax
	}
	slices.SortStableFunc(s.put, func(a, b insertion) int { return a.at - b.at })
	return s, nil
}

type scanner struct {
	in      string
	pos     int
	m       *marks
	put     []insertion
	frames  []frame
	longest int  // bytes of the longest action
	dumps   bool // the whole root context may be printed, see uses.go
}

// frame is an open block.
type frame struct {
	word  string // "main", "define", "block", "range", "if" or "with"
	body  int    // where its body starts
	trim  bool   // whether the body's leading space is trimmed
	solid bool
	elses int
}

// saw notes text outside actions.
func (s *scanner) saw(text string) {
	if strings.TrimSpace(text) != "" {
		s.owner().solid = true
	}
}

// owner is the innermost named template.
func (s *scanner) owner() *frame {
	for i := len(s.frames) - 1; ; i-- {
		if w := s.frames[i].word; w == "main" || w == "define" || w == "block" {
			return &s.frames[i]
		}
	}
}

// token is an identifier, or anything else that can be an operand's start.
type token struct {
	kind       byte // 'i'dentifier, 'o'perand, '(' , ')' , '|' , other
	start, end int
}

// action reads one action or comment, the "{{" of which is at s.pos.
func (s *scanner) action() error {
	open := s.pos
	p := open + 2
	trimLeft := hasLeftTrim(s.in[p:])
	if trimLeft {
		p += 2
	}
	if strings.HasPrefix(s.in[p:], "/*") {
		x := strings.Index(s.in[p:], "*/")
		if x < 0 {
			return errSyntax
		}
		end, _, ok := rightDelim(s.in, p+x+2)
		if !ok {
			return errSyntax
		}
		s.pos = end
		return nil
	}
	var tokens []token
	depth := 0
	for {
		if end, trim, ok := rightDelim(s.in, p); ok {
			if depth != 0 {
				return errSyntax
			}
			s.pos = end
			s.longest = max(s.longest, end-open)
			return s.act(open, trimLeft, tokens, trim)
		}
		if p >= len(s.in) {
			return errSyntax
		}
		t, err := s.token(p)
		if err != nil {
			return err
		}
		p = t.end
		switch t.kind {
		case ' ':
			continue
		case '(':
			if depth++; depth > maxParens {
				return errNested
			}
		case ')':
			if depth--; depth < 0 {
				return errSyntax
			}
		}
		tokens = append(tokens, t)
	}
}

// token reads the token at p, which is inside an action.
func (s *scanner) token(p int) (token, error) {
	r, w := utf8.DecodeRuneInString(s.in[p:])
	at := func(kind byte, end int) (token, error) { return token{kind, p, end}, nil }
	switch {
	case isSpace(r):
		return at(' ', p+w)
	case r == '`':
		x := strings.IndexByte(s.in[p+1:], '`')
		if x < 0 {
			return token{}, errSyntax
		}
		return at('o', p+x+2)
	case r == '"' || r == '\'':
		for i := p + 1; i < len(s.in); i++ {
			switch s.in[i] {
			case '\\':
				i++
				if i < len(s.in) && s.in[i] == '\n' {
					return token{}, errSyntax
				}
			case '\n':
				return token{}, errSyntax
			case s.in[p]:
				return at('o', i+1)
			}
		}
		return token{}, errSyntax
	case r == '(' || r == ')' || r == '|':
		return at(s.in[p], p+1)
	case r == '.' || r == '$' || isWord(r):
		end := p + w
		for end < len(s.in) {
			n, nw := utf8.DecodeRuneInString(s.in[end:])
			if !isWord(n) {
				break
			}
			end += nw
		}
		if isWord(r) && !unicode.IsDigit(r) {
			return at('i', end)
		}
		return at('o', end)
	default:
		return at('?', p+w)
	}
}

// act takes in an action with its tokens.
func (s *scanner) act(open int, trimLeft bool, tokens []token, trimRight bool) error {
	word := ""
	if len(tokens) > 0 && tokens[0].kind == 'i' {
		word = s.in[tokens[0].start:tokens[0].end]
	}
	if word != "define" && word != "end" {
		s.owner().solid = true
	}
	s.operands(tokens)
	s.watch(tokens)
	switch word {
	case "define", "block", "range", "if", "with":
		s.frames = append(s.frames, frame{word: word, body: s.pos, trim: trimRight})
		if len(s.frames) > maxBlocks {
			return errNested
		}
		if word == "range" {
			s.insert(s.pos, quiet(s.m.tick, false, trimRight))
		}
	case "else":
		f := &s.frames[len(s.frames)-1]
		if f.elses++; f.elses > maxBlocks {
			return errNested
		}
	case "end":
		if len(s.frames) == 1 {
			return errSyntax
		}
		f := s.frames[len(s.frames)-1]
		s.frames = s.frames[:len(s.frames)-1]
		if (f.word == "define" || f.word == "block") && f.solid {
			s.insert(f.body, quiet(s.m.enter+" .", false, f.trim))
			s.insert(open, quiet(s.m.leave, trimLeft, false))
		}
	}
	return nil
}

// operands puts the mark text around the first operand of each tpl.
func (s *scanner) operands(tokens []token) {
	for i, t := range tokens {
		if t.kind != 'i' || s.in[t.start:t.end] != "tpl" || i+1 == len(tokens) || tokens[i+1].start == t.end {
			continue
		}
		if end, ok := s.operand(tokens[i+1:]); ok {
			s.insert(tokens[i+1].start, "("+s.m.text+" ")
			s.insert(end, ")")
		}
	}
}

// operand is where the operand that tokens begin with ends.
func (s *scanner) operand(tokens []token) (end int, ok bool) {
	depth := 0
	for _, t := range tokens {
		if ok && (t.start != end || s.in[t.start] != '.') {
			return end, true // only fields may follow at once
		}
		switch t.kind {
		case '(':
			depth++
		case ')':
			depth--
		case 'i', 'o':
		default:
			if depth == 0 {
				return end, ok
			}
		}
		if depth < 0 {
			return end, ok
		}
		if depth == 0 {
			end, ok = t.end, true
		}
	}
	return end, ok
}

func (s *scanner) insert(at int, text string) { s.put = append(s.put, insertion{at, text}) }

// quiet is an action that prints nothing and leaves the trimming around it as it was.
func quiet(call string, trimLeft, trimRight bool) string {
	left, right := "{{", "}}"
	if trimLeft {
		left = "{{- "
	}
	if trimRight {
		right = " -}}"
	}
	return left + call + right
}

// spliced is in with the insertions, which are sorted.
func spliced(in string, put []insertion) string {
	var b strings.Builder
	at := 0
	for _, i := range put {
		b.WriteString(in[at:i.at])
		b.WriteString(i.text)
		at = i.at
	}
	b.WriteString(in[at:])
	return b.String()
}

func hasLeftTrim(s string) bool { return len(s) >= 2 && s[0] == '-' && isSpace(rune(s[1])) }

// rightDelim reports whether an action ends at p, where the text after it begins, and whether that is trimmed.
func rightDelim(s string, p int) (end int, trim, ok bool) {
	if len(s) >= p+4 && isSpace(rune(s[p])) && s[p+1] == '-' && s[p+2:p+4] == "}}" {
		return p + 4, true, true
	}
	return p + 2, false, strings.HasPrefix(s[p:], "}}")
}

func isSpace(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' }

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
