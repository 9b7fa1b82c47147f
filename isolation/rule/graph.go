package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// graphRules are about the graph of appliers.
func graphRules() []Rule { return slices.Concat(edgeRules(), contentRules()) }

// edgeRules are about what appliers lead to, and wait for.
func edgeRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "GRF-001", Level: finding.High, Title: "An applier's folder is not there",
				Why:  "Nothing is applied any more, and what was applied stays as it is, guards and all.",
				Hint: "correct spec.path, or what the source ignores",
			},
			Unless: "Something outside of Git makes the folder.",
			Static: ofFiles, Source: "kustomize-controller v1.9.5: spec.path", applier: pathMissing,
		},
		{
			Rule: finding.Rule{
				ID: "GRF-002", Level: finding.High, Title: "An applier's source is not there",
				Why:  "Nothing is applied until somebody makes an object of that name, whoever that is.",
				Hint: "correct the reference, or bring the source to the same cluster",
			},
			Unless: "The source is made by hand.",
			Static: "two objects are compared", Source: "kustomize-controller v1.9.5, helm-controller v1.6.4: spec.sourceRef, chartRef", applier: sourceMissing,
		},
		{
			Rule: finding.Rule{
				ID: "GRF-003", Level: finding.High, Title: "An applier waits for one that is not there",
				Why:  "It is never applied, and says no more than that its dependency is not ready.",
				Hint: "correct spec.dependsOn, or take the entry away",
			},
			Unless: "Another repository brings the dependency.",
			Static: "two objects are compared", Source: "kustomize-controller v1.9.5, helm-controller v1.6.4: spec.dependsOn", applier: dependencyMissing,
		},
		{
			Rule: finding.Rule{
				ID: "GRF-004", Level: finding.High, Title: "Appliers wait for each other",
				Why:  "None of them is ever applied. One that depends on its own parent waits for it, while the parent waits for all that it brings.",
				Hint: "take one of the dependencies away; what brings an applier is there before it anyway",
			},
			Static: "several objects are compared", Source: "kustomize-controller v1.9.5: spec.dependsOn, wait", cluster: circles,
		},
		{
			Rule: finding.Rule{
				ID: "GRF-007", Level: finding.High, Title: "Nothing starts at a cluster's folder",
				Why:  "What is committed there is never applied, or Flux on the cluster starts at another one's folder.",
				Hint: "let the cluster's sync start at its folder; take the folder away if the cluster is gone",
			},
			Unless: "Another cluster applies the folder from afar.",
			Static: ofFiles, Source: "Flux bootstrap; Flux Operator: spec.sync.path of a FluxInstance", fleet: entries,
		},
		{
			Rule: finding.Rule{
				ID: "GRF-009", Level: finding.Medium, Title: "An object may come before its definition",
				Why:  "On a new cluster the API server does not know the kind yet: the applier fails until the other one is done.",
				Hint: "let the applier depend on the one that brings the definition",
			},
			Unless: "The definition is on the cluster before Flux is.",
			Static: "several objects are compared", Source: "kustomize-controller v1.9.5: spec.dependsOn", applier: beforeDefinition,
		},
	}
}

// failure is what a render says of an applier that fails, of one of those kinds that which asks for; "" for nothing.
func failure(a *estate.Applier, which func(g *estate.Gap) bool) string {
	for i := range a.Target.Gaps {
		if g := &a.Target.Gaps[i]; g.Applier == a.Applier && g.Kind == "failure" && which(g) {
			return g.Reason
		}
	}
	return ""
}

// mayHide says whether something that is not known may bring an object to a cluster, beside the applier that asks and what it leads to.
func mayHide(c *estate.Cluster, a *estate.Applier) bool {
	for i := range c.Gaps {
		g := &c.Gaps[i]
		if !g.Hides || g.Applier == a.Applier || g.Kind == "failure" {
			continue
		}
		below := slices.ContainsFunc(c.Appliers, func(b *estate.Applier) bool { return b.Applier == g.Applier && slices.Contains(b.Chain, a.Applier) })
		if !below {
			return true
		}
	}
	return false
}

