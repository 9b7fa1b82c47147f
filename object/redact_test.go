package object

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var marks = regexp.MustCompile(`\[redacted hmac:[0-9a-f]{12}\]`)

// leaks says where a secret is printed. Marks count as one character that no secret has.
func leaks(printed any, secrets []string) error {
	out, err := json.Marshal(printed)
	if err != nil {
		return err
	}
	rest := marks.ReplaceAllString(string(out), "\x00")
	for _, s := range secrets {
		if strings.Contains(rest, s) || strings.Contains(rest, base64.StdEncoding.EncodeToString([]byte(s))) {
			return fmt.Errorf("secret %q is printed: %s", s, rest)
		}
	}
	return nil
}

// TestRedactorNeverPrintsSecrets puts secrets wherever the documentation of Redactor says they are found,
// and looks for them in bodies and in edits.
func TestRedactorNeverPrintsSecrets(t *testing.T) {
	// Letters that neither the fields, nor the other values, nor escapes of JSON have.
	secret := rapid.StringMatching(`[QZJ]{4,6}`)
	rapid.Check(t, func(t *rapid.T) {
		old, now := rapid.SliceOfN(secret, 1, 3).Draw(t, "old"), rapid.SliceOfN(secret, 1, 3).Draw(t, "new")
		a := NewBodySensitive(hiding(t, old, 2), old)
		b := NewBodySensitive(hiding(t, now, 2), now)
		r := NewRedactor(nil)
		edits := Diff(a, b, DiffOptions{})
		for what, c := range map[string]struct {
			printed any
			secrets []string
		}{
			"a": {r.Body(a), old}, "b": {r.Body(b), now},
			"edits":    {r.Edits(a, edits, b), append(slices.Clone(old), now...)},
			"mirrored": {r.Edits(b, edits, a), append(slices.Clone(old), now...)},
		} {
			if err := leaks(c.printed, c.secrets); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		}
	})
}

// TestSecretsNeedNoHelp does the same for Secrets, which must stay hidden although no value is declared
// sensitive and only one side is given.
func TestSecretsNeedNoHelp(t *testing.T) {
	secret := rapid.StringMatching(`[QZJ]{4,6}`)
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(secret, 1, 4).Draw(t, "secrets")
		side := func(name string) *Body {
			content := map[string]any{"kind": "List"}
			if rapid.Bool().Draw(t, name+" is one") {
				content = secretOf(t, all)
			}
			items := []any{}
			for range rapid.IntRange(0, 4).Draw(t, name+" items") {
				items = append(items, rapid.OneOf(
					rapid.Just[any](map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "data": map[string]any{"k": "v"}}),
					rapid.Custom(func(t *rapid.T) any { return secretOf(t, all) }),
				).Draw(t, "item"))
			}
			content["items"] = items
			content["named"] = map[string]any{"containers": []any{map[string]any{"name": "x", "template": secretOf(t, all)}}}
			return NewBody(content)
		}
		a, b := side("a"), side("b")
		r := NewRedactor(nil)
		edits := Diff(a, b, DiffOptions{})
		for what, printed := range map[string]any{
			"a": r.Body(a), "edits of a": r.Edits(a, edits), "edits of b": r.Edits(b, edits),
		} {
			if err := leaks(printed, all); err != nil {
				t.Errorf("%s: %v\na %s\nb %s", what, err, canonical(a.Map()), canonical(b.Map()))
			}
		}
	})
}

// secretOf makes a Secret that holds some of the secrets, in well-formed ways and others.
func secretOf(t *rapid.T, secrets []string) map[string]any {
	one := rapid.Map(rapid.SampledFrom(secrets), func(s string) any {
		return base64.StdEncoding.EncodeToString([]byte(s))
	})
	plain := rapid.Map(rapid.SampledFrom(secrets), func(s string) any { return s })
	key := rapid.SampledFrom([]string{"user", "tls.key", "finalizers", "containers", "name"})
	nested := rapid.OneOf(one, plain,
		rapid.Map(rapid.SliceOfN(plain, 0, 3), func(v []any) any { return v }),
		rapid.Map(plain, func(v any) any { return []any{map[string]any{"name": v}} }),
		rapid.Map(plain, func(v any) any { return map[string]any{v.(string): v} }))
	m := map[string]any{
		"apiVersion": rapid.SampledFrom([]string{"v1", "v2"}).Draw(t, "version"), "kind": "Secret",
		"metadata": map[string]any{
			"name": "s", "annotations": map[string]any{lastApplied: canonical(plain.Draw(t, "applied"))},
		},
	}
	for _, field := range []string{"data", "stringData"} {
		if rapid.Bool().Draw(t, field) {
			m[field] = rapid.MapOfN(key, nested, 0, 3).Draw(t, field)
		}
	}
	return m
}

// hiding makes a content with secrets in values, in field names and inside strings.
func hiding(t *rapid.T, secrets []string, depth int) map[string]any {
	out := map[string]any{}
	for i := range rapid.IntRange(1, 4).Draw(t, "fields") {
		s := rapid.SampledFrom(secrets).Draw(t, "secret")
		k := rapid.SampledFrom([]string{"a", "containers", "finalizers", "x-" + s, s}).Draw(t, "field")
		switch rapid.IntRange(0, 5).Draw(t, "form") {
		case 0:
			out[k] = s
		case 1:
			out[k] = "x" + s + s + "\n" + s[1:] + s
		case 2:
			out[k] = []any{map[string]any{"name": s, "value": int64(i)}, map[string]any{"name": "plain", "value": s}}
		case 3:
			out[k] = []any{s, "b" + s}
		case 4:
			out[k] = int64(i)
		default:
			if depth > 0 {
				out[k] = hiding(t, secrets, depth-1)
			}
		}
	}
	return out
}

