package chart

import (
	"bytes"

	"sigs.k8s.io/yaml"
)

// indexByEntry reads a YAML index some entries at a time. It answers for the layout that
// tools write: "entries:" at the line's start, below it a key for each chart, below
// each key a list. Whatever it does not understand, anything wrong included, it leaves
// to the reader of whole documents, and says false.
//
// A piece that is cut wrongly is no YAML by itself: cut are only lines that begin a key
// or list item at an indent where the piece before must end. TestIndexByEntryIsIndex
// holds it to the reader of whole documents.
func indexByEntry(data []byte) (*indexHead, map[string]versions, bool) {
	if !plainDocument(data) {
		return nil, nil, false
	}
	before, body, after, ok := cutEntries(data)
	if !ok {
		return nil, nil, false
	}
	var head struct {
		indexHead
		Entries map[string]any `json:"entries"`
	}
	const here = "entries: {here: 1}\n"
	err := yaml.UnmarshalStrict(bytes.Join([][]byte{before, []byte(here), after}, nil), &head)
	if err != nil || len(head.Entries) != 1 { // the document may have ended before
		return nil, nil, false
	}
	charts := map[string]versions{}
	indent := -1
	for len(body) > 0 {
		var piece []byte
		if piece, body, indent, ok = cutChart(body, indent); !ok {
			return nil, nil, false
		}
		name, list, ok := chartEntries(piece)
		if _, twice := charts[name]; !ok || twice {
			return nil, nil, false
		}
		charts[name] = list
	}
	return &head.indexHead, charts, true
}

// plainDocument reports whether data is one document without anchors, in UTF-8, where
// only a line feed ends a line.
func plainDocument(data []byte) bool {
	if bytes.IndexByte(data, '&') >= 0 && bytes.IndexByte(data, '*') >= 0 {
		return false
	}
	if bytes.Count(data, []byte("\r")) != bytes.Count(data, []byte("\r\n")) {
		return false
	}
	for _, odd := range []string{"\x00", "\u0085", "\u2028", "\u2029", "\ufeff"} {
		if bytes.Contains(data, []byte(odd)) {
			return false
		}
	}
	for _, start := range []string{"---", "...", "%"} {
		rest := data
		if start == "---" {
			rest = bytes.TrimPrefix(rest, []byte("---\n"))
		}
		if bytes.HasPrefix(rest, []byte(start)) || bytes.Contains(rest, []byte("\n"+start)) {
			return false
		}
	}
	return true
}

// cutEntries cuts a document at the lines of its entries.
func cutEntries(data []byte) (before, body, after []byte, ok bool) {
	const key = "entries:"
	at := 0
	if !bytes.HasPrefix(data, []byte(key)) {
		if at = bytes.Index(data, []byte("\n"+key)) + 1; at == 0 {
			return nil, nil, nil, false
		}
	}
	before, body = data[:at], data[at:]
	line, rest := cutLine(body)
	if string(bytes.TrimRight(line, " \r\n")) != key {
		return nil, nil, nil, false
	}
	body = rest
	for end := 0; ; {
		line, more := cutLine(body[end:])
		if len(line) == 0 {
			return before, body, nil, true
		}
		if c := line[0]; c != ' ' && c != '\n' && c != '\r' && c != '#' {
			return before, body[:end], body[end:], true
		}
		end = len(body) - len(more)
	}
}

// cutChart cuts the lines of the first chart off body. A negative indent is to be
// found: that of the first key.
func cutChart(body []byte, indent int) (piece, rest []byte, found int, ok bool) {
	for end := 0; ; {
		line, more := cutLine(body[end:])
		if len(line) == 0 {
			return body, nil, indent, indent > 0
		}
		in, blank := indentOf(line)
		switch {
		case blank:
		case indent < 0:
			indent = in
		case in < indent || end == 0 && in != indent:
			return nil, nil, 0, false
		case in == indent && end > 0 && line[in] != '-' && !onlyBlank(body[:end]):
			return body[:end], body[end:], indent, true
		}
		end = len(body) - len(more)
	}
}

