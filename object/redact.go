package object

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
)

// lastApplied is the annotation in which kubectl keeps a whole manifest, a Secret's too.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

// sopsPrefix begins a value that SOPS encrypted.
const sopsPrefix = "ENC["

// Redactor replaces secret values by a mark, "[redacted hmac:0123456789ab]": twelve hexadecimal digits
// of the HMAC-SHA-256 of the value. Equal values get equal marks from one redactor, so that a reader
// sees whether a secret changed, but not what it is.
//
// Secret are: the values under data and stringData of a core Secret, also of one inside another
// object; the last-applied-configuration annotation; strings that begin with "ENC[" in an object that has a
// top-level sops map; and every occurrence of [Body.Sensitive] values, in field names too. A value shorter
// than four bytes is redacted only where it is a whole string; a number or boolean is redacted when it
// is spelled like a sensitive value. The keys of data and stringData are not secret.
//
// A Redactor is safe for concurrent use.
type Redactor struct {
	salt []byte
}

// NewRedactor makes a redactor whose marks depend on salt; the caller may reuse the slice.
// An empty salt stands for a random one: then marks differ from run to run.
func NewRedactor(salt []byte) *Redactor {
	r := &Redactor{salt: slices.Clone(salt)}
	if len(r.salt) == 0 {
		r.salt = make([]byte, 32)
		_, _ = rand.Read(r.salt) // never fails, by its documentation
	}
	return r
}

// String shows no salt.
func (r *Redactor) String() string { return "[redactor]" }

// GoString shows no salt.
func (r *Redactor) GoString() string { return "[redactor]" }

// Digest is the same for the same text from redactors with one salt: 32 hexadecimal digits of an
// HMAC-SHA-256, which is that of no mark. It says nothing of a text that cannot be guessed together with the salt.
func (r *Redactor) Digest(text string) string {
	h := hmac.New(sha256.New, r.salt)
	h.Write([]byte("digest\x00"))
	h.Write([]byte(text))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// mark stands for a secret text.
func (r *Redactor) mark(secret string) string {
	h := hmac.New(sha256.New, r.salt)
	h.Write([]byte(secret))
	return "[redacted hmac:" + hex.EncodeToString(h.Sum(nil)[:6]) + "]"
}

// Body is a copy of the content that is safe to print and belongs to the caller; nil for a nil body.
func (r *Redactor) Body(b *Body) map[string]any {
	if b == nil {
		return nil
	}
	w := r.over(b)
	out, _ := w.value(b.Map(), open).(map[string]any)
	return out
}

// Edits is a copy of edits that is safe to print. They must belong to the object of b; the bodies of
// both sides should be given, in either order, since each has its own sensitive values. A nil body is ignored.
func (r *Redactor) Edits(b *Body, edits []Edit, more ...*Body) []Edit {
	w := r.over(append([]*Body{b}, more...)...)
	w.learn(edits)
	out := make([]Edit, len(edits))
	for i, e := range edits {
		path, v := w.follow(e.Path)
		out[i] = Edit{Path: path, Op: e.Op, From: w.value(e.From, v), To: w.value(e.To, v)}
	}
	return out
}

// Text is text, such as a message that quotes a value, without the sensitive values of the bodies it
// speaks of. Text that is secret for its place in a content is not recognised: do not quote Secrets.
func (r *Redactor) Text(text string, bodies ...*Body) string {
	out, _ := r.over(bodies...).leaf(text).(string)
	return out
}

// view says how much of a value may be seen.
type view uint8

const (
	open      view = iota // what is not secret by itself
	entries               // a map of secret texts: the keys
	entries64             // a map of secrets in base64: the keys
	shut                  // nothing
	shut64                // nothing, and it is base64
)

// redaction is a Redactor at work on one object.
type redaction struct {
	*Redactor
	matcher
	bodies []*Body
	sops   bool // strings that SOPS encrypted are secret
	nested bool // some body has a Secret inside
	// Paths of maps whose kind, or apiVersion, the edits change: one side may be a Secret.
	kinds, versions map[string]bool
}

// over prepares to redact what belongs to one object.
func (r *Redactor) over(bodies ...*Body) *redaction {
	w := &redaction{Redactor: r}
	var values []string
	for _, b := range bodies {
		if b == nil {
			continue
		}
		w.bodies = append(w.bodies, b)
		values = append(values, b.sensitive...)
		if _, ok := b.Map()["sops"].(map[string]any); ok {
			w.sops = true
		}
	}
	w.matcher = newMatcher(values)
	return w
}

// value is a copy of v without secrets.
func (w *redaction) value(v any, s view) any {
	switch c := v.(type) {
	case nil:
		return nil
	case map[string]any:
		if s == shut || s == shut64 {
			break
		}
		secret := s == open && isSecret(c)
		out := make(map[string]any, len(c))
		for k, el := range c {
			out[w.field(k)] = w.value(el, s.down(k, secret))
		}
		return out
	case []any:
		if s != open {
			break
		}
		out := make([]any, len(c))
		for i, el := range c {
			out[i] = w.value(el, open)
		}
		return out
	}
	if s != open {
		return w.hide(v, s)
	}
	return w.leaf(v)
}

// down is the view of the value under a field.
func (s view) down(field string, secret bool) view {
	switch {
	case s == entries:
		return shut
	case s == entries64:
		return shut64
	case s != open:
		return s
	case field == lastApplied:
		return shut
	case secret && field == "data":
		return entries64
	case secret && field == "stringData":
		return entries
	default:
		return open
	}
}

// hide marks a value that is secret as a whole.
func (w *redaction) hide(v any, s view) string {
	text, ok := v.(string)
	if !ok {
		return w.mark(canonical(v))
	}
	if s == shut64 || s == entries64 {
		if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
			return w.mark(string(plain))
		}
	}
	return w.mark(text)
}

