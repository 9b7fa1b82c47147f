package render

import (
	"encoding/json"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// clean makes kustomize's message fit to show: paths from the source's root, on
// one line, not endless.
func clean(err error) string {
	msg := strings.ReplaceAll(err.Error(), artifactRoot+"/", "")
	msg = strings.ReplaceAll(msg, artifactRoot, ".")
	msg = hide(strings.Join(strings.Fields(msg), " "))
	const most = 600
	if len(msg) > most {
		msg = strings.ToValidUTF8(msg[:most], "") + " …"
	}
	return msg
}

// quoted are the places where kustomize and the YAML packages print contents, which
// may be those of a Secret, and what is left of them.
var quoted = []struct { //nolint:gochecknoglobals // a constant list
	pattern *regexp.Regexp
	left    string
}{
	{regexp.MustCompile("with config: `.*`"), "with config: …"},
	{regexp.MustCompile(`patch from \[.*\]`), "patch from […]"},
	{regexp.MustCompile(`literal sources \[.*\]`), "literal sources […]"},
	{regexp.MustCompile(`invalid literal source .*, expected`), "invalid literal source, expected"},
	{regexp.MustCompile(`(?s)node contents: .*`), "node contents: …"},
	{regexp.MustCompile(`(?s)value: \{.*\}`), "value: {…}"},
	{regexp.MustCompile(`in object \{(\{[^}]*\}).*`), "in object $1"},
	{regexp.MustCompile(`is missing in '.*'`), "is missing"},
	{regexp.MustCompile(`unknown anchor '[^']*'`), "unknown anchor"},
	{regexp.MustCompile("`[^`]*` into"), "… into"},
}

// hide takes out of a message what it quotes of the input.
func hide(msg string) string {
	if before, dump, ok := strings.Cut(msg, "produces ID conflict: ["); ok {
		msg = before + "produces ID conflict: " + strings.Join(dumped(dump), ", ")
	}
	for _, q := range quoted {
		msg = q.pattern.ReplaceAllString(msg, q.left)
	}
	return msg
}

// dumped names the objects that a message holds in full.
func dumped(text string) (names []string) {
	dec := json.NewDecoder(strings.NewReader(text))
	for {
		var o struct {
			Kind     string
			Metadata struct{ Name, Namespace string }
		}
		if dec.Decode(&o) != nil {
			return names
		}
		names = append(names, path.Join(o.Kind, o.Metadata.Namespace, o.Metadata.Name))
	}
}

// scrub takes the values of Secrets out of every text of the evaluation.
func (v *evaluator) scrub() {
	r := scrubber(v.secrets)
	if r == nil {
		return
	}
	clear := func(texts ...*string) {
		for _, t := range texts {
			*t = r.Replace(*t)
		}
	}
	out := v.out
	scrubSource(&out.applier.Source, v.secrets)
	for i := range out.failures {
		f := &out.failures[i]
		clear(&f.File, &f.Message, &f.Hint)
	}
	for i := range out.unresolved {
		u := &out.unresolved[i]
		clear(&u.Subject, &u.Reason, &u.Hint)
	}
	for i := range out.notes {
		clear(&out.notes[i].Subject, &out.notes[i].Message)
	}
}

// shortSecret is the length in bytes below which a value says nothing by itself
// and would be found everywhere.
const shortSecret = 4

// holdsSecret reports whether text holds one of the values of Secrets.
func holdsSecret(text string, secrets []string) bool {
	return slices.ContainsFunc(secrets, func(s string) bool {
		return text == s || len(s) >= shortSecret && strings.Contains(text, s)
	})
}

var pathInMessage = regexp.MustCompile(`[A-Za-z0-9_.@/+-]+\.(?:ya?ml|json|env|toml|properties)|[A-Za-z0-9_.@+-]+(?:/[A-Za-z0-9_.@+-]+)+`)

// fileIn is the file that a message is about, as far as it names one: the last
// path in it that exists in t, or the folder itself.
func fileIn(msg string, t *tree.Tree, dir string) string {
	found := dir
	for _, p := range pathInMessage.FindAllString(msg, -1) {
		p = strings.TrimLeft(strings.TrimRight(p, "./"), "/")
		for _, candidate := range []string{p, path.Join(dir, p)} {
			if e, err := t.Stat(path.Clean(candidate)); err == nil && !e.IsDir() {
				found = path.Clean(candidate)
			}
		}
	}
	return found
}

// fileOf is the file of a build's item, or "" when it is not known.
func fileOf(b *build, i int) string {
	if files := b.origins(); i < len(files) {
		return files[i]
	}
	return ""
}

// scrubber takes secret values out of a text; nil when there is none.
func scrubber(secrets []string) *strings.Replacer {
	var pairs []string
	for _, s := range secrets {
		if len(s) >= shortSecret {
			pairs = append(pairs, s, "[redacted]")
		}
	}
	if len(pairs) == 0 {
		return nil
	}
	return strings.NewReplacer(pairs...)
}

func scrubSource(s *object.Source, secrets []string) {
	if r := scrubber(secrets); r != nil {
		s.URL, s.Revision = r.Replace(s.URL), r.Replace(s.Revision)
	}
}
