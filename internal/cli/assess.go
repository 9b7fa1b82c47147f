package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/extent"
	"github.com/bulkhead-dev/bulkhead/impact/gate"
	"github.com/bulkhead-dev/bulkhead/impact/history"
	"github.com/bulkhead-dev/bulkhead/layout/advice"
	"github.com/bulkhead-dev/bulkhead/layout/shape"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// assessOptions are the flags of assess.
type assessOptions struct {
	fleetOptions
	rev     string
	most    int
	commits []string // in place of the last ones
}

func newAssessCmd(s *streams) *cobra.Command {
	var o assessOptions
	c := &cobra.Command{
		Use:   "assess",
		Short: "Which layout this is, how far changes reach, and whether to move on",
		Long: `Says which layout the repository has, how far each of its files reaches, how far its last commits
reached, and whether another layout would pay: a monorepo, a hub with spokes, a self-service
platform. To stay is an allowed answer. Every figure is measured; docs/explain/layouts.md says how,
and by which thresholds the answer is found.

Each of the last commits is compared with its first parent, as bulkhead impact does it. A commit that
cannot be compared is counted and listed.`,
		Example: `  bulkhead assess
  bulkhead assess --commits 200 -o json
  bulkhead assess --commit v1.4.0 --commit v1.5.0   # these two, each against its first parent`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage("assess takes no arguments", "bulkhead assess -C DIR looks at another folder")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return runAssess(cmd.Context(), &o, s) },
	}
	o.bind(c, "text", "json")
	f := c.Flags()
	f.StringVar(&o.rev, "rev", "", "look at the commit `REV`, and at the history that leads to it (default: the files on disk, and the history of HEAD)")
	f.IntVar(&o.most, "commits", 50, "compare the last `N` commits, along first parents; 0 for none")
	f.StringArrayVar(&o.commits, "commit", nil, "compare the commit `REV` with its first parent, in place of the last ones; repeatable")
	return withCodes(c, false)
}

