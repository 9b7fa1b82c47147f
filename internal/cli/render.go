package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/report/text"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// renderOptions are the flags of render.
type renderOptions struct {
	fleetOptions
	rev   string
	names []string // of clusters; none for all
	shard string   // I/N
}

func newRenderCmd(s *streams) *cobra.Command {
	var o renderOptions
	c := &cobra.Command{
		Use:   "render [CLUSTER...]",
		Short: "What Flux would apply, per cluster",
		Long: `Renders what Flux would apply on every cluster of the fleet, or on those named: from each entry
point on, with everything that it leads to. What fails and what cannot be known offline is part
of the answer.`,
		Example: `  bulkhead render                                  # a table of the clusters
  bulkhead render prod-eu -o yaml                  # its objects; secret values are redacted
  bulkhead render -o name --rev v1.2.0             # a line for each object at a tag
  bulkhead render --cluster prod=clusters/prod     # a fleet whose entry points are not in Git`,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			return runRender(cmd.Context(), &o, s)
		},
	}
	o.bind(c, "table", "yaml", "json", "name")
	c.Flags().StringVar(&o.shard, "shard", "", "render only the share `I/N` of the clusters")
	c.Flags().StringVar(&o.rev, "rev", "", "render the commit `REV` (default: the files on disk)")
	return withCodes(c, false)
}

func runRender(ctx context.Context, o *renderOptions, s *streams) error {
	shard, err := shardOf(o.shard)
	if err != nil {
		return err
	}
	f, err := o.open(s)
	if err != nil {
		return err
	}
	defer f.close(ctx)
	at, err := f.workspace.at(ctx, o.rev)
	if err != nil {
		return err
	}
	if err := f.reach(at.tree); err != nil {
		return err
	}
	if f.render.Sources, err = o.mapped(ctx, f.workspace, at.tree); err != nil {
		return err
	}
	if err := f.share(ctx, shard, []*tree.Tree{at.tree}, f.render.Sources); err != nil {
		return err
	}
	r, err := f.first(ctx, at, o.rev)
	if err != nil {
		return err
	}
	chosen, err := choose(r, o.names)
	if err != nil {
		return err
	}
	f.tellNotes(r)
	f.tellStats()
	switch o.format {
	case "json":
		d := renderDocument(r, chosen, RevisionDocument{Name: o.rev, Commit: at.commit, Branch: f.branch})
		err = writeJSONList(s.out, d, "objects", renderedObjects(r, chosen))
	case "yaml":
		err = s.manifests(r, chosen)
	case "name":
		for _, c := range chosen {
			for obj := range c.Objects.All() {
				s.printf("%s\t%s\n", term.Safe(c.Name), term.Safe(obj.ID.String()))
			}
		}
	default:
		s.rendered(chosen)
	}
	if failures, unresolved := totals(chosen); err == nil && o.strict && failures+unresolved > 0 {
		return incomplete(failures, unresolved)
	}
	return err
}

// choose picks the named clusters; all of them without names.
func choose(r *render.Result, wanted []string) ([]*render.Cluster, error) {
	if len(wanted) == 0 {
		return r.Clusters, nil
	}
	var known []string
	for _, c := range r.Clusters {
		known = append(known, c.Name)
	}
	for _, name := range wanted {
		if !slices.Contains(known, name) {
			return nil, usage("there is no cluster "+term.Quote(name), near(name, known))
		}
	}
	var out []*render.Cluster
	for _, c := range r.Clusters {
		if slices.Contains(wanted, c.Name) {
			out = append(out, c)
		}
	}
	return out, nil
}

// manifests writes every object as YAML.
func (s *streams) manifests(r *render.Result, clusters []*render.Cluster) error {
	redact, from := newRedactor(), newOrigins(r)
	from.ahead(clusters)
	for _, c := range clusters {
		for o := range c.Objects.All() {
			data, err := toYAML(redact.Body(o.Body()))
			if err != nil {
				return fmt.Errorf("write %s: %w", o.ID, err)
			}
			line := "# cluster: " + c.Name + "  applier: " + o.Origin.Owner().String()
			if file := from.file(o); file != "" {
				line += "  file: " + file
			}
			s.printf("---\n%s\n%s", term.Safe(line), data)
		}
	}
	return nil
}

// toYAML writes a manifest. YAML allows fewer control characters than JSON, so
// they go in as escapes.
func toYAML(content map[string]any) ([]byte, error) {
	data, err := json.Marshal(content)
	if err != nil {
		return nil, err
	}
	var plain bytes.Buffer
	if _, err := (&escaper{w: &plain}).Write(data); err != nil {
		return nil, err
	}
	return yaml.JSONToYAML(plain.Bytes())
}

// rendered writes the table and what is missing from it.
func (s *streams) rendered(clusters []*render.Cluster) {
	t := term.Table{{"CLUSTER", "APPLIERS", "OBJECTS", "FAILURES", "UNRESOLVED"}}
	var failures []render.Failure
	var unresolved []render.Unresolved
	conflicts := 0
	for _, c := range clusters {
		n := c.Counts()
		t = append(t, []string{c.Name, fmt.Sprint(n.Appliers), fmt.Sprint(n.Objects), fmt.Sprint(n.Failures), fmt.Sprint(n.Unresolved)})
		failures = append(failures, c.Failures...)
		unresolved = append(unresolved, c.Unresolved...)
		conflicts += len(c.Conflicts)
	}
	t.Write(s.out, s.colour, nil)
	text.Failures(s.out, s.colour, "failures", failures, len(clusters))
	text.Unresolved(s.out, s.colour, unresolved, len(clusters), false)
	if conflicts > 0 {
		s.printf("\n%s that more than one applier applies; -o json lists them\n", phrase.Count(conflicts, "object"))
	}
	s.printf("\n%s\n", render.CoverageOf(clusters))
}

// entryPath is the slash path of an entry folder from the repository's root.
func entryPath(e *render.Entry) string { return path.Join(e.Prefix, e.Path) }
