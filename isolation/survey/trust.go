package survey

import (
	"cmp"
	"slices"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// registry says by what a tenant is told.
type registry struct {
	// applied are the appliers by which documents say that a tenant is applied, by cluster.
	applied map[string]map[object.Applier]*estate.Tenant
	// urls are repositories of tenants that are none of the hub's; nil for those of several tenants.
	urls map[string]*estate.Tenant
}

func (g *registry) add(c *tenant.Compartment, t *estate.Tenant, hub []string) {
	of := g.applied[c.Cluster.Name]
	if of == nil {
		of = map[object.Applier]*estate.Tenant{}
		g.applied[c.Cluster.Name] = of
	}
	of[object.Applier{Kind: estate.KustomizationKind, Namespace: c.FluxNamespace(), Name: c.Name()}] = t
	repository := render.RepositoryName(t.Document.Spec.URL())
	if repository == "" || slices.Contains(hub, repository) {
		return
	}
	if other, taken := g.urls[repository]; taken && other != t {
		t = nil
	}
	g.urls[repository] = t
}

// decode reads the object of an applier.
func (s *surveyor) decode(a *estate.Applier) {
	if a.Object == nil {
		return
	}
	switch a.Kind {
	case estate.KustomizationKind:
		var k kustomizev1.Kustomization
		if a.Object.Into(&k) {
			a.Kustomization = &k
			a.Source.Kind, a.Source.Name = k.Spec.SourceRef.Kind, k.Spec.SourceRef.Name
			a.Source.Namespace = cmp.Or(k.Spec.SourceRef.Namespace, a.Namespace)
		}
	case estate.HelmReleaseKind:
		var h helmv2.HelmRelease
		if !a.Object.Into(&h) {
			return
		}
		a.HelmRelease = &h
		if ref := h.Spec.ChartRef; ref != nil {
			a.Source.Kind, a.Source.Name, a.Source.Namespace = ref.Kind, ref.Name, cmp.Or(ref.Namespace, a.Namespace)
		} else if h.Spec.Chart != nil {
			ref := h.Spec.Chart.Spec.SourceRef
			a.Source.Kind, a.Source.Name, a.Source.Namespace = ref.Kind, ref.Name, cmp.Or(ref.Namespace, a.Namespace)
		}
	}
}

// address fills in where a source is that the render had no files of: its object says so.
func address(a *estate.Applier) {
	if a.Source.URL != "" || a.Source.Name == "" {
		return
	}
	for _, o := range a.Home.Get(object.ID{Group: "source.toolkit.fluxcd.io", Kind: a.Source.Kind, Namespace: a.Source.Namespace, Name: a.Source.Name}) {
		if url := o.Text("spec", "url"); url != "" {
			a.Source.URL, a.Source.Repository = url, render.RepositoryName(url)
			return
		}
	}
}

// trust says who decides what each applier applies. What leads to an applier is judged before it.
func (s *surveyor) trust() {
	all := slices.Clone(s.appliers)
	slices.SortStableFunc(all, func(a, b pair) int { return cmp.Compare(len(a.to.Chain), len(b.to.Chain)) })
	for _, p := range all {
		a := p.to
		if a.Object != nil {
			a.Author = a.Object.Tenant
		} else if a.Parent != nil {
			a.Author = a.Parent.Tenant
		}
		a.Tenant = cmp.Or(a.Author, s.decides(a))
		for _, list := range [][]*estate.Object{a.Objects, a.Held, a.Hooks} {
			for _, o := range list {
				o.Tenant = a.Tenant
			}
		}
	}
}

// decides is the tenant whose files an applier of the platform applies; nil when they are the platform's.
func (s *surveyor) decides(a *estate.Applier) *estate.Tenant {
	if t := s.known.applied[a.Home.Name][a.Applier]; t != nil {
		return t
	}
	if t := s.known.urls[a.Source.Repository]; t != nil && !a.Own {
		return t
	}
	for _, o := range a.Home.MadeOf(object.ID{Group: "source.toolkit.fluxcd.io", Kind: a.Source.Kind, Namespace: a.Source.Namespace, Name: a.Source.Name}) {
		if t := cmp.Or(o.Tenant, s.known.urls[render.RepositoryName(o.Text("spec", "url"))]); t != nil { // who writes one of the sources writes what is made of them
			return t
		}
	}
	if a.Kind != estate.KustomizationKind || a.Object == nil {
		return nil
	}
	// One that was onboarded by hand from a folder of the hub: it stands in the tenant's namespace, or says so by its label. Of a tenant with a document, that
	// must say that the tenant's files are in the hub.
	for _, p := range a.Target.Compartments {
		labelled := a.Object.Labels()[tenant.LabelTenant] == p.Tenant.Name
		if p.Tenant.Inferred && (labelled || p.Owns(a.Namespace)) || labelled && a.Source.Repository == render.RepositoryName(p.Tenant.Document.Spec.URL()) {
			return p.Tenant
		}
	}
	return nil
}

// identities says in whose name each applier writes.
//
// Source: kustomize-controller v1.9.5 and helm-controller v1.6.4, the impersonation of fluxcd/pkg/runtime/client.
func (s *surveyor) identities() {
	for _, p := range s.appliers {
		p.to.As = identity(p)
	}
}

func identity(p pair) estate.Identity {
	a := p.to
	name := p.from.ServiceAccountName
	if a.Object != nil {
		name = a.Object.Text("spec", "serviceAccountName")
	}
	if name != "" {
		return estate.Identity{Kind: estate.RunsAsAccount, Account: estate.Account{Namespace: a.Namespace, Name: name}}
	}
	if a.Home != a.Target || a.Object != nil && a.Object.At("spec", "kubeConfig") != nil {
		return estate.Identity{Kind: estate.RunsAsKubeconfig}
	}
	if a.Object == nil && a.Parent == nil { // the sync that Flux Operator or "flux bootstrap" makes, for the platform
		return estate.Identity{Kind: estate.RunsAsController, Unknown: true}
	}
	k := a.Controller()
	flag := ""
	if k != nil {
		flag, _ = k.Flag("--default-service-account")
	}
	if flag != "" {
		return estate.Identity{Kind: estate.RunsAsAccount, Account: estate.Account{Namespace: a.Namespace, Name: flag}, ByDefault: true}
	}
	return estate.Identity{Kind: estate.RunsAsController, Unknown: k == nil}
}

// compartments gathers the appliers of each, and what is known of where they stand.
func (s *surveyor) compartments() {
	for _, p := range s.appliers {
		a := p.to
		if a.Tenant == nil {
			continue
		}
		at := a.Target.Compartment(a.Tenant)
		if at == nil { // on a cluster where it has nothing
			at = &estate.Compartment{Tenant: a.Tenant, Cluster: a.Target}
			a.Target.Compartments = append(a.Target.Compartments, at)
			a.Tenant.Compartments = append(a.Tenant.Compartments, at)
		}
		at.Appliers = append(at.Appliers, a)
		if a.Author == nil && a.Home == a.Target && !at.Owns(a.Namespace) && !slices.Contains(at.FluxNamespaces, a.Namespace) {
			at.FluxNamespaces = append(at.FluxNamespaces, a.Namespace)
			slices.Sort(at.FluxNamespaces)
		}
	}
	for _, c := range s.out.Clusters {
		slices.SortFunc(c.Compartments, func(a, b *estate.Compartment) int { return strings.Compare(a.Tenant.Name, b.Tenant.Name) })
	}
	for _, t := range s.out.Tenants {
		slices.SortFunc(t.Compartments, func(a, b *estate.Compartment) int { return strings.Compare(a.Cluster.Name, b.Cluster.Name) })
	}
}
