package rule

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// readings say which appliers read which files of the repository under review.
type readings struct {
	// files by path, with the appliers that read their content, in the order of the estate.
	files map[string][]*estate.Applier
	// folders that hold a file that is read.
	folders map[string]bool
	// paths of files, sorted.
	paths []string
}

// readsOf are the readings of an estate. They are worked out once.
func readsOf(x *Context) *readings {
	return once(x, "readings", func() *readings {
		r := &readings{files: map[string][]*estate.Applier{}, folders: map[string]bool{}}
		for _, c := range x.Clusters {
			for _, a := range c.Appliers {
				if a.Own {
					r.add(a)
				}
			}
		}
		for p := range r.files {
			r.paths = append(r.paths, p)
			r.folders[path.Dir(p)] = true
		}
		slices.Sort(r.paths)
		return r
	})
}

func (r *readings) add(a *estate.Applier) {
	for _, read := range a.Reads {
		if read.Kind != tree.Content || read.Hash.IsZero() {
			continue
		}
		p := path.Join(a.Prefix, read.Path)
		r.files[p] = append(r.files[p], a)
	}
}

// targets are the clusters that appliers write to, in their order, each once.
func targets(appliers []*estate.Applier) (out []*estate.Cluster) {
	for _, a := range appliers {
		if !slices.Contains(out, a.Target) {
			out = append(out, a.Target)
		}
	}
	return out
}

// following are the appliers that follow the repository under review as it is: those pinned to another ref see nothing of a change.
func following(appliers []*estate.Applier) (out []*estate.Applier) {
	for _, a := range appliers {
		if !a.Pinned {
			out = append(out, a)
		}
	}
	return out
}

// clusterNames are the names of clusters, in their order.
func clusterNames(list []*estate.Cluster) (out []string) {
	for _, c := range list {
		out = append(out, c.Name)
	}
	return out
}

// manifest is a document of a file of the repository under review.
type manifest struct {
	content map[string]any
	node    *yaml.Node
}

func (m *manifest) kind() string  { return estate.Text(m.content, "kind") }
func (m *manifest) name() string  { return estate.Text(m.content, "metadata", "name") }
func (m *manifest) group() string { return groupOf(estate.Text(m.content, "apiVersion")) }

// kustomization reports whether it is a file that "kustomize build" reads.
func (m *manifest) kustomization() bool { return m.group() == "kustomize.config.k8s.io" }

func groupOf(apiVersion string) string {
	group, _, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return ""
	}
	return group
}

// mostYAML is how long a file may be to be looked into.
const mostYAML = 4 << 20

// manifestsOf are the documents of a file; what is no map, and what comes after what cannot be read, is left out.
func manifestsOf(x *Context, file string) []*manifest {
	return once(x, "manifests "+file, func() (out []*manifest) {
		if x.Files == nil || !yamlFile(file) {
			return nil
		}
		data, err := x.Files.ReadFile(file)
		if err != nil || len(data) > mostYAML {
			return nil
		}
		d := yaml.NewDecoder(strings.NewReader(string(data)))
		for {
			var n yaml.Node
			if err := d.Decode(&n); err != nil {
				return out // the end, or what cannot be read
			}
			m := &manifest{node: &n}
			if n.Decode(&m.content) == nil && m.content != nil {
				out = append(out, m)
			}
		}
	})
}

func yamlFile(file string) bool {
	ext := path.Ext(file)
	return ext == ".yaml" || ext == ".yml"
}

// line of a field of a manifest; of the document when there is none.
func (m *manifest) line(fields ...string) int {
	n := m.node
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	at := n.Line
	for _, f := range fields {
		if n.Kind != yaml.MappingNode {
			break
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == f {
				at, n = n.Content[i].Line, n.Content[i+1]
				break
			}
		}
	}
	return at
}

// entryFolders are the folders at which Flux starts on clusters, to the clusters that start there.
func entryFolders(x *Context) map[string][]*estate.Cluster {
	return once(x, "entry folders", func() map[string][]*estate.Cluster {
		out := map[string][]*estate.Cluster{}
		add := func(dir string, c *estate.Cluster) {
			if dir = path.Clean(strings.TrimPrefix(dir, "./")); dir != "." && c != nil && !slices.Contains(out[dir], c) {
				out[dir] = append(out[dir], c)
			}
		}
		for name, d := range x.Declared {
			for _, dir := range d.Spec.EntryPaths() {
				add(dir, x.Cluster(name))
			}
		}
		for _, c := range x.Clusters {
			for _, a := range c.Homed {
				if len(a.Chain) == 0 && a.Own && a.Kind == estate.KustomizationKind {
					add(path.Join(a.Prefix, a.Path), c)
				}
			}
		}
		for _, list := range out {
			slices.SortFunc(list, func(a, b *estate.Cluster) int { return cmp.Compare(a.Name, b.Name) })
		}
		return out
	})
}

// entryOf is the entry folder that a path is in, the deepest; "" for none.
func entryOf(x *Context, p string) string {
	folders := entryFolders(x)
	for dir := p; dir != "." && dir != "/"; dir = path.Dir(dir) {
		if folders[dir] != nil {
			return dir
		}
	}
	return ""
}
