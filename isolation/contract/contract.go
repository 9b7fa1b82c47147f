// Package contract turns what the platform knows of one tenant into a file that the tenant may have, and such a file into a hub that has this tenant
// alone, see [Export] and [Hub].
//
// One invariant: the file says nothing of other tenants: no name, no namespace, no repository, and no host but as a digest.
package contract

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// AnnotationClusters of an object in a contract names the clusters that it is on, with commas between them.
const AnnotationClusters = "bulkhead.dev/clusters"

// Export is the contract of a tenant: its document, the Cluster documents of the clusters that it is on as far as they concern it, Flux's controllers
// there with their flags, the kinds that a CustomResourceDefinition brings, the ClusterRoles that its accounts are bound to, and digests of the hosts that
// are others'. It is a YAML stream, the same for the same fleet.
//
// The error says that there is no such tenant, or none with a document.
func Export(e *estate.Estate, docs v1alpha1.Documents, name string) ([]byte, error) {
	t := e.Tenant(name)
	if t == nil || t.Inferred {
		return nil, fmt.Errorf("tenant %s has no document", name)
	}
	x := &export{e: e, t: t, docs: docs, on: map[string][]string{}}
	x.documents()
	for _, p := range t.Compartments {
		x.controllers(p)
		x.kinds(p.Cluster)
		x.roles(p)
		x.hosts(p)
	}
	return x.write()
}

type export struct {
	e    *estate.Estate
	t    *estate.Tenant
	docs v1alpha1.Documents
	own  []any // documents, in their order
	// on says by the text of an object which clusters it is on.
	on  map[string][]string
	err error
}

// documents are those of the tenant and of its clusters, without what is about others.
func (x *export) documents() {
	if f := x.docs.Fleet; f != nil {
		x.own = append(x.own, document(v1alpha1.KindFleet, f.Name, nil, v1alpha1.FleetSpec{EnvironmentLabel: f.Spec.EnvironmentLabel, TenantDefaults: f.Spec.TenantDefaults, Profiles: f.Spec.Profiles}))
	}
	for _, p := range x.t.Compartments {
		d := x.e.Declared[p.Cluster.Name]
		if d == nil {
			continue
		}
		spec := v1alpha1.ClusterSpec{Path: "clusters/" + d.Name, KubernetesVersion: d.Spec.KubernetesVersion, APIVersions: d.Spec.APIVersions, Lockdown: d.Spec.Lockdown}
		for i := range p.Settings {
			for _, name := range p.Settings[i].Sync.ClusterVariables {
				if v, ok := d.Spec.Variables[name]; ok {
					if spec.Variables == nil {
						spec.Variables = map[string]string{}
					}
					spec.Variables[name] = v
				}
			}
		}
		x.own = append(x.own, document(v1alpha1.KindCluster, d.Name, x.labels(d.Labels), spec))
	}
	spec := *x.t.Document.Spec.DeepCopy()
	if spec.Repository != nil {
		spec.Repository.Credentials = ""
	}
	if spec.Artifact != nil {
		spec.Artifact.Credentials = ""
	}
	spec.Clusters = slices.DeleteFunc(spec.Clusters, func(c v1alpha1.TenantCluster) bool {
		return !slices.ContainsFunc(x.t.Compartments, func(p *estate.Compartment) bool { return p.Cluster.Name == c.Name })
	})
	x.own = append(x.own, document(v1alpha1.KindTenant, x.t.Name, x.t.Document.Labels, spec))
}

// labels are those by which the tenant selects its clusters, and their environment.
func (x *export) labels(of map[string]string) map[string]string {
	keys := []string{v1alpha1.DefaultEnvironmentLabel, "environment", "stage"}
	if x.docs.Fleet != nil && x.docs.Fleet.Spec.EnvironmentLabel != "" {
		keys = append(keys, x.docs.Fleet.Spec.EnvironmentLabel)
	}
	for i := range x.t.Document.Spec.Environments {
		s := &x.t.Document.Spec.Environments[i].Clusters
		keys = slices.AppendSeq(keys, maps.Keys(s.MatchLabels))
		for _, r := range s.MatchExpressions {
			keys = append(keys, r.Key)
		}
	}
	out := map[string]string{}
	for _, k := range keys {
		if v, ok := of[k]; ok {
			out[k] = v
		}
	}
	return out
}

func document(kind, name string, labels map[string]string, spec any) map[string]any {
	meta := map[string]any{"name": name}
	if len(labels) > 0 {
		meta["labels"] = labels
	}
	return map[string]any{"apiVersion": v1alpha1.APIVersion, "kind": kind, "metadata": meta, "spec": spec}
}

