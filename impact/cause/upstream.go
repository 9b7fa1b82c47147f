package cause

import (
	"path"
	"regexp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// API groups of Flux.
const (
	sourceGroup    = "source.toolkit.fluxcd.io"
	generatorGroup = "source.extensions.fluxcd.io"
	operatorGroup  = "fluxcd.controlplane.io"
)

// groups of the kinds of appliers.
var groups = map[string]string{ //nolint:gochecknoglobals // a constant table
	kindKustomization: "kustomize.toolkit.fluxcd.io", "HelmRelease": "helm.toolkit.fluxcd.io", "ResourceSet": operatorGroup,
}

// upstream are the causes of what the object's applier is made of: its own object, what it refers to, and
// the sync of the cluster.
func (f *Finder) upstream(s *subject) []candidate {
	var out []candidate
	for _, l := range s.owners() {
		a := l.applier
		id := l.id()
		if ch := f.changes[place{a.Home, id}]; ch != nil && ch != s.ch {
			if how := f.respecified(s, ch); how > unlikely {
				out = append(out, f.through(ch, Step{stepObject, a.String()}, nil, rankApplier, how)...)
			}
		}
		out = append(out, f.references(s, &l, id)...)
		out = append(out, f.fromEntry(s, &l)...)
	}
	return out
}

// through are the causes of another change that lead on to the object.
func (f *Finder) through(ch *impact.Change, at Step, then []Step, rank int, how strength) []candidate {
	var out []candidate
	for _, c := range f.trace(ch) {
		via := append(append(slices.Clone(c.via), at), then...)
		out = append(out, candidate{file: c.file, via: via, rank: rank, sure: how})
	}
	return out
}

// references follows what an applier refers to, and what that refers to, as far as it changes.
func (f *Finder) references(s *subject, l *leg, id object.ID) []candidate {
	type visit struct {
		id   object.ID
		then []Step
	}
	var out []candidate
	seen := map[object.ID]bool{id: true}
	home := l.applier.Home
	queue := []visit{{id, nil}}
	for ; len(queue) > 0 && len(seen) < 64; queue = queue[1:] {
		at := queue[0]
		refs := refsOf(f.before.get(home, at.id), f.before, home)
		refs = append(refs, refsOf(f.after.get(home, at.id), f.after, home)...)
		for _, to := range refs {
			if seen[to] || len(at.then) > maxDepth {
				continue
			}
			seen[to] = true
			step, rank := Step{stepSource, shortName(to)}, rankSource
			if to.Group != sourceGroup && to.Group != generatorGroup {
				step, rank = Step{stepObject, shortName(to)}, rankValues
			}
			then := append([]Step{step}, at.then...)
			queue = append(queue, visit{to, then})
			if ch := f.changes[place{home, to}]; ch != nil && ch != s.ch {
				how := likely
				if rank == rankValues {
					how = f.uses(s, l, ch)
				} else if l.applier.Kind == kindKustomization {
					how = remade(l, ch)
				}
				if s.legs[0].build != nil && s.legs[1].build != nil && rank == rankSource {
					how = min(how, likely) // both revisions of this repository are read, before and after
				}
				if own := f.changes[place{home, id}]; own != nil && own.Kind == ch.Kind && ch.Kind != impact.Changed {
					how = possible // it comes or goes with the applier
				}
				out = append(out, f.through(ch, step, append(slices.Clone(at.then), applierStep(l)), rank, how)...)
			}
		}
	}
	return out
}

// id of the applier's own object.
func (l *leg) id() object.ID {
	a := l.applier
	return object.ID{Group: groups[a.Kind], Kind: a.Kind, Namespace: a.Namespace, Name: a.Name}
}

// content are the fields of sources and generators that say what is in them; the others say how they are
// fetched.
var content = map[string]bool{ //nolint:gochecknoglobals // a constant set
	"url": true, "ref": true, "ignore": true, "include": true, "sparseCheckout": true, "recurseSubmodules": true, "layerSelector": true,
	"endpoint": true, "bucketName": true, "prefix": true, "region": true, "chart": true, "version": true, "valuesFiles": true, "sourceRef": true,
	"sources": true, "artifacts": true, "pathPattern": true,
}

// remade is how sure it is that the change of a source makes what a Kustomization is built from
// another: of a generator, that of its artifact.
func remade(l *leg, ch *impact.Change) strength {
	if ch.Before == nil || ch.After == nil {
		return sure
	}
	other := false // than the list of artifacts
	listed := false
	for _, e := range ch.Edits {
		if len(e.Path) < 2 || e.Path[0].Field != "spec" || !content[e.Path[1].Field] {
			continue
		}
		listed = listed || e.Path[1].Field == "artifacts"
		other = other || e.Path[1].Field != "artifacts"
	}
	if !listed || other {
		if other {
			return sure
		}
		return possible
	}
	o := l.side.get(l.applier.Home, l.id())
	if o == nil {
		return likely
	}
	specA, specB := mapAt(ch.Before.Body().Map(), "spec"), mapAt(ch.After.Body().Map(), "spec")
	name := textOf(mapAt(o.Body().Map(), "spec", "sourceRef"), "name")
	for _, made := range odd(listAt(specA, "artifacts"), listAt(specB, "artifacts")) {
		if textOf(made, "name") == name {
			return sure
		}
	}
	return possible
}

func shortName(id object.ID) string {
	return object.Applier{Kind: id.Kind, Namespace: id.Namespace, Name: id.Name}.String()
}

// refsOf are the objects that a Flux object reads: sources, values, inputs. All are on its own cluster.
func refsOf(o *object.Object, in *side, cluster string) []object.ID {
	if o == nil {
		return nil
	}
	var out []object.ID
	ns := o.ID.Namespace
	spec, _ := o.Body().Map()["spec"].(map[string]any)
	add := func(group string, ref map[string]any) {
		id := object.ID{Group: group, Kind: textOf(ref, "kind"), Namespace: textOf(ref, "namespace"), Name: textOf(ref, "name")}
		if id.Namespace == "" || group == "" {
			id.Namespace = ns
		}
		if id.Kind != "" && id.Name != "" {
			out = append(out, id)
		}
	}
	switch o.ID.Kind {
	case kindKustomization, "HelmRelease", "HelmChart":
		add(sourceGroup, mapAt(spec, "sourceRef"))
		add(sourceGroup, mapAt(spec, "chartRef"))
		add(sourceGroup, mapAt(spec, "chart", "spec", "sourceRef"))
		for _, ref := range slices.Concat(listAt(spec, "valuesFrom"), listAt(spec, "postBuild", "substituteFrom")) {
			add("", ref)
		}
	case "ArtifactGenerator":
		for _, ref := range listAt(spec, "sources") {
			add(sourceGroup, ref)
		}
	case "GitRepository":
		for _, ref := range listAt(spec, "include") {
			add(sourceGroup, map[string]any{"kind": "GitRepository", "name": textOf(mapAt(ref, "repository"), "name")})
		}
	case "ResourceSet":
		for _, ref := range listAt(spec, "inputsFrom") {
			add(operatorGroup, map[string]any{"kind": "ResourceSetInputProvider", "name": textOf(ref, "name")})
		}
	}
	for _, id := range slices.Clone(out) {
		if id.Kind == "ExternalArtifact" {
			out = append(out, generators(in, cluster, id.Namespace)...)
		}
	}
	return out
}

// generators are the ArtifactGenerators of a namespace.
func generators(in *side, cluster, ns string) []object.ID {
	c := in.clusters[cluster]
	if c == nil {
		return nil
	}
	var out []object.ID
	for o := range c.Objects.All() {
		if o.ID.Group == generatorGroup && o.ID.Kind == "ArtifactGenerator" && o.ID.Namespace == ns {
			out = append(out, o.ID)
		}
	}
	return out
}

// fromEntry is the file that says where the cluster starts, for what its own applier applies.
func (f *Finder) fromEntry(s *subject, l *leg) []candidate {
	if len(l.applier.Chain) > 0 {
		return nil
	}
	var out []candidate
	for _, in := range []*side{f.before, f.after} {
		if c := in.clusters[l.applier.Home]; c != nil && c.Entry != nil && f.changed[c.Entry.File] {
			how := possible
			if s.ch.Before == nil || s.ch.After == nil {
				how = likely
			}
			out = append(out, candidate{file: c.Entry.File, via: []Step{applierStep(l)}, rank: rankDeclared, sure: how})
		}
	}
	return out
}

// respecified is how sure it is that the change of its applier's object changes the object.
func (f *Finder) respecified(s *subject, ch *impact.Change) strength {
	added := s.ch.Before == nil || s.ch.After == nil
	if ch.Before == nil || ch.After == nil {
		if added || s.ch.Kind == impact.Moved {
			return sure
		}
		return likely
	}
	best := unlikely
	for _, e := range ch.Edits {
		if len(e.Path) == 0 || e.Path[0].Field != "spec" {
			best = max(best, possible)
			continue
		}
		field := ""
		if len(e.Path) > 1 {
			field = e.Path[1].Field
		}
		best = max(best, f.field(s, ch, field, e))
	}
	return best
}

// aside are the fields of an applier's spec that change when and how it applies, not what.
var aside = map[string]bool{ //nolint:gochecknoglobals // a constant set
	"interval": true, "timeout": true, "retryInterval": true, "wait": true, "healthChecks": true, "healthCheckExprs": true, "dependsOn": true,
	"serviceAccountName": true, "prune": true, "force": true, "deletionPolicy": true, "suspend": true, "maxHistory": true,
	"test": true, "rollback": true, "uninstall": true, "driftDetection": true,
}

func (f *Finder) field(s *subject, ch *impact.Change, field string, e object.Edit) strength {
	switch {
	case aside[field]:
		return possible
	case ch.ID.Kind != kindKustomization:
		return likely
	}
	switch field {
	case "path", "sourceRef", "targetNamespace", "namePrefix", "nameSuffix", "kubeConfig", "components":
		return sure
	case "patches":
		return f.patched(s, ch)
	case "images":
		if s.edits("image") {
			return sure
		}
		return possible
	case "commonMetadata":
		if s.edits("labels", "annotations") {
			return sure
		}
		return possible
	case "postBuild":
		if len(e.Path) == 4 && e.Path[2].Field == "substitute" {
			return f.variable(s, []string{e.Path[3].Field})
		}
		return likely
	}
	return likely
}

// patched looks for a patch among those that a Kustomization got or lost which is for the object.
func (f *Finder) patched(s *subject, ch *impact.Change) strength {
	specA, _ := ch.Before.Body().Map()["spec"].(map[string]any)
	specB, _ := ch.After.Body().Map()["spec"].(map[string]any)
	best := possible
	for _, p := range odd(listAt(specA, "patches"), listAt(specB, "patches")) {
		patch := patchOf(p)
		best = max(best, f.aims(s, &patch, ""))
	}
	return best
}

// uses is how sure it is that an object which holds values changes the object.
func (f *Finder) uses(s *subject, l *leg, ch *impact.Change) strength {
	if l.applier.Kind != kindKustomization || ch.Before == nil || ch.After == nil {
		return likely
	}
	a, b := mapAt(ch.Before.Body().Map(), "data"), mapAt(ch.After.Body().Map(), "data")
	var keys []string
	for k, v := range a {
		if other, ok := b[k]; !ok || !same(v, other) {
			keys = append(keys, k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			keys = append(keys, k)
		}
	}
	return f.variable(s, keys)
}

// variable is how sure it is that one of the variables is in the object: sure when its file
// names it, or what lies on its way.
func (f *Finder) variable(s *subject, names []string) strength {
	if len(names) == 0 {
		return possible
	}
	for i := range s.legs {
		l := &s.legs[i]
		if l.build == nil || l.file == "" {
			continue
		}
		files := []string{l.file}
		if l.applier.Kind == kindKustomization {
			files = append(files, f.patchFiles(s, l)...)
		}
		for _, file := range files {
			in := l.side.variablesIn(file)
			if slices.ContainsFunc(names, func(n string) bool { return in[n] }) {
				return sure
			}
		}
	}
	return likely
}

// patchFiles are the kustomizations on the way, and their patches for the object.
func (f *Finder) patchFiles(s *subject, l *leg) []string {
	var out []string
	for file := range l.build.connected().way(l.file).affects {
		out = append(out, file)
		for _, m := range l.side.kustomization(file).mentions {
			if m.edge.role == asPatch && f.aims(s, m.edge.patch, path.Dir(file)) > unlikely {
				out = append(out, m.path)
			}
		}
	}
	return out
}

var variableName = regexp.MustCompile(`\$\{([_A-Za-z][_A-Za-z0-9]*)`)

// variablesIn are the names of the variables in a file's text.
func (s *side) variablesIn(file string) map[string]bool {
	if found, ok := s.variables[file]; ok {
		return found
	}
	found := map[string]bool{}
	if data, ok := s.text(file); ok {
		for _, m := range variableName.FindAllSubmatch(data, -1) {
			found[string(m[1])] = true
		}
	}
	s.variables[file] = found
	return found
}
