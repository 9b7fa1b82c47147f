package cli

import (
	"context"
	"slices"

	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// runGuards writes the run-time guards of the fleet's documents: those that "bulkhead generate" writes where the Fleet document asks for them.
func runGuards(ctx context.Context, o *checkOptions, s *streams) error {
	w, err := openWorkspace(o.dir)
	if err != nil {
		return err
	}
	at, err := w.at(ctx, o.rev)
	if err != nil {
		return err
	}
	docs, err := render.Documents(at.tree)
	if err != nil {
		return err
	}
	all, err := tenant.Compartments(docs)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return usage("there is no Tenant document, so that nobody is to be held", "bulkhead tenant add NAME, or bulkhead tenant import --write for tenants that were onboarded by hand")
	}
	var known []string
	on := map[string][]*tenant.Compartment{}
	for _, c := range all {
		if on[c.Cluster.Name] == nil {
			known = append(known, c.Cluster.Name)
		}
		on[c.Cluster.Name] = append(on[c.Cluster.Name], c)
	}
	for _, name := range o.names {
		if !slices.Contains(known, name) {
			return usage("no tenant is on a cluster "+term.Quote(name), near(name, known))
		}
	}
	_, opts := guard.Mode(docs.Fleet)
	for _, name := range known {
		if len(o.names) > 0 && !slices.Contains(o.names, name) {
			continue
		}
		objects, err := guard.Objects(name, on[name], opts)
		if err != nil {
			return err
		}
		if err := s.guards(name, objects); err != nil {
			return err
		}
	}
	return nil
}

func (s *streams) guards(cluster string, objects []*object.Object) error {
	for _, o := range objects {
		data, err := toYAML(o.Body().Map())
		if err != nil {
			return err
		}
		s.printf("---\n# cluster: %s\n%s", term.Safe(cluster), data)
	}
	return nil
}
