package cause

import (
	"path"
	"strings"
)

const kindKustomization = "Kustomization"

// onTheWay are the files between the object's own and the applier that differ: kustomizations, and
// what they list that is not an object.
func (f *Finder) onTheWay(s *subject) []candidate {
	var out []candidate
	for i := range s.legs {
		l := &s.legs[i]
		if l.build == nil || len(l.build.changed) == 0 {
			continue
		}
		if l.applier.Kind != kindKustomization {
			out = append(out, f.chartFiles(s, l)...)
			continue
		}
		g := l.build.connected()
		w := g.way(l.file)
		for _, file := range l.build.changed {
			if c := f.relate(s, g, w, file); c.sure > unlikely {
				c.via = append(g.up(file), applierStep(l))
				out = append(out, c)
			}
		}
	}
	return out
}

// relate says what a file that differs has to do with the object; zero for nothing.
func (f *Finder) relate(s *subject, g *graph, w *way, file string) candidate {
	if w.affects[file] {
		how, direct := f.kustomizationDiff(file).touch(f, s, file, w)
		rank := rankKustomization
		if direct {
			rank = rankOwn
		}
		return candidate{file: file, rank: rank, sure: how, direct: direct}
	}
	best := candidate{file: file}
	for _, e := range g.into(w, file) {
		c := candidate{file: file, rank: rankPatch}
		switch e.role {
		case asPatch:
			c.sure = f.aims(s, e.patch, path.Dir(e.from))
		case asInput:
			switch {
			case s.generated(e, e.from):
				c.sure, c.direct, c.rank = sure, true, rankOwn
			case s.mentions(e.name):
				c.sure = sure
			default:
				c.sure = possible
			}
		case asOther:
			c.sure, c.rank = likely, rankOther
		case asResource, asComponent:
		}
		if c.sure > best.sure {
			best = c
		}
	}
	return best
}

// into are the mentions by which a file, or the kustomizations that bring it, enters a way.
func (g *graph) into(w *way, file string) []edge {
	var out []edge
	seen := map[string]bool{file: true}
	for queue := []string{file}; len(queue) > 0; queue = queue[1:] {
		for _, e := range g.parents[queue[0]] {
			switch {
			case w.affects[e.from]:
				out = append(out, e)
			case !seen[e.from]:
				seen[e.from] = true
				queue = append(queue, e.from)
			}
		}
	}
	return out
}

// chartFiles are those of a chart in the repository under review that differ.
func (f *Finder) chartFiles(s *subject, l *leg) []candidate {
	var out []candidate
	for _, file := range l.build.changed {
		if file == l.file {
			continue
		}
		c := candidate{file: file, via: []Step{applierStep(l)}, rank: rankOther, sure: likely}
		switch base := path.Base(file); {
		case base == "Chart.yaml" && (s.edits("helm.sh/chart", "app.kubernetes.io/version", "image") || s.ch.ID.Kind == "CustomResourceDefinition"):
			c.sure = sure
		case strings.Contains(file, "/templates/") && !strings.HasPrefix(base, "_") && !strings.HasSuffix(base, ".tpl"), strings.Contains(file, "/crds/"):
			c.sure = possible // another object's
		}
		out = append(out, c)
	}
	return out
}

// read are the files that differ and that the object's build read, or that are in its artifact,
// whatever they have to do with it.
func (f *Finder) read(s *subject) []candidate {
	var out []candidate
	for i := range s.legs {
		l := &s.legs[i]
		if l.applier == nil || !f.ours(l.applier) {
			continue
		}
		add := func(file string, how strength) {
			var via []Step
			if l.build != nil && l.applier.Kind == kindKustomization {
				via = l.build.connected().up(file)
			}
			out = append(out, candidate{file: file, via: append(via, applierStep(l)), rank: rankRead, sure: how})
		}
		if l.build != nil {
			for _, file := range l.build.changed {
				add(file, possible)
			}
		}
		for _, file := range f.files {
			if l.applier.Holds(file) {
				add(file, possible)
			}
		}
	}
	return out
}
