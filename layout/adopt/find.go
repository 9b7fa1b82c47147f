package adopt

import (
	"cmp"
	"path"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// labelTenant is what "flux create tenant" marks a tenant's objects with.
//
// Source: fluxcd/flux2 v2.9 cmd/flux/create_tenant.go.
const labelTenant = tenant.LabelTenant

const fluxSystem = "flux-system"

// Groups of Flux's kinds.
const (
	kustomizeGroup = "kustomize.toolkit.fluxcd.io"
	sourceGroup    = "source.toolkit.fluxcd.io"
)

// view is a cluster with what is asked of it often.
type view struct {
	*Cluster
	set      object.Set
	hub      map[string]bool   // namespaces of the platform's Flux objects
	labelled map[string]string // namespaces -> tenant by label
	platform map[string]bool   // tenants by label that Flux itself is of
}

func newView(c *Cluster) *view {
	v := &view{
		Cluster: c, set: object.NewSet(c.Objects...), labelled: map[string]string{}, platform: map[string]bool{"platform": true},
		hub: map[string]bool{fluxSystem: true, cmp.Or(c.FluxNamespace, fluxSystem): true},
	}
	for o := range v.set.All() {
		if name := label(o, labelTenant); name != "" && o.ID.Kind == "Namespace" && o.ID.Group == "" {
			v.labelled[o.ID.Name] = name
			v.platform[name] = v.platform[name] || v.hub[o.ID.Name]
		}
	}
	return v
}

func (v *view) get(group, kind, namespace, name string) *object.Object {
	o, _ := v.set.Get(object.ID{Group: group, Kind: kind, Namespace: namespace, Name: name})
	return o
}

// found is a Kustomization that applies a tenant's source on one cluster.
type found struct {
	view       *view
	tenant     string
	k          kustomizev1.Kustomization
	object     *object.Object // k as it is there
	source     *object.Object // nil when it is not among the objects
	git        *sourcev1.GitRepository
	oci        *sourcev1.OCIRepository
	account    *object.Object // nil when it is not among the objects
	namespaces []string       // of the tenant
	targeted   bool           // the first of them is where k applies to

	environment string
	settings    v1alpha1.Settings
	owners      []rbacv1.Subject
}

func (f *found) name() string { return "Kustomization " + f.k.Namespace + "/" + f.k.Name }

func (f *found) url() string {
	switch {
	case f.git != nil:
		return f.git.Spec.URL
	case f.oci != nil:
		return f.oci.Spec.URL
	}
	return ""
}

// sourceKey tells sources apart that one document cannot name together.
func (f *found) sourceKey(a *adoption) string {
	kind := sourcev1.GitRepositoryKind
	if f.oci != nil {
		kind = sourcev1.OCIRepositoryKind
	}
	return kind + " " + a.repository(f.url())
}

func (a *adoption) repository(url string) string {
	if a.opts.Repository == nil {
		return url
	}
	return a.opts.Repository(url)
}

// path of the folder that k applies, from the source's root: Flux does not leave the source.
func (f *found) path() string { return clamp(f.k.Spec.Path) }

func clamp(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	return cmp.Or(p, ".")
}

// find looks for tenants on a cluster.
func (a *adoption) find(v *view) {
	var all []*found
	for o := range v.set.All() {
		if o.ID.Group != kustomizeGroup || o.ID.Kind != kustomizev1.KustomizationKind {
			continue
		}
		f := &found{view: v, object: o}
		if into(o, &f.k) != nil {
			continue // the API server would refuse it, and the render says so
		}
		if f.read(); f.source != nil && !a.own(f) {
			all = append(all, f)
		}
	}
	slices.SortStableFunc(all, func(x, y *found) int {
		return cmp.Or(cmp.Compare(len(x.object.Origin.Chain), len(y.object.Origin.Chain)), x.object.ID.Compare(y.object.ID))
	})
	taken := map[object.Applier]bool{}
	for _, f := range all {
		if slices.ContainsFunc(f.object.Origin.Chain, func(by object.Applier) bool { return taken[by] }) {
			continue // the tenant's own
		}
		name, sure, hint := a.tenantOf(f)
		if name == "" || v.platform[name] && sure {
			continue
		}
		if why := f.unsayable(); why != "" {
			if sure && a.wanted(name) {
				a.leave(name, v.Name, "", "%s %s", f.name(), why)
			}
			continue
		}
		if !sure && !slices.Contains(a.opts.Only, name) {
			a.passed = append(a.passed, LeftOut{Name: name, Cluster: v.Name, Why: f.name() + " applies " + f.url() + ", which may be a third party's", Hint: hint})
			continue
		}
		taken[object.Applier{Kind: f.k.Kind, Namespace: f.k.Namespace, Name: f.k.Name}] = true
		f.tenant = name
		a.byName[name] = append(a.byName[name], f)
	}
	for _, list := range a.byName {
		v.share(list)
	}
}

// read finds what a Kustomization refers to.
func (f *found) read() {
	ref := f.k.Spec.SourceRef
	f.source = f.view.get(sourceGroup, ref.Kind, cmp.Or(ref.Namespace, f.k.Namespace), ref.Name)
	if f.source != nil {
		switch ref.Kind {
		case sourcev1.GitRepositoryKind:
			f.git = &sourcev1.GitRepository{}
			if into(f.source, f.git) != nil {
				f.git = nil
			}
		case sourcev1.OCIRepositoryKind:
			f.oci = &sourcev1.OCIRepository{}
			if into(f.source, f.oci) != nil {
				f.oci = nil
			}
		}
	}
	if name := f.k.Spec.ServiceAccountName; name != "" {
		f.account = f.view.get("", rbacv1.ServiceAccountKind, f.k.Namespace, name)
	}
}

// own says whether a Kustomization applies files of the hub itself: a source among the platform's with the hub's URL, or that of the sync.
func (a *adoption) own(f *found) bool {
	if f.view.hub[f.source.ID.Namespace] && f.source.ID.Name == f.source.ID.Namespace {
		return true
	}
	return slices.Contains(a.opts.Hub, a.repository(f.url())) && (f.view.hub[f.source.ID.Namespace] || f.label() == "")
}

// unsayable is why no Tenant document can stand for it, or "".
func (f *found) unsayable() string {
	switch {
	case f.k.Spec.KubeConfig != nil:
		return "applies to another cluster, by a kubeConfig: a tenant is applied by the Flux of its cluster"
	case f.source.ID.Kind == sourcev1.BucketKind:
		return "applies a Bucket: a tenant has a Git repository or an OCI artifact"
	case f.git == nil && f.oci == nil:
		return "applies " + f.source.ID.String() + ", which cannot be read as a Git repository or an OCI artifact"
	case len(f.view.Paths) == 0:
		return "is on a cluster whose own entry point is not in this repository"
	}
	return ""
}

// label is what the objects around a Kustomization say whose it is, or "".
func (f *found) label() string {
	around := []*object.Object{f.object, f.source, f.account}
	for _, ns := range []string{f.k.Spec.TargetNamespace, f.k.Namespace} {
		if ns != "" && !f.view.hub[ns] {
			around = append(around, f.view.get("", "Namespace", "", ns))
		}
	}
	for _, o := range around {
		if name := label(o, labelTenant); name != "" {
			return name
		}
	}
	return ""
}

// tenantOf names the tenant: by the label; where its Flux objects are in a namespace of their own, by the service account, as "flux create tenant" names
// it; else by what the names of Kustomization and source share. It is not sure of what may be a third party's.
func (a *adoption) tenantOf(f *found) (name string, sure bool, hint string) {
	if name := f.label(); name != "" {
		return name, true, ""
	}
	account := f.k.Spec.ServiceAccountName
	if strings.HasSuffix(account, "-controller") || slices.Contains([]string{"default", "flux", "reconciler", "tenant"}, account) {
		account = ""
	}
	apart := !f.view.hub[f.k.Namespace]
	name = stem(f.k.Name, f.source.ID.Name)
	if apart && account != "" {
		name, _ = splitEnvironment(account)
	}
	hint = "if it is a tenant's: bulkhead tenant import --tenant " + name
	target := f.k.Spec.TargetNamespace
	switch {
	case apart && account != "":
		return name, a.sibling(f.url()), hint
	case target != "" && !f.view.hub[target]:
		return name, a.sibling(f.url()), hint
	}
	return name, false, hint
}

// sibling says whether a repository belongs to whom the hub belongs, as far as URLs tell.
func (a *adoption) sibling(url string) bool {
	organisation := func(name string) string {
		_, p, _ := strings.Cut(name, "/")
		org, _, ok := strings.Cut(p, "/")
		if !ok {
			return ""
		}
		return strings.ToLower(org)
	}
	org := organisation(a.repository(url))
	return org != "" && slices.ContainsFunc(a.opts.Hub, func(hub string) bool { return organisation(hub) == org })
}

// share gives the tenant's namespaces on a cluster to its Kustomizations there: to the one that applies to it, to the one whose account has rights in
// it, and the rest to the first.
func (v *view) share(list []*found) {
	list = slices.Clone(list)
	list = slices.DeleteFunc(list, func(f *found) bool { return f.view != v })
	if len(list) == 0 {
		return
	}
	owner := map[string]*found{}
	for _, f := range list {
		if ns := f.k.Spec.TargetNamespace; ns != "" && owner[ns] == nil {
			owner[ns], f.targeted = f, true
			f.namespaces = append(f.namespaces, ns)
		}
	}
	for o := range v.set.All() {
		if o.ID.Kind != "RoleBinding" || v.hub[o.ID.Namespace] || owner[o.ID.Namespace] != nil {
			continue
		}
		for _, f := range list {
			if o.ID.Namespace != f.tenant+"-flux" && bound(o, f) {
				owner[o.ID.Namespace] = f
				f.namespaces = append(f.namespaces, o.ID.Namespace)
				break
			}
		}
	}
	for o := range v.set.All() {
		ns := o.ID.Name
		if v.labelled[ns] == list[0].tenant && o.ID.Kind == "Namespace" && owner[ns] == nil && ns != list[0].tenant+"-flux" && !v.hub[ns] {
			owner[ns] = list[0]
			list[0].namespaces = append(list[0].namespaces, ns)
		}
	}
	for _, f := range list {
		if ns := f.k.Namespace; len(f.namespaces) == 0 && !v.hub[ns] && owner[ns] == nil {
			owner[ns] = f
			f.namespaces = append(f.namespaces, ns)
		}
	}
}

// bound says whether a RoleBinding or ClusterRoleBinding gives rights to the account of a Kustomization, or to the tenant's account of that name in another
// of its namespaces: "flux create tenant" makes one in each.
func bound(o *object.Object, f *found) bool {
	var b rbacv1.RoleBinding // the fields of both are the same
	return f.k.Spec.ServiceAccountName != "" && into(o, &b) == nil && slices.ContainsFunc(b.Subjects, func(s rbacv1.Subject) bool {
		if s.Kind != rbacv1.ServiceAccountKind || s.Name != f.k.Spec.ServiceAccountName {
			return false
		}
		ns := cmp.Or(s.Namespace, o.ID.Namespace)
		return ns == f.k.Namespace || slices.Contains(f.namespaces, ns) && label(f.view.get("", rbacv1.ServiceAccountKind, ns, s.Name), labelTenant) == f.tenant
	})
}

func into(o *object.Object, typed any) error {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Body().Map(), typed)
}

func label(o *object.Object, key string) string {
	if o == nil {
		return ""
	}
	meta, _ := o.Body().Map()["metadata"].(map[string]any)
	labels, _ := meta["labels"].(map[string]any)
	text, _ := labels[key].(string)
	return text
}
