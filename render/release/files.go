package release

import (
	"encoding/base64"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	"sigs.k8s.io/yaml"
)

// contents stands in for a chart's .Files when two files have one name in different folders: Helm then lets chance
// decide which of them AsConfig and AsSecrets take. Here it is the last by path.
//
// Source: helm.sh/helm/v4 v4.2.4, pkg/engine/files.go.
type contents map[string][]byte

// ambiguous gives the files of a context when some share a name.
func ambiguous(files any) (contents, bool) {
	v := reflect.ValueOf(files)
	kind := reflect.TypeFor[contents]()
	if !v.IsValid() || v.Kind() != reflect.Map || !v.CanConvert(kind) {
		return nil, false
	}
	out, ok := reflect.TypeAssert[contents](v.Convert(kind))
	if !ok {
		return nil, false
	}
	return out, shareName(out)
}

func shareName(files contents) bool {
	seen := map[string]bool{}
	for name := range files {
		base := path.Base(name)
		if seen[base] {
			return true
		}
		seen[base] = true
	}
	return false
}

// GetBytes is the file of that path, or nothing.
func (f contents) GetBytes(name string) []byte {
	if v, ok := f[name]; ok {
		return v
	}
	return []byte{}
}

// Get is GetBytes as a text.
func (f contents) Get(name string) string { return string(f.GetBytes(name)) }

// Lines is the file of that path by its lines.
func (f contents) Lines(name string) []string {
	if f == nil || f[name] == nil {
		return []string{}
	}
	return strings.Split(strings.TrimSuffix(string(f[name]), "\n"), "\n")
}

// Glob gives the files that match.
func (f contents) Glob(pattern string) contents {
	g, err := glob.Compile(pattern, '/')
	if err != nil {
		g, _ = glob.Compile("**")
	}
	out := contents{}
	for name, data := range f {
		if g.Match(name) {
			out[name] = data
		}
	}
	return out
}

// AsConfig is the files as the data of a ConfigMap.
func (f contents) AsConfig() string { return f.data(func(b []byte) string { return string(b) }) }

// AsSecrets is the files as the data of a Secret.
func (f contents) AsSecrets() string { return f.data(base64.StdEncoding.EncodeToString) }

func (f contents) data(encode func([]byte) string) string {
	if f == nil {
		return ""
	}
	m := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(f)) {
		m[path.Base(name)] = encode(f[name])
	}
	data, err := yaml.Marshal(m)
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(data), "\n")
}
