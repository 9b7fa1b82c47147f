// Package survey turns a rendered fleet and its documents into an estate, see [Estate].
//
// One invariant: every object of every applier is in the estate once, under the least trusted of those who had a hand in it.
package survey

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/layout/adopt"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tenant"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Options of [Estate].
type Options struct {
	// Documents of the fleet; none is no error.
	Documents v1alpha1.Documents
	// Hub are further names of the repository under review, as [render.RepositoryName] gives them, beside those of its entry points.
	Hub []string
	// Files of the repository under review; nil when they are not at hand.
	Files *tree.Tree
	// Spoke is the name of the repository whose files findings are about, when it is not the hub: that of a tenant who checks what it has with the
	// contract that the platform gave it.
	Spoke string
	// SpokeFiles are the files of that repository; nil without one.
	SpokeFiles *tree.Tree
	// Environment of a cluster, "" when nothing tells, and whether mistakes there hurt; nil for none.
	Environment func(cluster string) (name string, production bool)
}

// Estate surveys a fleet. Without Tenant documents, and beside them, tenants are inferred: from the labels of "flux create tenant", and from sources
// that are no repository of the hub.
//
// The error is one of the documents, a [*v1alpha1.DocumentError].
func Estate(r *render.Result, opts Options) (*estate.Estate, error) {
	s := &surveyor{opts: opts, result: r, out: &estate.Estate{Files: opts.Files, Shown: cmp.Or(opts.SpokeFiles, opts.Files), Spoke: opts.Spoke, Declared: map[string]*v1alpha1.Cluster{}}, clusters: map[string]*estate.Cluster{}, tenants: map[string]*estate.Tenant{}, known: registry{applied: map[string]map[object.Applier]*estate.Tenant{}, urls: map[string]*estate.Tenant{}}}
	for i := range opts.Documents.Clusters {
		s.out.Declared[opts.Documents.Clusters[i].Name] = &opts.Documents.Clusters[i]
	}
	s.hub()
	for _, c := range r.Clusters {
		s.cluster(c)
	}
	s.link()
	if err := s.owners(); err != nil {
		return nil, err
	}
	s.trust()
	for _, c := range s.out.Clusters {
		s.controllers(c)
	}
	s.identities()
	s.compartments()
	return s.out, nil
}

type surveyor struct {
	opts     Options
	result   *render.Result
	out      *estate.Estate
	clusters map[string]*estate.Cluster
	tenants  map[string]*estate.Tenant
	known    registry
	appliers []pair // of all clusters, in order
}

// pair is an applier as it was rendered, and as it is surveyed.
type pair struct {
	from *render.Applier
	to   *estate.Applier
}

func (s *surveyor) hub() {
	add := func(name string) {
		if name != "" && !slices.Contains(s.out.Hub, name) {
			s.out.Hub = append(s.out.Hub, name)
		}
	}
	for _, name := range s.opts.Hub {
		add(name)
	}
	for _, e := range s.result.Entries {
		add(render.RepositoryName(e.URL))
	}
	slices.Sort(s.out.Hub)
}

func (s *surveyor) cluster(r *render.Cluster) {
	c := &estate.Cluster{Name: r.Name, Labels: r.Labels, FluxNamespace: "flux-system", Entered: r.Entry != nil}
	if r.Entry != nil {
		c.FluxNamespace = cmp.Or(r.Entry.Namespace, c.FluxNamespace)
	}
	if s.opts.Environment != nil {
		c.Environment, c.Production = s.opts.Environment(r.Name)
	}
	if d := s.out.Declared[r.Name]; d != nil {
		c.Minor = minor(d.Spec.KubernetesVersion)
	}
	for i := range r.Unresolved {
		u := &r.Unresolved[i]
		c.Gaps = append(c.Gaps, estate.Gap{
			Applier: u.Applier, Kind: u.Kind, Subject: u.Subject, Reason: u.Reason, Hint: u.Hint,
			Hides: hides(r, u),
		})
	}
	for i := range r.Failures {
		f := &r.Failures[i]
		c.Gaps = append(c.Gaps, estate.Gap{Applier: f.Applier, Kind: "failure", Subject: f.Stage, Reason: f.Message, Hint: f.Hint, Hides: f.Stage != "dependsOn"})
	}
	for _, a := range r.Appliers {
		s.applier(c, a)
	}
	s.clusters[c.Name] = c
	s.out.Clusters = append(s.out.Clusters, c)
}

