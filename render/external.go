package render

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"
	kube "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render/artifact"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// generatorKind makes ExternalArtifacts of other sources.
var generatorKind = kube.GroupKind{Group: "source.extensions.fluxcd.io", Kind: "ArtifactGenerator"} //nolint:gochecknoglobals // a constant

// maxGenerators bounds how deep generators read what others make.
const maxGenerators = 4

// externalArtifact opens what an ArtifactGenerator of the cluster makes.
func (v *evaluator) externalArtifact(ns, name string) opened {
	unknown := opened{unknown: "no ArtifactGenerator that is rendered for cluster " + v.out.node.home + " makes it", hint: "map it: --source " + sourcev1.ExternalArtifactKind + "/" + ns + "/" + name + "=PATH"}
	if o := v.e.sources.mapped(v.ctx, sourcev1.ExternalArtifactKind+"/"+ns+"/"+name); o.tree != nil || o.unknown != "" {
		return o
	}
	if v.generating >= maxGenerators {
		return opened{failure: "generators go round in a circle"}
	}
	v.generating++
	defer func() { v.generating-- }()
	var doubt *opened
	for _, o := range v.ask.list(v.out.node.home, generatorKind) {
		if o.ID.Namespace != ns {
			continue
		}
		var g swv1.ArtifactGenerator
		if err := decode(o.Body().Map(), &g); err != nil {
			continue
		}
		if g.Spec.PathPattern == "" && !slices.ContainsFunc(g.Spec.OutputArtifacts, func(a swv1.OutputArtifact) bool { return a.Name == name }) {
			continue
		}
		found, bad := v.generated(o, &g, name)
		switch {
		case bad != nil:
			doubt = bad
		case found.tree != nil:
			return found
		}
	}
	if doubt != nil {
		return *doubt
	}
	return unknown
}

// generated is the artifact of that name which a generator makes; zero when it makes
// none of that name.
func (v *evaluator) generated(o *object.Object, g *swv1.ArtifactGenerator, name string) (opened, *opened) {
	inputs := map[string]artifact.Source{}
	key := []any{g.Name, g.Namespace, g.Spec}
	prefixes := map[string]string{} // by alias, of sources that are the repository under review
	pinned := false
	for _, s := range g.Spec.Sources {
		ns := s.Namespace
		if ns == "" {
			ns = g.Namespace
		}
		in := v.open(s.Kind, ns, s.Name)
		if in.tree == nil && in.data != nil { // an archive as it is, which the generator unpacks
			in = v.e.sources.unpacked(v.ctx, in)
		}
		if in.tree == nil || in.failure != "" {
			in.unknown = cmp.Or(in.unknown, in.failure)
			in.failure = ""
			in.unknown = fmt.Sprintf("%s reads %s/%s/%s: %s", o.ID, s.Kind, ns, s.Name, in.unknown)
			return opened{}, &in
		}
		if in.own {
			prefixes[s.Alias] = in.prefix
			pinned = pinned || in.pinned
		}
		inputs[s.Alias] = artifact.Source{Tree: in.tree, Revision: in.source.Revision}
		key = append(key, fmt.Sprintf("%p", in.tree), in.source.Revision)
	}
	made := v.e.sources.generate(v.ctx, keyOf(key...), g, inputs)
	switch {
	case errors.Is(made.err, artifact.ErrDisabled) || errors.Is(made.err, tree.ErrTooLarge):
		// What it made before stays as it is; and a limit of ours is not the controller's.
		return opened{}, &opened{unknown: fmt.Sprintf("%s: %s", o.ID, clean(made.err))}
	case made.err != nil:
		return opened{}, &opened{failure: fmt.Sprintf("%s: %s", o.ID, clean(made.err))}
	}
	for i := range made.list {
		if a := &made.list[i]; a.Name == name {
			from := func(p string) (string, bool) {
				alias, at, ok := a.From(p)
				prefix, own := prefixes[alias]
				return path.Join(prefix, at), ok && own
			}
			return opened{
				tree: a.Tree, source: object.Source{URL: o.ID.String(), Revision: a.Revision},
				own: len(prefixes) > 0, prefix: ".", pinned: pinned,
				from: from, feeds: sync.OnceValue(func() map[string]bool { return copied(a.Tree, from) }),
			}, nil
		}
	}
	return opened{}, nil
}

// copied are the files of the repository under review that a tree is put together of.
func copied(t *tree.Tree, from func(string) (string, bool)) map[string]bool {
	files := map[string]bool{}
	_ = t.Walk(".", func(p string, e tree.Entry) error { // what cannot be listed is not copied
		if at, ok := from(p); ok && !e.IsDir() {
			files[at] = true
		}
		return nil
	})
	return files
}