func pathMissing(_ *Context, a *estate.Applier) []Found {
	if a.Kustomization == nil || a.Files == nil || strings.Contains(a.Path, "${") {
		return nil
	}
	e, err := a.Files.Stat(a.Path)
	if err == nil && e.IsDir() {
		return nil
	}
	message := fmt.Sprintf("%s applies %s, which is not in %s", a, a.Path, a.Source.URL)
	if err == nil {
		message = fmt.Sprintf("%s applies %s, which is no folder", a, a.Path)
	}
	return one(Found{Message: message, Field: "spec.path"})
}

// sourceMissing looks for the source of an applier. That of a cluster's own sync may be there without being in Git.
func sourceMissing(x *Context, a *estate.Applier) []Found {
	s := &a.Source
	if a.Object == nil || s.Kind == "" || s.Name == "" || a.State == estate.Suspended || s.Name == a.Home.FluxNamespace && s.Namespace == a.Home.FluxNamespace {
		return nil
	}
	if s.Kind == "ExternalArtifact" {
		return gated(a)
	}
	id := object.ID{Group: estate.SourceGroup, Kind: s.Kind, Namespace: s.Namespace, Name: s.Name}
	if len(a.Home.Get(id)) > 0 {
		return nil
	}
	message := fmt.Sprintf("%s applies from %s %s/%s, which is not on its cluster", a, s.Kind, s.Namespace, s.Name)
	others := []string{"GitRepository", "OCIRepository", "Bucket", "HelmRepository", "HelmChart"}
	if i := slices.IndexFunc(others, func(kind string) bool { id.Kind = kind; return len(a.Home.Get(id)) > 0 }); i >= 0 {
		message += fmt.Sprintf(": there is a %s of that name", others[i])
	}
	return one(Found{Message: message, Field: sourceField(a), Unproven: mayHide(a.Home, a)})
}

func sourceField(a *estate.Applier) string {
	switch {
	case a.HelmRelease == nil:
		return "spec.sourceRef"
	case a.HelmRelease.Spec.ChartRef != nil:
		return "spec.chartRef"
	}
	return "spec.chart.spec.sourceRef"
}

// gated says whether an applier takes an ExternalArtifact of which its controller wants to know nothing, or which nothing makes.
func gated(a *estate.Applier) []Found {
	if k := a.Controller(); k != nil {
		if on, _ := k.Gate("ExternalArtifact"); !on {
			return one(Found{Message: fmt.Sprintf("%s applies an ExternalArtifact, for which %s has its feature gate off", a, k.Name), Field: sourceField(a)})
		}
	}
	return nil
}

func dependencyMissing(x *Context, a *estate.Applier) (out []Found) {
	for _, d := range dependsOn(a) {
		field := fmt.Sprintf("spec.dependsOn[%d]", d.place)
		if of := homed(x, a.Home)[d.Applier]; of != nil {
			if of.State == estate.Suspended && a.State != estate.Suspended {
				out = append(out, Found{Level: finding.Medium, Message: fmt.Sprintf("%s waits for %s, which is suspended", a, of), Field: field})
			}
			continue
		}
		id := object.ID{Kind: d.Kind, Namespace: d.Namespace, Name: d.Name}
		if d.Kind != estate.KustomizationKind && d.Kind != estate.HelmReleaseKind && d.Kind != estate.ResourceSetKind {
			continue // a ResourceSet may wait for anything
		}
		message := fmt.Sprintf("%s waits for %s, which is not on its cluster%s", a, id, elsewhere(x, a, d))
		out = append(out, Found{Message: message, Field: field, Unproven: mayHide(a.Home, a)})
	}
	return out
}

// elsewhere says where there is something that was perhaps meant by a dependency: of the other kind, or on other clusters; "" for nowhere.
func elsewhere(x *Context, a *estate.Applier, d dependency) string {
	other := d.Applier
	if other.Kind = estate.HelmReleaseKind; d.Kind == estate.HelmReleaseKind {
		other.Kind = estate.KustomizationKind
	}
	if homed(x, a.Home)[other] != nil {
		return fmt.Sprintf(": there is a %s of that name, for which a %s cannot wait", other.Kind, a.Kind)
	}
	var on []string
	for _, c := range x.Clusters {
		if c != a.Home && homed(x, c)[d.Applier] != nil {
			on = append(on, c.Name)
		}
	}
	if len(on) == 0 {
		return ""
	}
	return ", but on " + phrase.List(on, 3)
}

