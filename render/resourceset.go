package render

import (
	"slices"
	"strings"

	kube "k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render/resourceset"
)

// inputProviderKind gives inputs to ResourceSets.
var inputProviderKind = kube.GroupKind{Group: "fluxcd.controlplane.io", Kind: "ResourceSetInputProvider"} //nolint:gochecknoglobals // a constant

// resourceSet renders a ResourceSet of Flux Operator.
func (v *evaluator) resourceSet() {
	n, a := v.out.node, v.out.applier
	body := n.object.Body()
	v.inherited = body.Sensitive()
	v.secrets = slices.Clone(v.inherited)
	content := body.Map()
	a.Prune = true
	a.ServiceAccountName = textAt(content, "spec", "serviceAccountName")
	if ref, ok := at(content, "spec", "kubeConfig").(map[string]any); ok {
		a.Target = v.e.target(n.home, n.id.Namespace, ref)
	}
	if text, _ := at(content, "metadata", "annotations", "fluxcd.controlplane.io/reconcile").(string); text == disabled {
		a.State = Suspended
	}
	var providers []map[string]any
	for _, o := range v.ask.list(n.home, inputProviderKind) {
		providers = append(providers, o.Body().Map())
		v.secrets = append(v.secrets, o.Body().Sensitive()...)
	}
	out, err := resourceset.Render(v.ctx, content, resourceset.Among(providers))
	if err != nil {
		v.out.single = true // its place is found out by a build
		v.fail("build", n.place(), "", "%s", clean(err))
		return
	}
	for _, d := range out.DependsOn {
		if group, _, _ := strings.Cut(d.APIVersion, "/"); applies(group, d.Kind) {
			a.DependsOn = append(a.DependsOn, object.Applier{Kind: d.Kind, Namespace: d.Namespace, Name: d.Name})
		}
	}
	for _, u := range out.Unknown {
		v.unknown(UnresolvedInput, n.id.String(), u, "")
	}
	if len(out.Unknown) > 0 {
		v.incomplete()
	}
	for _, note := range out.Notes {
		v.out.notes = append(v.out.notes, Note{n.id.String(), note})
	}
	v.inputs(out)
}

// inputs gives the objects of a ResourceSet their origin.
func (v *evaluator) inputs(out *resourceset.Output) {
	a, n := v.out.applier, v.out.node
	chain := append(slices.Clone(n.chain), a.Applier)
	for i := range out.Objects {
		o, err := object.New(object.NewBodySensitive(out.Objects[i].Value, v.secrets), object.Origin{Cluster: a.Target, Chain: chain})
		if err != nil {
			v.fail("build", "", "", "%s: %v", out.Objects[i].From, err)
			return
		}
		a.Objects = append(a.Objects, o)
		for _, u := range out.Objects[i].Unknown {
			v.unknown(UnresolvedInput, o.ID.String(), u, "")
		}
	}
	v.adopt(a.Objects, false)
	if a.State == Suspended {
		a.Objects, a.Held = nil, a.Objects
	}
}
