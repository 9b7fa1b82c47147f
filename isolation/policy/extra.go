package policy

import (
	"encoding/json"
	"fmt"
	"slices"

	apiservercel "k8s.io/apiserver/pkg/cel"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// extraNames are the variables that only rules have, by the names of their types.
var extraNames = map[string]string{ //nolint:gochecknoglobals // a constant table
	"bulkhead.Tenant": "tenant", "bulkhead.Cluster": "cluster", "bulkhead.Applier": "applier", "bulkhead.Fleet": "fleet",
}

// extraTypes are their types.
func extraTypes() []*apiservercel.DeclType {
	text, yes := apiservercel.StringType, apiservercel.BoolType
	list := func(of *apiservercel.DeclType) *apiservercel.DeclType { return apiservercel.NewListType(of, -1) }
	labels := apiservercel.NewMapType(text, text, -1)
	tenant := declared("bulkhead.Tenant", map[string]*apiservercel.DeclType{
		"name": text, "labels": labels, "inferred": yes, "namespaces": list(text), "fluxNamespaces": list(text), "contract": apiservercel.DynType,
	})
	cluster := declared("bulkhead.Cluster", map[string]*apiservercel.DeclType{
		"name": text, "labels": labels, "environment": text, "production": yes, "kubernetesVersion": text,
	})
	source := declared("bulkhead.Source", map[string]*apiservercel.DeclType{"kind": text, "namespace": text, "name": text, "url": text})
	step := declared("bulkhead.ApplierName", map[string]*apiservercel.DeclType{"kind": text, "namespace": text, "name": text})
	applier := declared("bulkhead.Applier", map[string]*apiservercel.DeclType{
		"kind": text, "namespace": text, "name": text, "chain": list(step), "serviceAccount": text, "source": source, "path": text, "prune": yes, "tenant": text,
	})
	member := declared("bulkhead.FleetTenant", map[string]*apiservercel.DeclType{
		"name": text, "labels": labels, "inferred": yes, "clusters": list(text),
	})
	fleet := declared("bulkhead.Fleet", map[string]*apiservercel.DeclType{"clusters": list(cluster), "tenants": list(member)})
	return []*apiservercel.DeclType{tenant, cluster, source, step, applier, member, fleet}
}

func declared(name string, fields map[string]*apiservercel.DeclType) *apiservercel.DeclType {
	out := map[string]*apiservercel.DeclField{}
	for field, of := range fields {
		out[field] = apiservercel.NewDeclField(field, of, true, nil, nil)
	}
	return apiservercel.NewObjectType(name, out)
}

// fleetValue is the variable fleet.
func fleetValue(e *estate.Estate) map[string]any {
	clusters, tenants := []any{}, []any{}
	for _, c := range e.Clusters {
		clusters = append(clusters, clusterValue(c))
	}
	for _, t := range e.Tenants {
		names := []any{}
		for _, p := range t.Compartments {
			names = append(names, p.Cluster.Name)
		}
		tenants = append(tenants, map[string]any{"name": t.Name, "labels": labelValue(documentLabels(t)), "inferred": t.Inferred, "clusters": names})
	}
	return map[string]any{"clusters": clusters, "tenants": tenants}
}

// clusterValue is the variable cluster.
func clusterValue(c *estate.Cluster) map[string]any {
	kubernetes := ""
	if c.Minor > 0 {
		kubernetes = fmt.Sprintf("1.%d", c.Minor)
	}
	return map[string]any{"name": c.Name, "labels": labelValue(c.Labels), "environment": c.Environment, "production": c.Production, "kubernetesVersion": kubernetes}
}

// tenantValue is the variable tenant: null for the platform.
func tenantValue(t *estate.Tenant, c *estate.Cluster) any {
	if t == nil {
		return nil
	}
	out := map[string]any{"name": t.Name, "labels": labelValue(documentLabels(t)), "inferred": t.Inferred, "namespaces": []any{}, "fluxNamespaces": []any{}, "contract": nil}
	p := c.Compartment(t)
	if p == nil {
		return out
	}
	out["namespaces"], out["fluxNamespaces"] = textValues(p.Namespaces), textValues(p.FluxNamespaces)
	if contract, known := p.Contract(); known {
		data, err := json.Marshal(contract)
		var m map[string]any
		if err == nil && json.Unmarshal(data, &m) == nil {
			for _, field := range []string{"hosts", "registries", "sourceURLs", "clusterScoped", "sopsRecipients", "cloudIdentities", "operatorKinds", "ingressClasses", "storageClasses", "priorityClasses"} {
				if m[field] == nil {
					m[field] = []any{}
				}
			}
			out["contract"] = m
		}
	}
	return out
}

func documentLabels(t *estate.Tenant) map[string]string {
	if t.Document == nil {
		return nil
	}
	return t.Document.Labels
}

// applierValue is the variable applier.
func applierValue(a *estate.Applier) map[string]any {
	chain := []any{}
	for _, s := range a.Chain {
		chain = append(chain, stepValue(s))
	}
	account, tenant := "", ""
	if a.As.Kind == estate.RunsAsAccount {
		account = a.As.Account.String()
	}
	if a.Tenant != nil {
		tenant = a.Tenant.Name
	}
	out := stepValue(a.Applier)
	out["chain"], out["serviceAccount"], out["path"], out["prune"], out["tenant"] = chain, account, a.Path, a.Prune, tenant
	out["source"] = map[string]any{"kind": a.Source.Kind, "namespace": a.Source.Namespace, "name": a.Source.Name, "url": a.Source.URL}
	return out
}

func stepValue(a object.Applier) map[string]any {
	return map[string]any{"kind": a.Kind, "namespace": a.Namespace, "name": a.Name}
}

func labelValue(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for k, v := range m {
		out[k] = v
	}
	return out
}

func textValues(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

func sorted(list []string) []string {
	slices.Sort(list)
	return slices.Compact(list)
}
