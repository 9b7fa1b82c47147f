package estate_test

import (
	"fmt"
	"testing"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// TestMadeOf: generators that read of each other, in circles and each of all, are looked at once, and lead to what they are made of.
func TestMadeOf(t *testing.T) {
	c := &estate.Cluster{}
	add := func(id object.ID, spec map[string]any) {
		o, err := object.New(object.NewBody(map[string]any{
			"apiVersion": id.Group + "/v1", "kind": id.Kind, "metadata": map[string]any{"namespace": id.Namespace, "name": id.Name}, "spec": spec,
		}), object.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		c.Objects = append(c.Objects, &estate.Object{Object: o, Cluster: c})
	}
	const n = 30
	sources := []any{map[string]any{"kind": "GitRepository", "name": "team"}}
	for i := range n {
		sources = append(sources, map[string]any{"kind": "ExternalArtifact", "name": fmt.Sprint("a", i)})
	}
	for i := range n {
		add(object.ID{Group: "source.extensions.fluxcd.io", Kind: "ArtifactGenerator", Namespace: "x", Name: fmt.Sprint("g", i)},
			map[string]any{"sources": sources, "artifacts": []any{map[string]any{"name": fmt.Sprint("a", i)}}})
	}
	add(object.ID{Group: "source.toolkit.fluxcd.io", Kind: "GitRepository", Namespace: "x", Name: "team"}, map[string]any{})
	artifact := object.ID{Group: "source.toolkit.fluxcd.io", Kind: "ExternalArtifact", Namespace: "x", Name: "a0"}
	if got := c.MadeOf(artifact); len(got) != n || got[0].ID.Name != "team" {
		t.Errorf("made of %d sources, want the one of each of %d generators", len(got), n)
	}
	artifact.Name = "other"
	if got := c.MadeOf(artifact); got != nil {
		t.Errorf("what nobody makes is made of %v", got)
	}
}
