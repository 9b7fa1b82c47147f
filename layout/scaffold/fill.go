package scaffold

import (
	"embed"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
)

// Each template is a txtar archive, in whose text and file names [[ ]] is filled in.
//
//go:embed files/*.txtar
var templates embed.FS

// pair is a line of a YAML map.
type pair struct{ Key, Value string }

// pairs are those of a map, sorted by key.
func pairs(m map[string]string) []pair {
	var out []pair
	for _, k := range slices.Sorted(maps.Keys(m)) {
		out = append(out, pair{k, m[k]})
	}
	return out
}

// fill adds the files of a template to out. The templates are our own and the
// values were checked, so it panics where one does not fit.
func fill(out map[string]string, name string, values any) {
	text, err := templates.ReadFile("files/" + name + ".txtar")
	if err != nil {
		panic(err)
	}
	t, err := template.New(name).Delims("[[", "]]").Option("missingkey=error").Funcs(template.FuncMap{"y": scalar}).Parse(string(text))
	if err != nil {
		panic(err)
	}
	var b strings.Builder
	if err := t.Execute(&b, values); err != nil {
		panic(err)
	}
	for _, f := range txtar.Parse([]byte(b.String())).Files {
		data := strings.TrimRight(string(f.Data), "\n") + "\n"
		if had, taken := out[f.Name]; taken && had != data {
			panic(fmt.Sprintf("%s makes %s once more, and differently", name, f.Name))
		}
		out[f.Name] = data
	}
}

// scalar is a text as YAML reads it back as a text: quoted where it looks like
// a number, a date or a truth value.
func scalar(text string) (string, error) {
	data, err := yaml.Marshal(text)
	return strings.TrimSuffix(string(data), "\n"), err
}