// hides says whether any object may be behind what is unresolved: of an encrypted file, of a variable and of what the operator copies, only values are
// missing, unless the whole applier waits for them.
func hides(r *render.Cluster, u *render.Unresolved) bool {
	if a := r.Applier(u.Applier); a != nil && a.State == render.Incomplete {
		return true
	}
	return u.Kind != render.UnresolvedEncrypted && u.Kind != render.UnresolvedVariable && u.Kind != render.UnresolvedInput
}

// minor of a version like 1.35 or v1.35.2; 0 for none.
func minor(version string) int {
	_, rest, _ := strings.Cut(strings.TrimPrefix(version, "v"), ".")
	text, _, _ := strings.Cut(rest, ".")
	n, _ := strconv.Atoi(text)
	return n
}

func (s *surveyor) applier(c *estate.Cluster, from *render.Applier) {
	a := &estate.Applier{
		Applier: from.Applier, Target: c, Chain: from.Chain, State: estate.State(from.State),
		Source: estate.Source{URL: from.Source.URL, Revision: from.Source.Revision, Repository: render.RepositoryName(from.Source.URL)},
		Path:   from.Path, Own: from.Own, Prefix: from.Prefix, Pinned: from.Pinned,
		Prune: from.Prune, DeletionPolicy: from.DeletionPolicy, Force: from.Force, Reads: from.Reads(), Files: from.Tree(),
	}
	if r := from.Release; r != nil {
		a.ReleaseName, a.ReleaseNamespace, a.StorageNamespace = r.Name, r.Namespace, r.StorageNamespace
		a.ChartName, a.ChartVersion = r.Chart, r.Version
		a.InstallCRDs, a.UpgradeCRDs = r.InstallCRDs, r.UpgradeCRDs
		for id := range r.Extra {
			if id.Kind == "CustomResourceDefinition" {
				a.Definitions = append(a.Definitions, id.Name)
			}
		}
		slices.Sort(a.Definitions)
		for _, o := range r.Hooks {
			a.Hooks = append(a.Hooks, &estate.Object{Object: o, Cluster: c, Applier: a, Hook: true, File: nowhere})
		}
	}
	for i, o := range from.Objects {
		a.Objects = append(a.Objects, &estate.Object{Object: o, Cluster: c, Applier: a, File: s.fileOf(from, i)})
	}
	for i, o := range from.Held {
		a.Held = append(a.Held, &estate.Object{Object: o, Cluster: c, Applier: a, Held: true, File: s.fileOf(from, i)})
	}
	c.Appliers = append(c.Appliers, a)
	c.Objects = append(c.Objects, a.Objects...)
	s.appliers = append(s.appliers, pair{from, a})
}

func nowhere() string { return "" }

// fileOf is the file of an applier's i-th object in the repository under review. What a chart makes is from the file of the release.
func (s *surveyor) fileOf(a *render.Applier, i int) func() string {
	if s.opts.Spoke != "" && render.RepositoryName(a.Source.URL) == s.opts.Spoke {
		return func() string { return a.File(i) }
	}
	if !a.Own || s.opts.Spoke != "" {
		return nowhere
	}
	return func() string {
		file := a.File(i)
		if file == "" || a.Prefix == "" || a.Prefix == "." {
			return file
		}
		return a.Prefix + "/" + file
	}
}

