package adopt

import (
	"cmp"
	"slices"
	"strings"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// State says how an object that is there compares with the one that a document stands for.
type State string

// The states, in the order in which they are listed.
const (
	Renamed State = "renamed" // it has another name or namespace, and perhaps other fields
	Differs State = "differs" // it has other fields
	Only    State = "only"    // it is there, and no document says it
	New     State = "new"     // the document stands for it, and it is not there
	Equal   State = "equal"   // it is the same, but for what Flux and Kubernetes take for the same
)

func states() []State { return []State{Renamed, Differs, Only, New, Equal} }

// Compared is an object that is there, one that a document stands for, or both.
type Compared struct {
	Cluster string
	State   State
	There   *object.Object // nil for New
	Ours    *object.Object // nil for Only
	// Edits make There into Ours, without what has the same effect and without the names of a rename.
	Edits []object.Edit
	// Why it is so, or what follows from it; "" when that is plain.
	Why string
}

// compare accepts a document when it goes with all others. The error is a [*v1alpha1.DocumentError] when it does not.
func (a *adoption) compare(docs v1alpha1.Documents, t *v1alpha1.Tenant) error {
	docs.Tenants = append(slices.Clone(docs.Tenants), *t)
	all, err := tenant.Compartments(docs)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c *tenant.Compartment) bool { return c.Tenant.Name != t.Name })
	out := Tenant{Document: *t}
	for len(all) > 0 {
		n := 1
		for n < len(all) && all[n].Cluster.Name == all[0].Cluster.Name {
			n++
		}
		ours, err := tenant.Objects(all[:n])
		if err != nil {
			return &v1alpha1.DocumentError{Message: err.Error()}
		}
		p := &pairing{cluster: all[0].Cluster.Name, name: t.Name, ours: object.NewSet(ours...), partner: map[object.ID]object.ID{}, back: map[object.ID]object.ID{}}
		p.founds = slices.DeleteFunc(slices.Clone(a.byName[t.Name]), func(f *found) bool { return f.view.Name != p.cluster })
		p.collect()
		p.pair(all[:n])
		out.Objects = append(out.Objects, p.compared()...)
		out.Notes = append(out.Notes, p.notes(all[:n])...)
		all = all[n:]
	}
	slices.Sort(out.Notes)
	out.Notes = slices.Compact(out.Notes)
	a.r.Tenants = append(a.r.Tenants, out)
	return nil
}

// pairing compares one tenant on one cluster.
type pairing struct {
	cluster, name string
	founds        []*found
	there, ours   object.Set
	partner, back map[object.ID]object.ID // there -> ours, and back
}

// collect finds what is there for the tenant, without what its own files apply.
func (p *pairing) collect() {
	if len(p.founds) == 0 {
		return
	}
	v := p.founds[0].view
	var spaces []string
	for _, f := range p.founds {
		spaces = append(spaces, f.namespaces...)
	}
	var list []*object.Object
	for o := range v.set.All() {
		of := func(f *found) bool {
			return o == f.object || o == f.source || o == f.account || (o.ID.Kind == "ClusterRoleBinding" || o.ID.Kind == "RoleBinding") && bound(o, f)
		}
		switch {
		case slices.ContainsFunc(p.founds, func(f *found) bool { return f.applies(o) }):
		case slices.ContainsFunc(p.founds, of), slices.Contains(spaces, o.ID.Namespace), o.ID.Namespace == p.name+"-flux", label(o, labelTenant) == p.name,
			o.ID.Kind == "Namespace" && o.ID.Group == "" && (slices.Contains(spaces, o.ID.Name) || o.ID.Name == p.name+"-flux"):
			list = append(list, o)
		}
	}
	p.there = object.NewSet(list...)
}

func (p *pairing) join(there, ours object.ID) {
	_, has := p.there.Get(there)
	_, wants := p.ours.Get(ours)
	_, taken := p.partner[there]
	_, given := p.back[ours]
	if has && wants && !taken && !given {
		p.partner[there], p.back[ours] = ours, there
	}
}

