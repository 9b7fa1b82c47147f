package artifact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Source is the artifact of a source that a generator reads.
type Source struct {
	Tree           *tree.Tree
	Revision       string // main@sha1:…
	OriginRevision string // org.opencontainers.image.revision of the artifact; empty: none
}

// Artifact is an ExternalArtifact that a generator makes.
type Artifact struct {
	Namespace, Name string
	// Labels and Annotations of the ExternalArtifact; the label with the
	// generator's UID, which only the cluster knows, is not among them.
	Labels, Annotations map[string]string
	Tree                *tree.Tree
	// Revision is that of a source, if the spec names one. Empty: it is
	// "latest@" and the [Digest] of Tree.
	Revision       string
	OriginRevision string // empty: none

	origins
}

// ErrDisabled is the error for a generator that is not reconciled: what it made
// before, if anything, stays as it is.
var ErrDisabled = errors.New("reconciliation is disabled")

// Generate gives the artifacts of a generator, in the order of spec.artifacts;
// with a pathPattern, for each folder that matches, by path. No folder at all is
// no artifact, and no error. sources holds every source of the spec by alias, of
// any kind. The result is what is archived: without the default exclusions and
// symlinks.
//
// The error is what the controller fails with; then it makes no further artifact.
// It wraps [tree.ErrTooLarge] if the generator would take too long here, and
// [ErrDisabled]. Whether a source of another namespace is allowed is not checked.
//
// Source: source-watcher (API v2.2.4) internal/builder and
// internal/controller/artifactgenerator_*.go.
func Generate(ctx context.Context, g *swv1.ArtifactGenerator, sources map[string]Source) ([]Artifact, error) {
	if g.IsDisabled() {
		return nil, ErrDisabled
	}
	if err := validate(&g.Spec, sources); err != nil {
		return nil, err
	}
	b := newBudget(ctx)
	trees, aliases := map[string]*tree.Tree{}, map[*tree.Tree]string{}
	for _, src := range g.Spec.Sources {
		t := sources[src.Alias].Tree.Filter(func(_ string, e tree.Entry) bool { return e.Mode != tree.Symlink })
		trees[src.Alias], aliases[t] = t, src.Alias
	}
	requests, err := expand(&g.Spec, trees, b)
	if err != nil {
		return nil, err
	}
	matcher := archiveMatcher(nil)
	made := make([]Artifact, 0, len(requests))
	for _, r := range requests {
		s := newStage(b)
		for _, c := range r.Copy {
			if err := s.copy(c, trees); err != nil {
				return nil, fmt.Errorf("build artifact %s: copy %s to %s: %w", r.Name, c.From, c.To, err)
			}
		}
		a := Artifact{Namespace: g.Namespace, Name: r.Name, Labels: map[string]string{"app.kubernetes.io/managed-by": "source-watcher"}}
		// Upstream matches the path of the folder that it stages in, whose last
		// element is the name.
		a.Tree, a.origins = filter(s.tree(), matcher, r.Name), origins{s, aliases}
		maps.Copy(a.Labels, r.labels)
		if m := g.Spec.CommonMetadata; m != nil {
			maps.Copy(a.Labels, m.Labels)
			a.Annotations = maps.Clone(m.Annotations)
		}
		a.Revision = sources[strings.TrimPrefix(r.Revision, "@")].Revision
		origin := sources[strings.TrimPrefix(r.OriginRevision, "@")]
		if a.OriginRevision = origin.OriginRevision; a.OriginRevision == "" {
			a.OriginRevision = origin.Revision
		}
		made = append(made, a)
	}
	return made, nil
}

// validate checks what the controller checks before it fetches anything.
//
// Source: source-watcher internal/controller/artifactgenerator_validation.go.
func validate(spec *swv1.ArtifactGeneratorSpec, sources map[string]Source) error {
	aliases := map[string]bool{"": true}
	for _, src := range spec.Sources {
		if aliases[src.Alias] {
			return fmt.Errorf("duplicate source alias %q", src.Alias)
		}
		if aliases[src.Alias] = true; sources[src.Alias].Tree == nil {
			return fmt.Errorf("source %q is not ready", src.Alias)
		}
	}
	names := map[string]bool{}
	for _, a := range spec.OutputArtifacts {
		if names[a.Name] {
			return fmt.Errorf("duplicate artifact name %q", a.Name)
		}
		names[a.Name] = true
		if !aliases[strings.TrimPrefix(a.Revision, "@")] {
			return fmt.Errorf("artifact %s: revision: source alias %q not found", a.Name, strings.TrimPrefix(a.Revision, "@"))
		}
	}
	return nil
}
