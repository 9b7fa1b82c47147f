package cause

import (
	"cmp"
	"path"
	"slices"

	"sigs.k8s.io/kustomize/api/konfig"
	kustypes "sigs.k8s.io/kustomize/api/types"

	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// buildKey tells builds apart: equal ones share their trace.
type buildKey struct {
	first  *tree.Read
	n      int
	prefix string
}

// build is what one build read of the repository under review.
type build struct {
	side    *side
	changed []string // of the files that differ, those that it read; sorted
	graph   *graph   // when first asked
	trace   tree.Trace
	prefix  string
}

// build of an applier. files differ, sorted.
func (s *side) build(a *render.Applier, files []string) *build {
	reads := a.Reads()
	if len(reads) == 0 {
		return nil
	}
	k := buildKey{&reads[0], len(reads), a.Prefix}
	if b, ok := s.builds[k]; ok {
		return b
	}
	b := &build{side: s, trace: reads, prefix: a.Prefix}
	if !slices.IsSortedFunc(reads, comparePaths) { // of an artifact that is put together
		b.trace = slices.SortedStableFunc(slices.Values(reads), comparePaths)
	}
	for _, file := range files {
		if b.reads(file) {
			b.changed = append(b.changed, file)
		}
	}
	s.builds[k] = b
	return b
}

func comparePaths(a, b tree.Read) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
}

// reads reports whether the build read the content of a file, or found that there is none.
func (b *build) reads(file string) bool {
	if b.prefix != "." && b.prefix != "" {
		inside, ok := cutFolder(file, b.prefix)
		if !ok {
			return false
		}
		file = inside
	}
	_, ok := slices.BinarySearchFunc(b.trace, file, func(r tree.Read, p string) int { return cmp.Compare(r.Path, p) })
	return ok
}

func cutFolder(file, folder string) (string, bool) {
	if n := len(folder); len(file) > n+1 && file[:n] == folder && file[n] == '/' {
		return file[n+1:], true
	}
	return "", false
}

// role is what a kustomization makes of a file.
type role int

const (
	asResource role = iota
	asComponent
	asPatch
	asInput // of a generator
	asOther // transformers, replacements and the like
)

// edge is one mention of a file in a kustomization.
type edge struct {
	from  string // the kustomization file
	role  role
	patch *kustypes.Patch
	kind  string // of what a generator makes
	name  string
}

// graph is how the files of a build hang together.
type graph struct {
	parents    map[string][]edge
	components map[string][]string // of a kustomization file: the files of the components that it lists
	loose      []string            // components that no kustomization lists: the applier itself does
	all        []string            // kustomization files, sorted
	ways       map[string]*way
}

// way is what lies between an object's file and the applier.
type way struct {
	above   map[string]bool // the file and the kustomizations that bring it
	affects map[string]bool // those, and their components
}

func (b *build) connected() *graph {
	if b.graph != nil {
		return b.graph
	}
	g := &graph{parents: map[string][]edge{}, components: map[string][]string{}, ways: map[string]*way{}}
	b.graph = g
	files := map[string]bool{}
	for _, r := range b.trace {
		if r.Kind == tree.Content && !r.Hash.IsZero() {
			p := path.Join(b.prefix, r.Path)
			files[p] = true
			if slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(p)) {
				g.all = append(g.all, p)
			}
		}
	}
	slices.Sort(g.all)
	for _, file := range g.all {
		k := b.side.kustomization(file)
		for _, m := range k.mentions {
			for _, p := range append([]string{m.path}, inFolder(m.path)...) {
				if !files[p] || p == file {
					continue
				}
				e := m.edge
				e.from = file
				g.parents[p] = append(g.parents[p], e)
				if e.role == asComponent {
					g.components[file] = append(g.components[file], p)
				}
			}
		}
	}
	for _, file := range g.all {
		if len(g.parents[file]) == 0 && b.side.kustomization(file).content.Kind == kustypes.ComponentKind {
			g.loose = append(g.loose, file)
		}
	}
	return g
}

func inFolder(dir string) []string {
	var out []string
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		out = append(out, path.Join(dir, name))
	}
	return out
}

// way from a file to the applier; "" is a file that is not known: all may affect it.
func (g *graph) way(file string) *way {
	if w := g.ways[file]; w != nil {
		return w
	}
	w := &way{above: map[string]bool{}, affects: map[string]bool{}}
	g.ways[file] = w
	if file == "" {
		for _, k := range g.all {
			w.affects[k] = true
		}
		return w
	}
	for queue := []string{file}; len(queue) > 0; queue = queue[1:] {
		if w.above[queue[0]] {
			continue
		}
		w.above[queue[0]] = true
		for _, e := range g.parents[queue[0]] {
			if e.role == asResource || e.role == asComponent {
				queue = append(queue, e.from)
			}
		}
	}
	var queue []string
	for k := range w.above {
		if k != file || slices.Contains(g.all, k) {
			queue = append(queue, k)
		}
	}
	for queue = append(queue, g.loose...); len(queue) > 0; queue = queue[1:] {
		if !w.affects[queue[0]] {
			w.affects[queue[0]] = true
			queue = append(queue, g.components[queue[0]]...)
		}
	}
	return w
}

// up are the kustomizations from a file, which is not among them, to the applier, on a shortest way.
func (g *graph) up(file string) []Step {
	from := map[string]string{file: ""}
	last := file
	for queue := []string{file}; len(queue) > 0; queue = queue[1:] {
		last = queue[0]
		if len(g.parents[last]) == 0 {
			break
		}
		for _, e := range g.parents[last] {
			if _, seen := from[e.from]; !seen {
				from[e.from] = last
				queue = append(queue, e.from)
			}
		}
	}
	var out []Step
	for ; last != file && last != ""; last = from[last] {
		out = append(out, Step{stepKustomization, last})
	}
	slices.Reverse(out)
	return out
}