// pair finds for each object the one that plays its part: that of the same name, else of the same role.
func (p *pairing) pair(compartments []*tenant.Compartment) {
	for o := range p.there.All() {
		p.join(o.ID, o.ID)
	}
	for _, f := range p.founds {
		c := compartmentOf(f, compartments)
		if c == nil {
			continue
		}
		as := func(o *object.Object) object.ID {
			return object.ID{Group: o.ID.Group, Kind: o.ID.Kind, Namespace: c.FluxNamespace(), Name: c.Name()}
		}
		p.join(f.object.ID, as(f.object))
		p.join(f.source.ID, as(f.source))
		if f.account != nil {
			p.join(f.account.ID, as(f.account))
		}
	}
	for o := range p.there.All() {
		for w := range p.ours.All() {
			if o.ID.Kind == w.ID.Kind && o.ID.Group == w.ID.Group && o.ID.Namespace == w.ID.Namespace && p.sameRole(o, w) {
				p.join(o.ID, w.ID)
			}
		}
	}
}

// compartmentOf is what a Kustomization has become.
func compartmentOf(f *found, list []*tenant.Compartment) *tenant.Compartment {
	for _, c := range list {
		if len(f.namespaces) == 0 || slices.Contains(c.Namespaces, f.namespaces[0]) {
			return c
		}
	}
	return nil
}

// sameRole says whether two objects of a kind in one namespace of the tenant are there for the same.
func (p *pairing) sameRole(there, ours *object.Object) bool {
	switch there.ID.Kind {
	case "ResourceQuota", "LimitRange":
		return true
	case "NetworkPolicy":
		var rules [2]bool
		for i, o := range []*object.Object{there, ours} {
			spec, _ := o.Body().Map()["spec"].(map[string]any)
			selects, _ := spec["podSelector"].(map[string]any)
			if len(selects) > 0 {
				return false
			}
			in, _ := spec["ingress"].([]any)
			out, _ := spec["egress"].([]any)
			rules[i] = len(in)+len(out) > 0
		}
		return rules[0] == (ours.ID.Name != "bulkhead")
	case "RoleBinding":
		var x, y rbacv1.RoleBinding
		if into(there, &x) != nil || into(ours, &y) != nil || x.RoleRef.Kind != y.RoleRef.Kind || x.RoleRef.Name != y.RoleRef.Name {
			return false
		}
		account := slices.ContainsFunc(p.founds, func(f *found) bool { return bound(there, f) })
		return account != (ours.ID.Name == tenant.Owners+y.RoleRef.Name) && (account || ownersOnly(there, &x))
	}
	return false
}

// compared are all objects of the two sides.
func (p *pairing) compared() (out []Compared) {
	for o := range p.there.All() {
		c := Compared{Cluster: p.cluster, There: o, State: Only}
		if id, ok := p.partner[o.ID]; ok {
			c.Ours, _ = p.ours.Get(id)
			c.Edits = p.edits(o, c.Ours)
			switch {
			case o.ID != id:
				c.State = Renamed
			case len(c.Edits) > 0:
				c.State = Differs
			default:
				c.State = Equal
			}
		}
		out = append(out, c)
	}
	for o := range p.ours.All() {
		if _, ok := p.back[o.ID]; !ok {
			out = append(out, Compared{Cluster: p.cluster, Ours: o, State: New})
		}
	}
	for i := range out {
		out[i].Why = p.why(&out[i])
	}
	slices.SortStableFunc(out, func(a, b Compared) int {
		return cmp.Or(cmp.Compare(slices.Index(states(), a.State), slices.Index(states(), b.State)), a.ID().Compare(b.ID()))
	})
	return out
}

// ID of the object that is there, or of the one that will be.
func (c *Compared) ID() object.ID {
	if c.There != nil {
		return c.There.ID
	}
	return c.Ours.ID
}

// edits are the differences that count.
func (p *pairing) edits(there, ours *object.Object) []object.Edit {
	renamed := there.ID != ours.ID
	skip := func(at object.Path) bool {
		return renamed && len(at) == 2 && at[0].Field == "metadata" && (at[1].Field == "name" || at[1].Field == "namespace")
	}
	left := object.NewBodySensitive(p.canonical(there, true), there.Body().Sensitive())
	return object.Diff(left, object.NewBodySensitive(p.canonical(ours, false), ours.Body().Sensitive()), object.DiffOptions{Skip: skip, IgnoreOrder: true})
}

// why tells what a difference means.
func (p *pairing) why(c *Compared) string {
	switch c.State {
	case Only:
		return p.whyOnly(c.There)
	case New:
		return p.whyNew(c.Ours)
	case Renamed:
		if c.There.ID.Kind == "Kustomization" {
			return whyRenamed(c.There)
		}
	case Differs:
		enforces := func(e object.Edit) bool {
			return strings.Contains(e.Path.String(), "pod-security.kubernetes.io/enforce")
		}
		if c.There.ID.Kind == "Namespace" && c.There.ID.Name != p.name+"-flux" && slices.ContainsFunc(c.Edits, enforces) {
			return "its pods must meet that Pod Security Standard, or are refused: spec.podSecurity"
		}
	case Equal:
	}
	return ""
}

