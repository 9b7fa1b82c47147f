package artifact

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"

	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// request is an artifact to be built.
type request struct {
	swv1.OutputArtifact
	labels map[string]string // captures, lower case
}

// captureName is what may stand between the braces of a pattern.
var captureName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// expand gives the artifacts that spec.artifacts stands for: itself, or with a
// pathPattern one of each for every folder that matches. Captures are lower case
// in names and labels, and as they are in paths; names must then differ.
//
// Source: source-watcher internal/controller/artifactgenerator_pathpattern.go.
func expand(spec *swv1.ArtifactGeneratorSpec, trees map[string]*tree.Tree, b *budget) ([]request, error) {
	var out []request
	if spec.PathPattern == "" {
		for _, a := range spec.OutputArtifacts {
			out = append(out, request{OutputArtifact: a})
		}
		return out, nil
	}
	fail := func(format string, args ...any) error {
		return fmt.Errorf("pathPattern %q: %w", spec.PathPattern, fmt.Errorf(format, args...))
	}
	from, ok := strings.CutPrefix(spec.PathPattern, "@")
	alias, pattern, slash := strings.Cut(from, "/")
	if !ok || !slash {
		return nil, fail("not @alias/pattern")
	}
	t := trees[alias]
	if t == nil {
		return nil, fail("source alias %q not found", alias)
	}
	matcher, names, err := compile(pattern)
	if err != nil {
		return nil, fail("%w", err)
	}
	seen := map[string]string{}
	err = t.Walk(".", func(p string, e tree.Entry) error {
		if err := b.spend(1); err != nil || !e.IsDir() {
			return err
		}
		found := matcher.FindStringSubmatch(p)
		if found == nil {
			return nil
		}
		raw, lower, err := captures(names, found)
		if err != nil {
			return err
		}
		for _, a := range spec.OutputArtifacts {
			r, err := fill(a, raw, lower)
			if err != nil {
				return fmt.Errorf("artifact %s for %s: %w", a.Name, p, err)
			}
			if old, ok := seen[r.Name]; ok {
				return fmt.Errorf("directories %q and %q both give the artifact name %q", old, p, r.Name)
			}
			seen[r.Name] = p
			if out = append(out, r); len(out) > maxArtifacts {
				return fmt.Errorf("more than %d artifacts: %w", maxArtifacts, tree.ErrTooLarge)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fail("%w", err)
	}
	return out, nil
}

// compile turns a pattern into an expression with a group for each capture.
func compile(pattern string) (matcher *regexp.Regexp, names []string, err error) {
	var expr strings.Builder
	expr.WriteByte('^')
	_, err = replace(pattern, func(name string) (string, error) {
		if slices.Contains(names, name) {
			return "", fmt.Errorf("duplicate capture %q", name)
		}
		if errs := content.IsLabelKey(name); len(errs) > 0 {
			return "", fmt.Errorf("capture %q is not a valid label key: %s", name, strings.Join(errs, "; "))
		}
		names = append(names, name)
		expr.WriteString("([^/]+)")
		return "", nil
	}, func(text string) { expr.WriteString(regexp.QuoteMeta(text)) })
	if err != nil {
		return nil, nil, err
	}
	expr.WriteByte('$')
	matcher, err = regexp.Compile(expr.String())
	return matcher, names, err
}

// captures gives the values of a match, as they are and in lower case.
func captures(names, found []string) (raw, lower map[string]string, err error) {
	raw, lower = map[string]string{}, map[string]string{}
	for i, name := range names {
		raw[name] = found[i+1]
		lower[name] = strings.ToLower(found[i+1])
		if errs := content.IsLabelValue(lower[name]); len(errs) > 0 {
			return nil, nil, fmt.Errorf("capture %s: %q is not a valid label value: %s", name, lower[name], strings.Join(errs, "; "))
		}
	}
	return raw, lower, nil
}

// fill puts the captures of a match into an artifact.
func fill(a swv1.OutputArtifact, raw, lower map[string]string) (request, error) {
	r := request{OutputArtifact: a, labels: lower}
	with := func(text string, values map[string]string) (string, error) {
		return replace(text, func(name string) (string, error) {
			if v, ok := values[name]; ok {
				return v, nil
			}
			return "", fmt.Errorf("%q: pathPattern has no capture %q", text, name)
		}, nil)
	}
	var err error
	if r.Name, err = with(a.Name, lower); err != nil {
		return request{}, err
	}
	if errs := apivalidation.NameIsDNSSubdomain(r.Name, false); len(errs) > 0 {
		return request{}, fmt.Errorf("%q is not a valid object name: %s", r.Name, strings.Join(errs, "; "))
	}
	r.Copy = make([]swv1.CopyOperation, len(a.Copy))
	for i, c := range a.Copy {
		if c.From, err = with(c.From, raw); err != nil {
			return request{}, err
		}
		if c.To, err = with(c.To, raw); err != nil {
			return request{}, err
		}
		r.Copy[i] = c
	}
	return r, nil
}

// replace puts a value in the place of every {name} of a text. The text between
// goes to literal, unless that is nil, and into the result.
func replace(text string, value func(name string) (string, error), literal func(string)) (string, error) {
	var out strings.Builder
	for rest := text; rest != ""; {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			i = len(rest)
		}
		if out.WriteString(rest[:i]); literal != nil {
			literal(rest[:i])
		}
		if rest = rest[i:]; rest == "" {
			break
		}
		end := strings.IndexByte(rest, '}')
		switch {
		case rest[0] == '}':
			return "", fmt.Errorf("%q: a closing brace has no opening one", text)
		case end < 0:
			return "", fmt.Errorf("%q: a brace is not closed", text)
		case !captureName.MatchString(rest[1:end]):
			return "", fmt.Errorf("%q: %q is not the name of a capture", text, rest[1:end])
		}
		v, err := value(rest[1:end])
		if err != nil {
			return "", err
		}
		out.WriteString(v)
		rest = rest[end+1:]
	}
	return out.String(), nil
}