func onlyBlank(lines []byte) bool {
	for len(lines) > 0 {
		line, rest := cutLine(lines)
		if _, blank := indentOf(line); !blank {
			return false
		}
		lines = rest
	}
	return true
}

// chartEntries reads the lines of one chart: its key and the list below.
func chartEntries(piece []byte) (string, versions, bool) {
	key := piece
	for {
		line, rest := cutLine(key)
		if _, blank := indentOf(line); !blank || len(rest) == 0 {
			break
		}
		key = rest
	}
	line, body := cutLine(key)
	if !bytes.HasSuffix(bytes.TrimRight(line, " \r\n"), []byte(":")) {
		return chartAtOnce(piece) // the list is on the key's line
	}
	name, ok := keyName(line)
	if !ok {
		return "", nil, false
	}
	var list versions
	indent := -1
	for len(body) > 0 {
		rest, n := body, 0
		for ; len(rest) > 0 && len(body)-len(rest) < batch; n++ {
			if _, rest, indent, ok = cutItem(rest, indent); !ok {
				return chartAtOnce(piece)
			}
		}
		some, ok := readItems(body[:len(body)-len(rest)], n)
		if !ok {
			return "", nil, false
		}
		list, body = append(list, some...), rest
	}
	return name, list, true
}

func chartAtOnce(piece []byte) (string, versions, bool) {
	var whole map[string][]*indexEntry
	if err := yaml.UnmarshalStrict(piece, &whole); err != nil || len(whole) != 1 {
		return "", nil, false
	}
	for name, list := range whole {
		return name, condense(list), true
	}
	return "", nil, false
}

func keyName(line []byte) (string, bool) {
	var m map[string]any
	if err := yaml.UnmarshalStrict(line, &m); err != nil || len(m) != 1 {
		return "", false
	}
	for name, v := range m {
		return name, v == nil
	}
	return "", false
}

// batch is how much of a list is read at once, in bytes, or one item: the reader of YAML
// costs as much as some small items each time it starts.
const batch = 32 << 10

// readItems reads a list of n entries; the list it gives has the valid ones.
func readItems(items []byte, n int) (versions, bool) {
	var entries []*indexEntry
	if err := yaml.UnmarshalStrict(items, &entries); err != nil || len(entries) != n {
		return nil, false
	}
	return condense(entries), true
}

// cutItem cuts the lines of the first list item off body, as cutChart does.
func cutItem(body []byte, indent int) (item, rest []byte, found int, ok bool) {
	begun := false
	for end := 0; ; {
		line, more := cutLine(body[end:])
		if len(line) == 0 {
			return body, nil, indent, begun
		}
		in, blank := indentOf(line)
		dash := !blank && bytes.HasPrefix(line[in:], []byte("- "))
		switch {
		case blank:
		case !begun && !dash:
			return nil, nil, 0, false
		case indent < 0:
			indent, begun = in, true
		case in < indent || !begun && in != indent:
			return nil, nil, 0, false
		case in == indent && !dash:
			return nil, nil, 0, false
		case in == indent && begun:
			return body[:end], body[end:], indent, true
		default:
			begun = true
		}
		end = len(body) - len(more)
	}
}

// cutLine gives the first line with its end, and what follows.
func cutLine(data []byte) (line, rest []byte) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return data[:i+1], data[i+1:]
	}
	return data, nil
}

// indentOf counts the spaces that a line begins with; blank is a line with nothing but
// white space or a comment.
func indentOf(line []byte) (indent int, blank bool) {
	for indent < len(line) && line[indent] == ' ' {
		indent++
	}
	if indent == len(line) {
		return indent, true
	}
	c := line[indent]
	return indent, c == '\n' || c == '\r' || c == '#'
}
