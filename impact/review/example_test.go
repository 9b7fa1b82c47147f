package review_test

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/internal/fleetstory"
)

// What a reviewer reads first of a change: may it merge, who is hit, what is dangerous, and because of which file.
func ExampleOf() {
	c, err := fleetcase.Read(filepath.Join("..", "risk", "testdata", "pvc-deleted", "bad.txtar"))
	if err != nil {
		fmt.Println(err)
		return
	}
	s, err := fleetstory.Tell(context.Background(), c) // renders both sides and compares them
	if err != nil {
		fmt.Println(err)
		return
	}
	p := part.Of(s.Report, part.Version{Rendered: s.Before, Tree: s.Trees[0]}, part.Version{Rendered: s.After, Tree: s.Trees[1]},
		part.Options{Comparison: part.Comparison{Files: s.Files}})
	r := review.Of(context.Background(), []*part.Part{p}, review.Options{})

	fmt.Println(r.Verdict.State, r.Verdict.Reasons)
	fmt.Println(r.Headlines[0].Text)
	for _, g := range r.Groups[:1] {
		fmt.Println(g.Kind, g.Name, "on", g.Clusters, "of", g.Concern)
		fmt.Println(g.Risks[0].Severity, g.Risks[0].Rule)
		fmt.Println(g.Causes[0].File, g.Causes[0].Via)
	}
	// Output:
	// failed [data-deletion: 2 deletions of data without a waiver]
	// 1 of 1 cluster changes: a; 3 objects
	// removed PersistentVolumeClaim/db/data on [a] of platform
	// error pvc-deleted
	// apps/db/claim.yaml [Kustomization/flux-system/db a]
}