// circles are those of the appliers of a cluster that wait for each other, each told once, at its first applier.
func circles(x *Context, c *estate.Cluster) (out []Found) {
	told := map[*estate.Applier]bool{}
	for _, a := range c.Homed {
		if told[a] || len(dependsOn(a)) == 0 {
			continue
		}
		way := circle(x, c, a)
		if way == nil {
			continue
		}
		var names []string
		for _, b := range way {
			told[b] = true
			names = append(names, b.String())
		}
		id := a.ID()
		out = append(out, Found{
			Message: "appliers wait for each other: " + phrase.List(append(names, a.String()), 8), Object: a.Object, ID: &id, Field: "spec.dependsOn", Tenant: a.Tenant,
		})
	}
	return out
}

// circle is a way from an applier back to itself, over what it waits for; nil when there is none.
func circle(x *Context, c *estate.Cluster, start *estate.Applier) []*estate.Applier {
	seen := map[*estate.Applier]bool{}
	var walk func(at *estate.Applier, way []*estate.Applier) []*estate.Applier
	walk = func(at *estate.Applier, way []*estate.Applier) []*estate.Applier {
		for _, next := range waitsFor(x, c, at) {
			if next == start {
				return way
			}
			if seen[next] {
				continue
			}
			seen[next] = true
			if found := walk(next, append(slices.Clip(way), next)); found != nil {
				return found
			}
		}
		return nil
	}
	return walk(start, []*estate.Applier{start})
}

// waitsFor are the appliers that must be ready before an applier is: those that it depends on, and with spec.wait or a health check of it, those that it
// brings.
//
// Source: kustomize-controller v1.9.5 checkHealth.
func waitsFor(x *Context, c *estate.Cluster, a *estate.Applier) (out []*estate.Applier) {
	for _, d := range dependsOn(a) {
		if of := homed(x, c)[d.Applier]; of != nil {
			out = append(out, of)
		}
	}
	if a.Kustomization == nil {
		return out
	}
	children := once(x, "children "+c.Name, func() map[*estate.Applier][]*estate.Applier {
		of := map[*estate.Applier][]*estate.Applier{}
		for _, b := range c.Homed {
			if b.Parent != nil {
				of[b.Parent] = append(of[b.Parent], b)
			}
		}
		return of
	})
	for _, b := range children[a] {
		if a.Kustomization.Spec.Wait || checked(a, b) {
			out = append(out, b)
		}
	}
	return out
}

func checked(a, child *estate.Applier) bool {
	for _, h := range a.Kustomization.Spec.HealthChecks {
		if h.Kind == child.Kind && h.Name == child.Name && h.Namespace == child.Namespace {
			return true
		}
	}
	return false
}

// beforeDefinition looks for objects of kinds whose definition another applier of the same side brings, for which theirs does not wait.
func beforeDefinition(x *Context, a *estate.Applier) (out []Found) {
	definitions := once(x, "definitions "+a.Target.Name, func() map[[2]string][]*estate.Object {
		of := map[[2]string][]*estate.Object{}
		for _, o := range a.Target.Kind("apiextensions.k8s.io", "CustomResourceDefinition") {
			key := [2]string{o.Text("spec", "group"), o.Text("spec", "names", "kind")}
			of[key] = append(of[key], o)
		}
		return of
	})
	if len(definitions) == 0 {
		return nil
	}
	told := map[*estate.Applier]bool{}
	for _, o := range a.Objects {
		if estate.FluxGroup(o.ID.Group) {
			continue // Flux is there before what it applies
		}
		by := definitions[[2]string{o.ID.Group, o.ID.Kind}]
		if len(by) == 0 || slices.ContainsFunc(by, func(d *estate.Object) bool { return d.Applier == a || d.Tenant != o.Tenant || follows(x, a, d.Applier) }) {
			continue
		}
		if d := by[0]; !told[d.Applier] {
			told[d.Applier] = true
			out = append(out, Found{Message: fmt.Sprintf("%s does not wait for %s, which defines the kind of %s", a, d.Applier, o.ID), Object: o, Field: "kind"})
		}
	}
	return out
}