func whyRenamed(o *object.Object) string {
	var k kustomizev1.Kustomization
	if into(o, &k) == nil && (!k.Spec.Prune && (k.Spec.DeletionPolicy == "" || k.Spec.DeletionPolicy == "MirrorPrune") || k.Spec.DeletionPolicy == "Orphan") {
		return "Flux takes it for another one, and deletes nothing of what the old one applied"
	}
	return "Flux takes it for another one: unless deletionPolicy of the old one is Orphan first, all that it applied is deleted, and applied again by the new one"
}

func (p *pairing) whyOnly(o *object.Object) string {
	var b rbacv1.RoleBinding
	switch o.ID.Kind {
	case "RoleBinding":
		switch err := into(o, &b); {
		case err == nil && b.RoleRef.Name == clusterAdmin:
			return "a Tenant document refuses cluster-admin, with which a tenant changes its own namespace, quota and rights"
		case err == nil && b.RoleRef.Kind != "ClusterRole":
			return "a Tenant document gives ClusterRoles only, in each of the tenant's namespaces"
		}
		return "a Tenant document gives roles to the tenant's account, and one to its owners"
	case "ClusterRoleBinding":
		return "a Tenant document gives no rights on the whole cluster"
	case rbacv1.ServiceAccountKind:
		return "a tenant has one account for each environment, beside its Flux objects: keep its file if something else needs it"
	case "Secret":
		return "it is no part of a document: keep its file; what the Flux objects refer to has to be in their namespace"
	case "Kustomization", "GitRepository", "OCIRepository":
		return "a tenant has one source, and one Kustomization for each environment: keep its file, or make it a tenant of its own"
	}
	return "no field of a Tenant document says it: keep its file"
}

func (p *pairing) whyNew(o *object.Object) string {
	switch o.ID.Kind {
	case "Namespace":
		if o.ID.Name == p.name+"-flux" {
			return "the platform's own, for the tenant's Flux objects"
		}
	case "NetworkPolicy":
		return "lets nothing in or out of the namespace but DNS: open what the tenant needs with spec.network"
	case "ResourceQuota":
		if o.ID.Namespace != p.name+"-flux" {
			return "bounds what runs there: spec.quota"
		}
	case "LimitRange":
		return "gives containers that say nothing requests and limits: spec.limitRange"
	case "ServiceAccount":
		return "the account that the tenant's files are applied as; it may do what spec.clusterRoles says, in the tenant's namespaces"
	}
	return ""
}

// notes are about Secrets that Flux looks for elsewhere afterwards, and about Flux objects that the tenant may no longer make.
func (p *pairing) notes(compartments []*tenant.Compartment) (out []string) {
	for _, f := range p.founds {
		c := compartmentOf(f, compartments)
		if c == nil {
			continue
		}
		look := func(name, what, from string) {
			if name != "" && from != c.FluxNamespace() {
				out = append(out, "Secret "+name+", "+what+", is looked for in namespace "+c.FluxNamespace()+", no longer in "+from)
			}
		}
		if name, _ := tenant.SecretName(c.Tenant); name != "" {
			look(name, "with the credentials of the source", f.source.ID.Namespace)
		}
		if kinds := f.nested(); len(kinds) > 0 && c.Settings.NestedFlux != v1alpha1.Pinned {
			out = append(out, "its files hold Flux objects, which its account may not make: "+phrase.List(kinds, 4)+"; spec.nestedFlux: Pinned allows them")
		}
		if d := c.Settings.Sync.Decryption; d != nil && d.SecretRef != nil {
			look(d.SecretRef.Name, "with the keys of sops", f.k.Namespace)
		}
	}
	return out
}

// nested are the kinds of Flux objects that the tenant's own files hold, as far as they are at hand; sorted.
func (f *found) nested() (kinds []string) {
	for o := range f.view.set.All() {
		if strings.HasSuffix(o.ID.Group, ".toolkit.fluxcd.io") && f.applies(o) && !slices.Contains(kinds, o.ID.Kind) {
			kinds = append(kinds, o.ID.Kind)
		}
	}
	slices.Sort(kinds)
	return kinds
}
