package risk

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// body is the content of an object, nil for none. Read only.
func body(o *object.Object) map[string]any {
	if o == nil {
		return nil
	}
	return o.Body().Map()
}

// get follows keys into nested maps; nil when one is missing or holds no map.
func get(m map[string]any, keys ...string) any {
	var v any = m
	for _, k := range keys {
		next, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = next[k]
	}
	return v
}

// dict is [get] of a map; nil for anything else.
func dict(m map[string]any, keys ...string) map[string]any {
	v, _ := get(m, keys...).(map[string]any)
	return v
}

// list is [get] of a list; nil for anything else.
func list(m map[string]any, keys ...string) []any {
	v, _ := get(m, keys...).([]any)
	return v
}

// text is [get] of a string; "" for anything else.
func text(m map[string]any, keys ...string) string {
	v, _ := get(m, keys...).(string)
	return v
}

// flag is [get] of a boolean; false for anything else.
func flag(m map[string]any, keys ...string) bool {
	v, _ := get(m, keys...).(bool)
	return v
}

// number is [get] of a whole number; ok is false for anything else.
func number(m map[string]any, keys ...string) (n int64, ok bool) {
	switch v := get(m, keys...).(type) {
	case int64:
		return v, true
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1<<53 {
			return int64(v), true
		}
	}
	return 0, false
}

// texts are the strings of a list, in its order.
func texts(m map[string]any, keys ...string) (out []string) {
	for _, e := range list(m, keys...) {
		if s, ok := e.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// isKind reports whether the change is of an object of a group and kind.
func isKind(ch *impact.Change, group, kind string) bool {
	return ch.ID.Group == group && ch.ID.Kind == kind
}

// updated reports whether the object is there on both sides.
func updated(ch *impact.Change) bool { return ch.Before != nil && ch.After != nil }

// opaque reports whether a value is one that only the cluster knows: a variable that was
// left as it is, or SOPS ciphertext. Nothing can be said of what becomes of it.
func opaque(v any) bool {
	s, ok := v.(string)
	return ok && (strings.Contains(s, "${") || strings.HasPrefix(s, "ENC["))
}

const (
	mostValue   = 60  // characters of a value in a message
	mostMessage = 200 // characters of a message
)

//nolint:gochecknoglobals // constants
var (
	redactor = object.NewRedactor([]byte("marks are taken out again"))
	marks    = regexp.MustCompile(`\[redacted hmac:[0-9a-f]{12}\]`)
)

// told is a risk of a field of the object, "" for the whole. Message is formatted as [fmt.Sprintf] does; what
// of the arguments is read from an object goes through [show] first.
func told(ch *impact.Change, field, format string, args ...any) Risk {
	message := strings.TrimRight(plain(hidden(ch, fmt.Sprintf(format, args...))), ". ")
	return Risk{Field: plain(hidden(ch, field)), Message: clip(message, mostMessage)}
}

// show is a scalar of the change's object for a message: one short line, without what is
// secret. Maps and lists, and all of a Secret, are not shown.
func show(ch *impact.Change, v any) string {
	switch v.(type) {
	case nil:
		return "nothing"
	case map[string]any, []any:
		return "..."
	}
	s := fmt.Sprint(v)
	if isKind(ch, "", "Secret") || strings.HasPrefix(s, "ENC[") || hidden(ch, s) != s {
		return "[redacted]"
	}
	return clip(plain(s), mostValue)
}

// hidden is text without the values that either side of the change marks as secret. It is
// the same on every run, so that nothing of them is told, not even that two are equal.
func hidden(ch *impact.Change, s string) string {
	for _, o := range []*object.Object{ch.Before, ch.After} {
		if o == nil || len(o.Body().Sensitive()) == 0 {
			continue
		}
		if r := redactor.Text(s, o.Body()); r != s {
			s = marks.ReplaceAllString(r, "[redacted]")
		}
	}
	return s
}

// plain is text on one line, without characters that do not print.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == utf8.RuneError || !unicode.IsPrint(r):
			return ' '
		}
		return r
	}, s)
}

// clip shortens text to so many characters.
func clip(s string, most int) string {
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	r := []rune(s)
	return string(r[:most-3]) + "..."
}