// link finds the object of each applier, the cluster that holds it, and what it comes from.
func (s *surveyor) link() {
	type key struct {
		home string
		id   object.Applier
	}
	byID := map[key]*estate.Applier{}
	for _, p := range s.appliers {
		p.to.Home = s.clusters[p.from.Home]
		if p.to.Home == nil { // a cluster of another share
			p.to.Home = p.to.Target
		}
		byID[key{p.to.Home.Name, p.to.Applier}] = p.to
		p.to.Home.Homed = append(p.to.Home.Homed, p.to)
	}
	for _, p := range s.appliers {
		a := p.to
		if len(a.Chain) > 0 {
			a.Parent = byID[key{a.Home.Name, a.Chain[len(a.Chain)-1]}]
		}
		a.Object = pick(a.Home.Get(a.ID()), a.Parent)
		s.decode(a)
		address(a)
	}
}

// pick is the object that the parent made, else the first.
func pick(list []*estate.Object, parent *estate.Applier) *estate.Object {
	for _, o := range list {
		if o.Applier == parent {
			return o
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return nil
}

// owners reads the documents, and makes up those of tenants without one.
func (s *surveyor) owners() error {
	docs := s.opts.Documents
	for i := range docs.Tenants {
		t := &docs.Tenants[i]
		s.tenants[t.Name] = &estate.Tenant{Name: t.Name, Document: t}
	}
	found, err := adopt.Tenants(s.adoptable(), adopt.Options{Documents: docs, Hub: s.out.Hub, Repository: render.RepositoryName})
	if err != nil {
		return err
	}
	docs.Clusters = append(slices.Clone(docs.Clusters), found.Clusters...)
	docs.Tenants = slices.Clone(docs.Tenants)
	for i := range found.Tenants {
		t := &found.Tenants[i].Document
		if s.tenants[t.Name] == nil {
			s.tenants[t.Name] = &estate.Tenant{Name: t.Name, Document: t, Inferred: true}
			docs.Tenants = append(docs.Tenants, *t)
		}
	}
	compartments, err := tenant.Compartments(docs)
	if err != nil {
		return err
	}
	for _, c := range compartments {
		s.compartment(c)
	}
	for _, t := range s.tenants {
		s.out.Tenants = append(s.out.Tenants, t)
	}
	slices.SortFunc(s.out.Tenants, func(a, b *estate.Tenant) int { return cmp.Compare(a.Name, b.Name) })
	return nil
}

func (s *surveyor) adoptable() (out []adopt.Cluster) {
	for i, r := range s.result.Clusters {
		c := s.out.Clusters[i]
		a := adopt.Cluster{Name: c.Name, Environment: c.Environment, FluxNamespace: c.FluxNamespace, Objects: slices.Collect(r.Objects.All())}
		for _, e := range s.result.Entries {
			if e.Cluster == c.Name {
				a.Paths = append(a.Paths, strings.TrimPrefix(e.Prefix+"/"+e.Path, "./"))
			}
		}
		out = append(out, a)
	}
	return out
}

// compartment adds an environment to what a tenant has on a cluster.
func (s *surveyor) compartment(from *tenant.Compartment) {
	c, t := s.clusters[from.Cluster.Name], s.tenants[from.Tenant.Name]
	if c == nil {
		return // one that nothing is rendered for
	}
	p := c.Compartment(t)
	if p == nil {
		p = &estate.Compartment{Tenant: t, Cluster: c}
		c.Compartments = append(c.Compartments, p)
		t.Compartments = append(t.Compartments, p)
	}
	p.Namespaces = append(p.Namespaces, from.Namespaces...)
	slices.Sort(p.Namespaces)
	p.Namespaces = slices.Compact(p.Namespaces)
	if ns := from.FluxNamespace(); !t.Inferred && !slices.Contains(p.FluxNamespaces, ns) {
		p.FluxNamespaces = append(p.FluxNamespaces, ns)
		slices.Sort(p.FluxNamespaces)
	}
	p.Settings = append(p.Settings, estate.Settings{Settings: from.Settings, Environment: from.Environment.Name, Namespaces: from.Namespaces})
	s.known.add(from, t, s.out.Hub)
}