// leaf redacts a scalar that is not secret by itself.
func (w *redaction) leaf(v any) any {
	text, ok := v.(string)
	if !ok {
		v, _ = normalize(v)
		if spelled, ok := scalarText(v); ok && w.whole[spelled] {
			return w.mark(spelled)
		}
		return v
	}
	if w.sops && strings.HasPrefix(text, sopsPrefix) || w.whole[text] {
		return w.mark(text)
	}
	return w.replace(text, w.mark)
}

// isSecret says whether m is a Secret of the core group, in any version.
func isSecret(m map[string]any) bool {
	version, _ := m["apiVersion"].(string)
	return m["kind"] == "Secret" && !strings.Contains(version, "/")
}

// learn gathers what the paths of edits do not say by themselves.
func (w *redaction) learn(edits []Edit) {
	w.kinds, w.versions = map[string]bool{}, map[string]bool{}
	for _, e := range edits {
		n := len(e.Path)
		if n == 0 {
			continue
		}
		w.sops = w.sops || e.Path[0].Field == "sops"
		switch e.Path[n-1].Field {
		case "kind":
			if e.From == "Secret" || e.To == "Secret" {
				w.kinds[e.Path[:n-1].String()] = true
			}
		case "apiVersion":
			w.versions[e.Path[:n-1].String()] = true
		}
	}
	for _, b := range w.bodies {
		w.nested = w.nested || holdsSecret(b.Map())
	}
}

// holdsSecret says whether v is or contains a Secret.
func holdsSecret(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		if isSecret(v) {
			return true
		}
		for _, el := range v {
			if holdsSecret(el) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, holdsSecret)
	}
	return false
}

// follow is a path without secrets, and the view of what it leads to.
func (w *redaction) follow(p Path) (Path, view) {
	out := make(Path, len(p))
	s := open
	for i, step := range p {
		out[i] = w.step(step, s)
		secret := s == open && (step.Field == "data" || step.Field == "stringData") && w.secretAt(p[:i])
		s = s.down(step.Field, secret)
	}
	return out, s
}

// secretAt says whether p leads to a Secret in any of the bodies, or in the other side of the edits. It may
// be so below an element of a list, since an element's place differs from side to side.
func (w *redaction) secretAt(p Path) bool {
	prefix := p.String()
	if w.kinds[prefix] {
		return true
	}
	for _, b := range w.bodies {
		m := b.Map()
		for _, step := range p {
			if step.Kind != Field {
				return w.nested
			}
			m, _ = m[step.Field].(map[string]any)
		}
		if isSecret(m) || w.versions[prefix] && m["kind"] == "Secret" {
			return true
		}
	}
	return false
}

// step is one step without secrets.
func (w *redaction) step(s Step, v view) Step {
	switch {
	case s.Kind == Field && (v == shut || v == shut64):
		s.Field = w.mark(s.Field)
	case s.Kind == Field:
		s.Field = w.field(s.Field)
	case s.Kind == Key:
		keys := make([]KeyValue, len(s.Keys))
		for i, kv := range s.Keys {
			keys[i] = KeyValue{Name: w.field(kv.Name), Value: w.value(kv.Value, v)}
		}
		s.Keys = keys
	}
	return s
}
