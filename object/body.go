package object

import (
	"encoding/hex"
	"slices"
	"sync"
	"sync/atomic"
	"unicode/utf8"
	"weak"

	"k8s.io/apimachinery/pkg/util/json"
)

// Hash is the SHA-256 of a content's canonical JSON. The zero Hash means unknown.
type Hash [32]byte

// String is 64 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero says whether the hash is unknown.
func (h Hash) IsZero() bool { return h == Hash{} }

// Body is the content of an object, immutable and safe for concurrent use. Objects of many
// clusters may share one.
//
// The content is held as a tree, which is quick to read, or as text, which takes a fifth of the memory:
// see [Body.Compact] and [Saved].
//
// Formatting a Body, by any verb, shows no content; a [Redactor] makes what may be printed.
type Body struct {
	content   atomic.Pointer[parsed] // nil when there is but the text
	sensitive []string

	once sync.Once
	hash Hash

	shrink sync.Once
	text   func() []byte                        // canonical JSON; nil until it is compact
	recent atomic.Pointer[weak.Pointer[parsed]] // of text, as long as somebody reads it
}

// parsed is a content as a tree.
type parsed struct{ m map[string]any }

// NewBody wraps content and takes ownership: the caller must not use it afterwards. Content is a
// tree of nil, bool, int64, float64, string, []any and map[string]any, what
// k8s.io/apimachinery's unstructured holds. Other Go values are turned into these: integers that
// fit become int64 and others float64, a json.Number becomes either, NaN and the infinities become their YAML
// spelling as strings, anything else becomes what encoding/json makes of it. Nil content is an empty map.
//
// Nothing may refer back to a container it is in.
func NewBody(content map[string]any) *Body { return NewBodySensitive(content, nil) }

// NewBodySensitive is [NewBody] for a content that holds values which must never be printed, for
// instance because a Flux Kustomization substituted them from a Secret. Values are plain text, in any order;
// empty ones are ignored. They do not count for [Body.Hash]: who shares bodies by hash must
// keep bodies with different sensitive values apart.
func NewBodySensitive(content map[string]any, values []string) *Body {
	if content == nil {
		content = map[string]any{}
	}
	normal, _ := normalizeMap(content)
	return newBody(normal, values)
}

// newBody wraps a content that is normal already.
func newBody(content map[string]any, values []string) *Body {
	b := &Body{}
	b.content.Store(&parsed{content})
	if len(values) > 0 {
		sorted := slices.Clone(values)
		slices.Sort(sorted)
		sorted = slices.Compact(sorted)
		if sorted[0] == "" {
			sorted = sorted[1:]
		}
		b.sensitive = slices.Clip(sorted)
	}
	return b
}

// Saved is the body with the hash and the text that [Body.Text] gave. The text is asked for when the
// content is, and may be asked for again; it has to be the same each time.
func Saved(h Hash, text func() []byte) *Body {
	b := &Body{hash: h, text: text}
	b.once.Do(func() {})
	return b
}

// Map is the content itself, never nil: read it, do not change it. It may hold secrets.
func (b *Body) Map() map[string]any {
	if t := b.content.Load(); t != nil {
		return t.m
	}
	if p := b.recent.Load(); p != nil {
		if t := p.Value(); t != nil {
			return t.m
		}
	}
	t := &parsed{map[string]any{}}
	_ = json.Unmarshal(b.text(), &t.m) // it is what Text wrote
	p := weak.Make(t)
	b.recent.Store(&p)
	return t.m
}

// maxNesting bounds how deep a text may be nested that is parsed again.
const maxNesting = 1000

// Text is the canonical JSON that [Body.Hash] is of, and false when no parser gives the content back:
// when it is not UTF-8, or nested more than a thousand deep.
func (b *Body) Text() ([]byte, bool) {
	t := b.content.Load()
	if t == nil {
		return b.text(), true
	}
	e := encoder{buf: make([]byte, 0, 1024)}
	e.value(t.m)
	return slices.Clip(e.buf), e.deepest <= maxNesting && utf8.Valid(e.buf)
}

// Compact lets go of the tree and keeps the text, to save memory: the content is parsed when it is
// asked for. What cannot be parsed again stays as it is.
func (b *Body) Compact() {
	b.shrink.Do(func() {
		if b.content.Load() == nil {
			return
		}
		text, ok := b.Text()
		if !ok {
			return
		}
		b.once.Do(func() { b.hash = sumOf(text) })
		b.text = func() []byte { return text }
		b.content.Store(nil)
	})
}

// Hash is the SHA-256 of the canonical JSON: keys sorted by bytes, no insignificant space, a number
// written by its value, so that int64 1 and float64 1 agree; nil lists and maps count as empty ones.
// It is computed once, on first use; the JSON itself is not kept.
//
// Two bodies have the same hash exactly when [Diff] of them is empty. Do not print the
// hash of a Secret: it is not salted, and a short value could be found by trying.
//
// Source: like RFC 8785, but keys are ordered by UTF-8 bytes and integers keep all 64 bits.
func (b *Body) Hash() Hash {
	b.once.Do(func() { b.hash = hashOf(b.Map()) })
	return b.hash
}

// Equal says whether both have the same content. Sensitive values are not compared. Nil equals only nil.
func (b *Body) Equal(other *Body) bool {
	if b == other {
		return true
	}
	return b != nil && other != nil && b.Hash() == other.Hash()
}

// Sensitive is the values that must not be printed wherever they occur in the content: sorted,
// without duplicates or empty strings; a copy. It is nil for most bodies.
func (b *Body) Sensitive() []string { return slices.Clone(b.sensitive) }

// String shows no content.
func (b *Body) String() string { return "[body]" }

// GoString shows no content.
func (b *Body) GoString() string { return "[body]" }
