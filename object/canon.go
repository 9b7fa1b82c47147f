package object

import (
	"crypto/sha256"
	"hash"
	"math"
	"slices"
	"strconv"
)

// flushAt is the size in bytes at which an encoder hands its buffer to the hash.
const flushAt = 32 << 10

// encoder writes canonical JSON, to a hash if it has one, else to buf.
// Bytes that are not UTF-8 are written as they are, so that different strings stay different.
type encoder struct {
	buf  []byte
	sum  hash.Hash
	keys []string // a stack: the keys of the maps that are open

	depth, deepest int // of nesting
}

func hashOf(v any) Hash {
	e := encoder{sum: sha256.New(), buf: make([]byte, 0, 1024)}
	return e.hash(v)
}

// hash is the hash of v. The encoder may be used again.
func (e *encoder) hash(v any) Hash {
	e.sum.Reset()
	e.buf = e.buf[:0]
	e.value(v)
	e.sum.Write(e.buf)
	var h Hash
	e.sum.Sum(h[:0])
	return h
}

// sumOf is the hash of what has that canonical JSON.
func sumOf(text []byte) Hash { return sha256.Sum256(text) }

// canonical is the canonical JSON of v as text.
func canonical(v any) string {
	e := encoder{}
	e.value(v)
	return string(e.buf)
}

func (e *encoder) value(v any) {
	switch v := v.(type) {
	case nil:
		e.buf = append(e.buf, "null"...)
	case bool:
		e.buf = strconv.AppendBool(e.buf, v)
	case int64:
		e.buf = strconv.AppendInt(e.buf, v, 10)
	case float64:
		e.buf = appendFloat(e.buf, v)
	case string:
		e.text(v)
	case []any:
		e.deeper()
		e.buf = append(e.buf, '[')
		for i, el := range v {
			if i > 0 {
				e.buf = append(e.buf, ',')
			}
			e.value(el)
		}
		e.buf = append(e.buf, ']')
		e.depth--
	case map[string]any:
		e.object(v)
	default:
		// An edit made by hand may hold what no body holds.
		normal, _ := normalize(v)
		e.value(normal)
	}
	if e.sum != nil && len(e.buf) >= flushAt {
		e.sum.Write(e.buf)
		e.buf = e.buf[:0]
	}
}

func (e *encoder) object(m map[string]any) {
	e.deeper()
	start := len(e.keys)
	for k := range m {
		e.keys = append(e.keys, k)
	}
	end := len(e.keys)
	slices.Sort(e.keys[start:end])
	e.buf = append(e.buf, '{')
	for i := start; i < end; i++ {
		if i > start {
			e.buf = append(e.buf, ',')
		}
		k := e.keys[i]
		e.text(k)
		e.buf = append(e.buf, ':')
		e.value(m[k])
	}
	e.buf = append(e.buf, '}')
	e.keys = e.keys[:start]
	e.depth--
}

func (e *encoder) deeper() {
	e.depth++
	e.deepest = max(e.deepest, e.depth)
}

func (e *encoder) text(s string) { e.buf = appendText(e.buf, s) }

// appendText writes s as a JSON string with the fewest escapes.
func appendText(buf []byte, s string) []byte {
	const hexDigits = "0123456789abcdef"
	buf = append(buf, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		buf = append(buf, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			buf = append(buf, '\\', c)
		case '\n':
			buf = append(buf, '\\', 'n')
		case '\t':
			buf = append(buf, '\\', 't')
		case '\r':
			buf = append(buf, '\\', 'r')
		default:
			buf = append(buf, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	buf = append(buf, s[start:]...)
	return append(buf, '"')
}

// appendFloat writes a number that an int64 could hold as an integer, any other in its shortest form.
func appendFloat(buf []byte, f float64) []byte {
	if i, ok := integer(f); ok {
		return strconv.AppendInt(buf, i, 10)
	}
	return strconv.AppendFloat(buf, f, 'g', -1, 64)
}

// integer is f as an int64, if that is exact.
func integer(f float64) (int64, bool) {
	// 1<<63 itself is one too many; -1<<63 fits.
	if f != math.Trunc(f) || f < -1<<63 || f >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// scalarText is a scalar as a manifest would spell it: strings without quotes. It is "" and false for
// null, lists and maps.
func scalarText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool, int64, float64:
		return canonical(v), true
	default:
		return "", false
	}
}

// equal says whether two normal values have the same canonical JSON.
func equal(a, b any) bool {
	switch a := a.(type) {
	case nil:
		return b == nil
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case string:
		b, ok := b.(string)
		return ok && a == b
	case int64:
		switch b := b.(type) {
		case int64:
			return a == b
		case float64:
			i, ok := integer(b)
			return ok && a == i
		}
		return false
	case float64:
		switch b := b.(type) {
		case int64:
			i, ok := integer(a)
			return ok && i == b
		case float64:
			return a == b
		}
		return false
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && equalMaps(a, b)
	default:
		return false
	}
}

func equalMaps(a, b map[string]any) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		w, ok := b[k]
		if !ok || !equal(v, w) {
			return false
		}
	}
	return true
}
