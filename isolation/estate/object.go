package estate

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/object"
)

// Object is one object that an applier brings to a cluster. Objects that two appliers bring are two.
type Object struct {
	*object.Object
	Cluster *Cluster
	// Applier that brings it.
	Applier *Applier
	// Tenant who wrote it; nil for the platform. It is the applier's: whoever can change one file of a build can change what it makes.
	Tenant *Tenant
	// Hook is true for what Helm runs at its time, and Held for what a suspended applier would apply.
	Hook, Held bool
	// File is the slash path of the file that it comes from, from the root of the repository under review; "" when it is from elsewhere or not
	// known. It may cost a build.
	File func() string
}

// Compartment is that of the tenant that wrote it on its cluster; nil for the platform's.
func (o *Object) Compartment() *Compartment {
	if o.Tenant == nil {
		return nil
	}
	return o.Cluster.Compartment(o.Tenant)
}

// Is reports whether the object is of a kind of a group.
func (o *Object) Is(group, kind string) bool { return o.ID.Group == group && o.ID.Kind == kind }

// Into decodes the object into a Kubernetes or Flux type. It reports false when the object does not fit: the API server refuses it.
func (o *Object) Into(out any) bool {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Body().Map(), out) == nil
}

// At is the value at a path of fields; nil when there is none.
func (o *Object) At(fields ...string) any { return At(o.Body().Map(), fields...) }

// Text is the text at a path of fields; "" when there is none.
func (o *Object) Text(fields ...string) string {
	s, _ := o.At(fields...).(string)
	return s
}

// Labels of the object.
func (o *Object) Labels() map[string]string { return texts(o.At("metadata", "labels")) }

// Annotations of the object.
func (o *Object) Annotations() map[string]string { return texts(o.At("metadata", "annotations")) }

func texts(v any) map[string]string {
	m, _ := v.(map[string]any)
	out := make(map[string]string, len(m))
	for k, v := range m {
		if s, ok := v.(string); ok {
			out[k] = s
		}
	}
	return out
}

// At is the value at a path of fields; nil when there is none.
func At(v any, fields ...string) any {
	for _, f := range fields {
		m, _ := v.(map[string]any)
		if v = m[f]; v == nil {
			return nil
		}
	}
	return v
}

// Text is the text at a path of fields; "" when there is none.
func Text(v any, fields ...string) string {
	s, _ := At(v, fields...).(string)
	return s
}

// List are the maps of a list at a path of fields. What is no map is an empty one, so that places stay.
func List(v any, fields ...string) []map[string]any {
	list, _ := At(v, fields...).([]any)
	out := make([]map[string]any, len(list))
	for i, el := range list {
		out[i], _ = el.(map[string]any)
	}
	return out
}

// Texts are the texts of a list at a path of fields; others are left out.
func Texts(v any, fields ...string) (out []string) {
	list, _ := At(v, fields...).([]any)
	for _, el := range list {
		if s, ok := el.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

// GuardKinds are kinds by which the platform fences a namespace in, as GROUP/KIND without the group of the core.
var GuardKinds = []string{ //nolint:gochecknoglobals // a constant list
	"Namespace", "ResourceQuota", "LimitRange", "networking.k8s.io/NetworkPolicy", "rbac.authorization.k8s.io/Role", "rbac.authorization.k8s.io/RoleBinding",
	"kyverno.io/Policy", "cilium.io/CiliumNetworkPolicy", "projectcalico.org/NetworkPolicy", "crd.projectcalico.org/NetworkPolicy",
}

// Guard reports whether the object is one of the platform's fences.
func (o *Object) Guard() bool {
	name := o.ID.Kind
	if o.ID.Group != "" {
		name = o.ID.Group + "/" + name
	}
	return slices.Contains(GuardKinds, name)
}

// API groups of Flux and of Flux Operator.
const (
	KustomizeGroup    = "kustomize.toolkit.fluxcd.io"
	HelmGroup         = "helm.toolkit.fluxcd.io"
	SourceGroup       = "source.toolkit.fluxcd.io"
	NotificationGroup = "notification.toolkit.fluxcd.io"
	ImageGroup        = "image.toolkit.fluxcd.io"
	GeneratorGroup    = "source.extensions.fluxcd.io"
	OperatorGroup     = "fluxcd.controlplane.io"
)

// FluxGroup reports whether a group is one of Flux's or of Flux Operator.
func FluxGroup(group string) bool {
	return strings.HasSuffix(group, ".toolkit.fluxcd.io") || group == OperatorGroup
}
