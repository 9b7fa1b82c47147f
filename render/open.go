package render

import (
	"errors"
	"fmt"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render/artifact"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// open opens the source that an applier on the node's cluster refers to.
func (v *evaluator) open(kind, ns, name string) opened {
	switch kind {
	case sourcev1.GitRepositoryKind:
		return v.gitRepository(ns, name, 0)
	case sourcev1.OCIRepositoryKind:
		return v.ociRepository(ns, name)
	case sourcev1.BucketKind:
		return v.bucket(ns, name)
	case sourcev1.ExternalArtifactKind:
		return v.externalArtifact(ns, name)
	}
	return opened{failure: fmt.Sprintf("source kind %q is not supported", kind)}
}

// sourceKind reports whether sources of that kind have an artifact of their own.
func sourceKind(kind string) bool {
	switch kind {
	case sourcev1.GitRepositoryKind, sourcev1.OCIRepositoryKind, sourcev1.BucketKind, sourcev1.ExternalArtifactKind:
		return true
	}
	return false
}

// sourceObject reads the source object of that name into a value of its type. What
// is returned says why that is not to be had; nil when all is well.
func (v *evaluator) sourceObject(kind, ns, name string, into any) *opened {
	o := v.rendered(kind, ns, name)
	if o == nil {
		bad := opened{unknown: "no such object is rendered for cluster " + v.out.node.home, hint: "create it in Git"}
		if kind == sourcev1.GitRepositoryKind {
			bad.hint += ", or declare the cluster's own source"
		}
		return &bad
	}
	v.secrets = append(v.secrets, o.Body().Sensitive()...)
	if err := decode(o.Body().Map(), into); err != nil {
		return &opened{failure: err.Error()}
	}
	if on, _ := at(o.Body().Map(), "spec", "suspend").(bool); on {
		return &opened{unknown: "the source is suspended: which revision its artifact holds is known to the cluster alone"}
	}
	return nil
}

// rendered is the source object of that name; nil when none is rendered.
func (v *evaluator) rendered(kind, ns, name string) *object.Object {
	return v.ask.get(v.out.node.home, object.ID{Group: sourcev1.GroupVersion.Group, Kind: kind, Namespace: ns, Name: name})
}

// synced is the entry whose own sync is that source, when Git has no object for it:
// flux bootstrap's file is not in the folder, or Flux Operator makes it.
func (v *evaluator) synced(kind, ns, name string) *Entry {
	entry := v.e.entryWithSource(v.out.node.home, kind, ns, name)
	if entry == nil || v.rendered(kind, ns, name) != nil {
		return nil
	}
	return entry
}

func (v *evaluator) ociRepository(ns, name string) opened {
	var r sourcev1.OCIRepository
	if entry := v.synced(sourcev1.OCIRepositoryKind, ns, name); entry != nil {
		r.Spec.URL = entry.URL
	} else if bad := v.sourceObject(sourcev1.OCIRepositoryKind, ns, name, &r); bad != nil {
		return *bad
	}
	pinned := r.Spec.Reference != nil && r.Spec.Reference.Digest != ""
	o := v.artifact(r.Spec.URL, pinned, func(f Fetch) (*Fetched, error) { return f.OCI(v.ctx, &r) })
	if o.tree == nil || r.GetLayerOperation() == sourcev1.OCILayerCopy {
		return o // no rule applies to a layer that is copied
	}
	ignore := ""
	if r.Spec.Ignore != nil {
		ignore = *r.Spec.Ignore
	}
	if o.way != nil {
		layer := *o.way
		layer.Layer, o.way = &ignore, &layer
	}
	return o.filtered(v.e.sources.artifacts.OCI(o.tree, ignore))
}

func (v *evaluator) bucket(ns, name string) opened {
	var b sourcev1.Bucket
	if entry := v.synced(sourcev1.BucketKind, ns, name); entry != nil {
		b.Spec.Endpoint, b.Spec.BucketName, _ = strings.Cut(entry.URL, "/")
	} else if bad := v.sourceObject(sourcev1.BucketKind, ns, name, &b); bad != nil {
		return *bad
	}
	o := v.artifact(bucketURL(b.Spec.Endpoint, b.Spec.BucketName), false, func(f Fetch) (*Fetched, error) { return f.Bucket(v.ctx, &b) })
	if o.tree == nil {
		return o
	}
	o.way = nil
	spec := artifact.Objects{Prefix: b.Spec.Prefix}
	if b.Spec.Ignore != nil {
		spec.Ignore = *b.Spec.Ignore
	}
	return o.filtered(v.e.sources.artifacts.Bucket(o.tree, spec))
}

// bucketURL names a bucket as --source does.
func bucketURL(endpoint, bucket string) string { return endpoint + "/" + bucket }

// artifact opens what an artifact holds: what the caller maps its URL to; the repository
// under review, when a cluster syncs from there and no digest pins it; or what is fetched.
func (v *evaluator) artifact(url string, pinned bool, get func(Fetch) (*Fetched, error)) opened {
	if o := v.e.sources.mapped(v.ctx, url); o.tree != nil || o.unknown != "" {
		return o
	}
	if entry := v.e.sources.packed[RepositoryName(url)]; entry != nil && !pinned {
		return v.e.sources.entry(v.ctx, entry, artifact.Spec{})
	}
	return v.fetched(url, get)
}

// fetched is what one fetch gives, as far as fetching is allowed.
func (v *evaluator) fetched(url string, get func(Fetch) (*Fetched, error)) opened {
	if v.e.opts.Fetch == nil {
		return opened{unknown: withoutUser(url) + " is not at hand", hint: "map it: --source " + withoutUser(url) + "=PATH, or allow it to be fetched: --fetch"}
	}
	got, err := get(v.e.opts.Fetch)
	if err != nil {
		return unfetched(err)
	}
	return opened{tree: got.Tree, data: got.Data, source: object.Source{URL: withoutUser(url), Revision: got.Revision}}
}

// traced is what was read of a tree, where it is in the repository under review.
func (o opened) traced(reads tree.Trace) tree.Trace {
	if o.from == nil {
		return reads
	}
	var out tree.Trace
	for _, r := range reads {
		if p, ok := o.from(r.Path); ok {
			r.Path = p
			out = append(out, r)
		}
	}
	return out
}

// unfetched is what an error of a Fetch means.
func unfetched(err error) opened {
	var f *FetchError
	if errors.As(err, &f) && f.Invalid {
		return opened{failure: f.Error(), hint: f.Hint}
	}
	o := opened{unknown: err.Error()}
	if f != nil {
		o.hint = f.Hint
	}
	return o
}

// maxIncludes bounds how deep GitRepositories include each other.
const maxIncludes = 8

func (v *evaluator) gitRepository(ns, name string, depth int) opened {
	if entry := v.synced(sourcev1.GitRepositoryKind, ns, name); entry != nil {
		return v.e.sources.entry(v.ctx, entry, artifact.Spec{})
	}
	var g sourcev1.GitRepository
	if bad := v.sourceObject(sourcev1.GitRepositoryKind, ns, name, &g); bad != nil {
		return *bad
	}
	spec, bad := specOf(&g, func(name string) opened {
		if depth >= maxIncludes {
			return opened{failure: "includes go round in a circle"}
		}
		return v.gitRepository(ns, name, depth+1)
	})
	if bad != nil {
		return *bad
	}
	if entry := v.e.entryWithSource(v.out.node.home, sourcev1.GitRepositoryKind, ns, name); entry != nil {
		same := *entry
		if same.URL = g.Spec.URL; g.Spec.Reference != nil && !entry.fixedRef {
			same.Ref = g.Spec.Reference
		}
		return v.e.sources.entry(v.ctx, &same, spec)
	}
	return v.e.sources.git(v.ctx, &g, spec, v.fetched)
}