func runAssess(ctx context.Context, o *assessOptions, s *streams) error {
	if o.most < 0 {
		return usage("--commits is negative", "leave it out for the last 50, or give 0 for none")
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
	doc, err := f.assess(ctx, o, at)
	if err != nil {
		return err
	}
	f.tellStats()
	if o.format == "json" {
		err = s.json(doc)
	} else {
		s.assess(doc)
	}
	c := doc.Coverage
	if unresolved := c.Sources + c.Remotes + c.Variables + c.Encrypted + c.Charts + c.Values + c.Other; err == nil && o.strict && c.Failures+unresolved > 0 {
		return incomplete(c.Failures, unresolved)
	}
	return err
}

// assess looks at the revision, then at the history.
func (f *fleet) assess(ctx context.Context, o *assessOptions, at *snapshot) (*AssessDocument, error) {
	d := &AssessDocument{
		SchemaVersion: assessSchema, Revision: at.label(), Ways: []advice.Way{}, Clusters: []AssessedCluster{}, Tenants: []AssessedTenant{},
		MixedFolders: []shape.Folder{},
		History:      AssessedHistory{Asked: o.most, Figures: history.Sum(nil), Commits: []AssessedCommit{}, Unanswered: []UnansweredCommit{}},
	}
	facts := advice.Facts{}
	r, err := f.first(ctx, at, o.rev)
	switch {
	case errors.Is(err, render.ErrNoClusters):
		if err := f.assessSpoke(d, at.tree, err); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	default:
		f.tellNotes(r)
		if facts, err = f.measure(d, at.tree, r); err != nil {
			return nil, err
		}
		r = nil //nolint:ineffassign,wastedassign // large, and no longer needed
		if err := f.assessHistory(ctx, o, d); err != nil {
			return nil, err
		}
	}
	facts.Layout = d.Shape.Layout
	if facts.Layout != shape.Spoke {
		d.Ways = advice.Ways(facts)
	}
	h := d.History.Figures
	facts.Past = advice.Past{
		Compared: h.Compared, Changing: h.Changing, Together: h.Together, SeveralTenants: h.SeveralTenants, Shared: h.Shared, SeveralClusters: h.SeveralClusters,
		Through: h.Mostly.Path, ThroughCount: h.Mostly.Commits,
	}
	d.Advice = advice.Of(facts)
	return d, nil
}

// assessSpoke looks at a repository in which no cluster starts, for the reason given.
func (f *fleet) assessSpoke(d *AssessDocument, t *tree.Tree, reason error) error {
	var err error
	d.Shape, err = shape.Detect(t, shape.Facts{})
	switch {
	case errors.Is(err, shape.ErrNothing):
		return hinted(fmt.Errorf("assess %s: %w", f.root, err), "run it in the repository that Flux applies: -C DIR")
	case errors.Is(err, shape.ErrNoEntry):
		return hinted(fmt.Errorf("%w; %w", reason, err), "name the folders that Flux starts at: --cluster NAME=PATH")
	case err != nil:
		return err
	}
	d.History.Note = "what a spoke's commits reach is asked in its hub: bulkhead impact --source URL=PATH@BASE..HEAD"
	return t.Walk(".", func(_ string, e tree.Entry) error {
		if e.Mode != tree.Directory {
			d.Figures.Files++
		}
		return nil
	})
}

// measure fills in what the revision says of itself.
func (f *fleet) measure(d *AssessDocument, t *tree.Tree, r *render.Result) (advice.Facts, error) {
	docs, err := render.Documents(t)
	if err != nil {
		return advice.Facts{}, err
	}
	e, err := extent.Of(r, t, concern.New(concern.FleetOf(docs, t), nil, r))
	if err != nil {
		return advice.Facts{}, err
	}
	d.Coverage = render.CoverageOf(r.Clusters)
	m := &measured{d: d, extent: e, tenants: map[string]*tenantFacts{}}
	m.byTenant(docs)
	if d.Shape, err = shape.Detect(t, m.facts(docs)); err != nil {
		return advice.Facts{}, err
	}
	m.figures()
	facts := advice.Facts{Figures: d.Figures, Isolation: d.Isolation, Mixed: d.MixedFolders}
	facts.Production = slices.ContainsFunc(e.Clusters, func(c extent.Cluster) bool { return gate.Production(c.Environment) })
	for _, c := range e.Clusters {
		if c.Environment == "" {
			facts.Nameless = append(facts.Nameless, c.Name)
		}
	}
	return facts, nil
}

// measured puts the extent of a repository into the document.
type measured struct {
	d       *AssessDocument
	extent  *extent.Extent
	tenants map[string]*tenantFacts
}

// tenantFacts is what is known of a tenant.
type tenantFacts struct {
	shape.Tenant
	clusters, repositories map[string]bool
	files                  int
	folders                map[string]int // workloads by folder
}

func (m *measured) tenant(name string) *tenantFacts {
	t := m.tenants[name]
	if t == nil {
		t = &tenantFacts{Tenant: shape.Tenant{Name: name}, clusters: map[string]bool{}, repositories: map[string]bool{}, folders: map[string]int{}}
		m.tenants[name] = t
	}
	return t
}

// byTenant collects what there is of each tenant.
func (m *measured) byTenant(docs v1alpha1.Documents) {
	for i := range docs.Tenants {
		m.tenant(docs.Tenants[i].Name).Document = docs.Tenants[i].Place.File
	}
	for _, name := range m.extent.Tenants {
		m.tenant(name)
	}
	for i := range m.extent.Files {
		file := &m.extent.Files[i]
		if name, ok := file.Concern.TenantName(); ok && m.tenants[name] != nil { // the name of a file alone makes no tenant
			m.tenant(name).files++
		}
		for of, n := range file.Workloads {
			if name, ok := of.TenantName(); ok {
				t := m.tenant(name)
				t.Workloads += n
				t.folders[folderOf(file.Path)] += n
			}
		}
	}
	for _, a := range m.extent.Appliers {
		for _, of := range a.Makes {
			if name, ok := of.TenantName(); ok && m.tenant(name).Generator.Name == "" {
				m.tenant(name).Generator = shape.Applier{Name: a.String(), File: a.File}
			}
		}
		name, ok := a.Concern.TenantName()
		if !ok {
			continue
		}
		t := m.tenant(name)
		t.clusters[a.Target] = true
		if a.Kind == "Kustomization" && !a.Own && a.Repository != "" {
			t.repositories[a.Repository] = true
			if t.Spoke.Name == "" {
				t.Spoke = shape.Applier{Name: a.String(), File: a.File}
			}
		}
	}
	for _, t := range m.tenants {
		t.Repositories = append([]string{}, slices.Sorted(maps.Keys(t.repositories))...)
		t.Folder = mostOf(t.folders)
	}
}

// facts are what the layout is told by.
func (m *measured) facts(docs v1alpha1.Documents) shape.Facts {
	f := shape.Facts{}
	if docs.Fleet != nil {
		f.Declared, f.Document = string(docs.Fleet.Spec.Layout), docs.Fleet.Place.File
	}
	for _, c := range m.extent.Clusters {
		f.Clusters = append(f.Clusters, shape.Cluster{Name: c.Name, Folder: c.Folder, File: c.File})
	}
	for _, t := range m.tenants {
		f.Tenants = append(f.Tenants, t.Tenant)
	}
	return f
}

// mostOf is the key with the largest number, of equal ones the first; "" for none.
func mostOf(n map[string]int) string {
	best := ""
	for _, k := range slices.Sorted(maps.Keys(n)) {
		if best == "" || cmp.Compare(n[k], n[best]) > 0 {
			best = k
		}
	}
	return best
}
