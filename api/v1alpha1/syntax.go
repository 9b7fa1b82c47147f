package v1alpha1

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	yamlLine   = regexp.MustCompile(`^line (\d+): `)
	yamlAnchor = regexp.MustCompile(`^unknown anchor '(.+)' referenced$`)
)

// checkText wants UTF-8 without control characters, so that what is wrong with
// the bytes has a line too.
func checkText(file string, data []byte) error {
	line := 1
	for rest := data; len(rest) > 0; {
		c, n := utf8.DecodeRune(rest)
		switch {
		case c == utf8.RuneError && n <= 1:
			return &DocumentError{File: file, Line: line, Message: "the file is no UTF-8 text"}
		case c == '\n':
			line++
		case c < ' ' && c != '\t' && c != '\r', c == 0x7f:
			return &DocumentError{File: file, Line: line, Message: "the file holds a control character"}
		}
		rest = rest[n:]
	}
	return nil
}

// tabbed says whether a line begins with a tab, among spaces.
func tabbed(data []byte) bool {
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("\t")) {
			return true
		}
	}
	return false
}

// syntaxError is the YAML library's error with its line taken out of the text
// and put right.
//
// Source: parser.fail in go.yaml.in/yaml/v3 v3.0.4 decode.go. It gives the line
// before the real one for errors of the parser, those that begin "did not find
// expected", and none at all on the first line and for unknown anchors.
func syntaxError(file string, data []byte, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	e := &DocumentError{File: file, Line: 1}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		e.Line, _ = strconv.Atoi(m[1])
		text = text[len(m[0]):]
		if strings.HasPrefix(text, "did not find expected") {
			e.Line++
		}
	} else if m := yamlAnchor.FindStringSubmatch(text); m != nil {
		before, _, _ := bytes.Cut(data, []byte("*"+m[1]))
		e.Line += bytes.Count(before, []byte("\n"))
		e.Hint = "an alias stands for an anchor of its own document only"
	}
	if text == "found character that cannot start any token" && tabbed(data) {
		e.Hint = "YAML indents by spaces: replace the tabs at the beginning of lines"
	}
	e.Line = min(e.Line, 1+bytes.Count(bytes.TrimRight(data, "\n"), []byte("\n")))
	e.Message = "broken YAML: " + clip(text)
	return e
}