// put notes an object of a cluster.
func (x *export) put(c *estate.Cluster, o any) {
	data, err := json.Marshal(o)
	if err != nil {
		x.err = cmp.Or(x.err, err)
		return
	}
	if list := x.on[string(data)]; !slices.Contains(list, c.Name) {
		x.on[string(data)] = append(list, c.Name)
	}
}

// controllers are Flux's, as Deployments that say no more than their image and flags.
func (x *export) controllers(p *estate.Compartment) {
	for _, k := range p.Cluster.Controllers {
		if k.Shard {
			continue
		}
		container := map[string]any{"name": "manager", "image": k.Name + ":" + cmp.Or(k.Version, "unknown"), "args": k.Args}
		x.put(p.Cluster, map[string]any{
			"apiVersion": "apps/v1", "kind": "Deployment", "metadata": map[string]any{"name": k.Name, "namespace": k.Account.Namespace},
			"spec": map[string]any{
				"selector": map[string]any{"matchLabels": map[string]string{"app": k.Name}},
				"template": map[string]any{"metadata": map[string]any{"labels": map[string]string{"app": k.Name}}, "spec": map[string]any{"serviceAccountName": k.Account.Name, "containers": []any{container}}},
			},
		})
	}
}

// kinds are those of the CustomResourceDefinitions: their names and scopes.
func (x *export) kinds(c *estate.Cluster) {
	for _, o := range c.Kind("apiextensions.k8s.io", "CustomResourceDefinition") {
		if o.Tenant != nil && o.Tenant != x.t {
			continue
		}
		var versions []any
		for _, v := range estate.List(o.Body().Map(), "spec", "versions") {
			versions = append(versions, map[string]any{"name": v["name"], "served": v["served"], "storage": v["storage"]})
		}
		x.put(c, map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": o.ID.Name},
			"spec": map[string]any{
				"group": o.At("spec", "group"), "scope": o.At("spec", "scope"), "versions": versions,
				"names": map[string]any{"kind": o.At("spec", "names", "kind"), "plural": o.At("spec", "names", "plural")},
			},
		})
	}
}

// roles are the ClusterRoles that the tenant's document binds, with all that they are made of.
func (x *export) roles(p *estate.Compartment) {
	for i := range p.Settings {
		s := &p.Settings[i]
		for _, name := range append(slices.Clone(s.ClusterRoles), s.OwnerClusterRole) {
			if slices.Contains([]string{"", v1alpha1.TenantRole, v1alpha1.TenantFluxRole, v1alpha1.TenantNetworkRole, v1alpha1.TenantAutomationRole, "admin", "edit", "view", "cluster-admin"}, name) {
				continue // made by generate, or by Kubernetes
			}
			if rules := p.Cluster.Permissions().Rules(name); rules != nil {
				x.put(p.Cluster, &rbacv1.ClusterRole{TypeMeta: metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"}, ObjectMeta: metav1.ObjectMeta{Name: name}, Rules: rules})
			}
		}
	}
}

// hosts are digests of those that other tenants' contracts name and the platform's routes claim.
func (x *export) hosts(p *estate.Compartment) {
	data := map[string]string{}
	for _, t := range x.e.Tenants {
		if t != x.t && !t.Inferred {
			for _, host := range t.Document.Spec.Contract.Hosts {
				data[estate.HostDigest(host)] = ""
			}
		}
	}
	if len(data) > 0 {
		x.put(p.Cluster, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": estate.ReservedHosts, "namespace": p.Cluster.FluxNamespace}, "data": data})
	}
}

func (x *export) write() ([]byte, error) {
	if x.err != nil {
		return nil, fmt.Errorf("write the contract: %w", x.err)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "# What the platform's hub says of tenant %s: its contract. bulkhead contract export makes it, and\n# bulkhead check --contract reads it in the tenant's own repository. It says nothing of other tenants.\n", x.t.Name)
	for _, d := range x.own {
		if err := write(&b, d); err != nil {
			return nil, err
		}
	}
	for _, text := range slices.Sorted(maps.Keys(x.on)) {
		var o map[string]any
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			return nil, err
		}
		meta, _ := o["metadata"].(map[string]any)
		delete(meta, "creationTimestamp")
		meta["annotations"] = map[string]any{AnnotationClusters: strings.Join(slices.Sorted(slices.Values(x.on[text])), ",")}
		if err := write(&b, o); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func write(b *bytes.Buffer, v any) error {
	data, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("write the contract: %w", err)
	}
	b.WriteString("---\n")
	b.Write(data)
	return nil
}
