package estate

import (
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
)

const (
	generatorKind = "ArtifactGenerator"
	artifactKind  = "ExternalArtifact"
)

// Generator reports whether an object is an ArtifactGenerator, which makes artifacts of other sources.
//
// Source: source-watcher v2, source.extensions.fluxcd.io/v1beta1.
func (o *Object) Generator() bool { return o.Is(GeneratorGroup, generatorKind) }

// Makes reports whether a generator makes an artifact of that name; of a name with a capture, whether it begins so.
func (o *Object) Makes(name string) bool {
	return slices.ContainsFunc(List(o.At("spec"), "artifacts"), func(a map[string]any) bool {
		have := Text(a, "name")
		prefix, _, captured := strings.Cut(have, "{")
		return have == name || captured && strings.HasPrefix(name, prefix)
	})
}

// Reads are the sources that a generator reads.
func (o *Object) Reads() (out []object.ID) {
	for _, s := range List(o.At("spec"), "sources") {
		ns := Text(s, "namespace")
		if ns == "" {
			ns = o.ID.Namespace
		}
		out = append(out, object.ID{Group: SourceGroup, Kind: Text(s, "kind"), Namespace: ns, Name: Text(s, "name")})
	}
	return out
}

// MadeOf are the sources that an artifact of generators is made of, at any depth; nil for what no generator of the cluster makes. Each artifact is
// looked at once: tenants write generators, too, and may let them read of each other.
func (c *Cluster) MadeOf(artifact object.ID) []*Object {
	return c.madeOf(artifact, map[object.ID]bool{})
}

func (c *Cluster) madeOf(artifact object.ID, seen map[object.ID]bool) (out []*Object) {
	if artifact.Kind != artifactKind || seen[artifact] {
		return nil
	}
	seen[artifact] = true
	for _, g := range c.Kind(GeneratorGroup, generatorKind) {
		if g.ID.Namespace != artifact.Namespace || !g.Makes(artifact.Name) {
			continue
		}
		for _, id := range g.Reads() {
			if id.Kind == artifactKind {
				out = append(out, c.madeOf(id, seen)...)
				continue
			}
			out = append(out, c.Get(id)...)
		}
	}
	return out
}