func TestMarks(t *testing.T) {
	secret := func(value string) *Body {
		return NewBody(map[string]any{
			"apiVersion": "v1", "kind": "Secret",
			"stringData": map[string]any{"k": value},
			"data":       map[string]any{"k": base64.StdEncoding.EncodeToString([]byte(value))},
		})
	}
	mark := func(r *Redactor, b *Body, field string) string {
		return r.Body(b)[field].(map[string]any)["k"].(string)
	}
	r := NewRedactor([]byte("one"))
	if got := mark(r, secret("x"), "data"); !marks.MatchString(got) {
		t.Errorf("mark %q has another form", got)
	}
	if mark(r, secret("x"), "data") != mark(r, secret("x"), "stringData") {
		t.Error("data and stringData of one value have different marks")
	}
	if mark(r, secret("x"), "data") == mark(r, secret("y"), "data") {
		t.Error("different values have one mark")
	}
	if mark(r, secret("x"), "data") == mark(NewRedactor([]byte("two")), secret("x"), "data") {
		t.Error("different salts make one mark")
	}
	if one, two := NewRedactor(nil), NewRedactor(nil); mark(one, secret("x"), "data") == mark(two, secret("x"), "data") {
		t.Error("two random salts make one mark")
	}
	replaced := NewBodySensitive(map[string]any{"url": "u:longer@h"}, []string{"longer"})
	if got, want := r.Body(replaced)["url"], "u:"+mark(r, secret("longer"), "data")+"@h"; got != want {
		t.Errorf("a value inside a string is %q, want the mark it has in a Secret, %q", got, want)
	}
}

func TestRedactorCopies(t *testing.T) {
	b := NewBody(parse(t, "{apiVersion: v1, kind: Secret, data: {k: aHVudGVyMg==}, list: [{a: b}]}"))
	want := b.Hash()
	got := NewRedactor(nil).Body(b)
	got["list"].([]any)[0].(map[string]any)["a"] = "changed"
	if hashOf(b.Map()) != want {
		t.Error("the copy shares memory with the body")
	}
}

// TestEditsOfBothSides: each side of a rotation knows its own sensitive value only.
func TestEditsOfBothSides(t *testing.T) {
	a := NewBodySensitive(map[string]any{"args": []any{"--token=before1"}}, []string{"before1"})
	b := NewBodySensitive(map[string]any{"args": []any{"--token=after22"}}, []string{"after22"})
	got := NewRedactor(nil).Edits(b, Diff(a, b, DiffOptions{}), a)
	if err := leaks(got, []string{"before1", "after22"}); err != nil || len(got) != 1 {
		t.Errorf("%d edits: %v", len(got), err)
	}
	text := NewRedactor(nil).Text("token after22 in place of before1", a, nil, b)
	if rest := marks.ReplaceAllString(text, "*"); rest != "token * in place of *" {
		t.Errorf("Text = %q", rest)
	}
}

func TestEditsThatMakeASecret(t *testing.T) {
	a := NewBody(parse(t, "{outer: {apiVersion: v1, kind: ConfigMap, data: {k: aGFybWxlc3M=}}}"))
	b := NewBody(parse(t, "{outer: {apiVersion: v1, kind: Secret, data: {k: aHVudGVyMg==}}}"))
	c := NewBody(parse(t, "{outer: {apiVersion: example.com/v1, kind: Secret, data: {k: aGFybWxlc3M=}}}"))
	for name, edits := range map[string][]Edit{
		"kind":  NewRedactor(nil).Edits(a, Diff(a, b, DiffOptions{})),
		"group": NewRedactor(nil).Edits(c, Diff(c, b, DiffOptions{})),
	} {
		if err := leaks(edits, []string{"hunter2"}); err != nil || len(edits) == 0 {
			t.Errorf("%s: %d edits: %v", name, len(edits), err)
		}
	}
}

func TestSpellings(t *testing.T) {
	b := NewBodySensitive(map[string]any{
		"float": 1.5, "hex": int64(31), "trimmed": "tok-en", "overlap": "xabcdefx", "repeat": "ababab", "name": "namely",
	}, []string{"1.50", "0x1F", "tok-en\n", "abcd", "cdef", "abab", "name"})
	r := NewRedactor([]byte("s"))
	want := map[string]any{
		"float": r.mark("1.5"), "hex": r.mark("31"), "trimmed": r.mark("tok-en"),
		"overlap": "x" + r.mark("abcdef") + "x", "repeat": r.mark("ababab"), "name": r.mark("name") + "ly",
	}
	if diff := cmp.Diff(want, r.Body(b)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestNothingIsFormatted(t *testing.T) {
	b := NewBodySensitive(map[string]any{"apiVersion": "v1", "kind": "K", "metadata": map[string]any{"name": "n"}, "x": "hunter2"}, []string{"hunter2"})
	o, err := New(b, Origin{})
	if err != nil {
		t.Fatal(err)
	}
	edits := Diff(nil, b, DiffOptions{})
	for _, v := range []any{b, o, edits, NewRedactor([]byte("hunter2"))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
			if out := fmt.Sprintf(verb, v); strings.Contains(out, "hunter2") {
				t.Errorf("%s of %T prints a secret: %s", verb, v, out)
			}
		}
	}
}
