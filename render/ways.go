package render

import (
	"context"
	"maps"
	"slices"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/render/artifact"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// way leads to files of the repository under review, as a source of a cluster does.
type way struct {
	_ struct{} `cbor:",toarray"`

	Prefix   string // folder that is the source's root
	Ref      sourcev1.GitRepositoryRef
	StandsIn bool
	Ignore   string
	Sparse   []string
	Layer    *string // rules of an artifact that is packed from it; nil for none
}

// wayOf is nil when other sources are included.
func wayOf(prefix string, ref sourcev1.GitRepositoryRef, standsIn bool, spec artifact.Spec) *way {
	if len(spec.Include) > 0 {
		return nil
	}
	return &way{Prefix: prefix, Ref: ref, StandsIn: standsIn, Ignore: spec.Ignore, Sparse: spec.Sparse}
}

// follow is where a way leads, found out once; nil when that is not the tree under review.
func (s *sources) follow(ctx context.Context, w way) *tree.Tree {
	key := keyOf(w)
	if known, ok := s.followed.Load(key); ok {
		t, _ := known.(*tree.Tree)
		return t
	}
	t := s.lead(ctx, w)
	if ctx.Err() == nil {
		s.followed.Store(key, t)
	}
	return t
}

func (s *sources) lead(ctx context.Context, w way) *tree.Tree {
	repo := s.own
	var err error
	if repo.Tree, err = s.sub(repo.Tree, w.Prefix); err != nil {
		return nil
	}
	o := s.at(ctx, repo, w.Ref, w.StandsIn)
	if o.pinned || o.tree != repo.Tree {
		return nil
	}
	o = s.pack(o, artifact.Spec{Ignore: w.Ignore, Sparse: w.Sparse})
	if o.tree != nil && w.Layer != nil {
		o = o.filtered(s.artifacts.OCI(o.tree, *w.Layer))
	}
	return o.tree
}

// digest tells sources apart that would take URLs and refs for something else.
func (s *sources) digest() string {
	parts := []any{s.own.URL, s.own.Branch, s.own.Refs != nil, slices.Sorted(maps.Keys(s.ownURLs)), slices.Sorted(maps.Keys(s.branches))}
	for _, url := range slices.Sorted(maps.Keys(s.packed)) {
		e := s.packed[url]
		parts = append(parts, url, e.Prefix, e.Ref, e.URL)
	}
	return keyOf(parts...)
}
