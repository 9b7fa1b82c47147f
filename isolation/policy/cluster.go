package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/admission/plugin/policy/generic"
	"k8s.io/apiserver/pkg/admission/plugin/policy/matching"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// Cluster is what one cluster asks of what is brought to it. It may be used by many goroutines.
type Cluster struct {
	*estate.Cluster
	hooks []*hook
	// broken are policies and bindings with faults.
	broken      []broken
	matcher     generic.PolicyMatcher
	namespaces  namespaces
	spaces      map[string]object.Hash // of the contents of namespaces
	definitions map[schema.GroupKind]*definition
	memo        *memo

	mu        sync.Mutex
	kindCache map[schema.GroupVersionKind]*kinds
}

// hook is a policy with those who bind it.
type hook struct {
	object   *estate.Object
	program  *program
	bindings []*binding
}

// binding is a policy at work.
type binding struct {
	object   *estate.Object
	doc      *admissionregistrationv1.ValidatingAdmissionPolicyBinding
	accessor generic.BindingAccessor
}

// broken is a policy or binding that does not work as it is meant.
type broken struct {
	object  *estate.Object
	field   string
	message string
	hint    string // "" for that of the rule
	// idle is true when it has no fault, and guards nothing all the same.
	idle bool
}

const group = admissionregistrationv1.GroupName

// On reads the policies and bindings that are brought to a cluster. Policies that the API server refuses are compiled all the same, to say why, and
// never asked.
//
// Source: the matcher is that of k8s.io/apiserver v0.36, pkg/admission/plugin/policy/matching, over the rendered Namespaces; without a client, as
// none is ever missing.
func On(c *estate.Cluster, compiler *Compiler) *Cluster {
	out := &Cluster{Cluster: c, definitions: definitionsOf(c), kindCache: map[schema.GroupVersionKind]*kinds{}, memo: &compiler.memo}
	out.namespaces, out.spaces = namespacesOf(c)
	out.matcher = generic.NewPolicyMatcher(matching.NewMatcher(out.namespaces, nil))
	policies, bindings := out.served()
	byName := map[string]*hook{}
	for _, o := range policies {
		if byName[o.ID.Name] != nil {
			continue // of two that bring one, either wins
		}
		h := &hook{object: o}
		byName[o.ID.Name] = h
		var p admissionregistrationv1.ValidatingAdmissionPolicy
		if !o.Into(&p) {
			out.broken = append(out.broken, broken{object: o, field: "spec", message: "it is no ValidatingAdmissionPolicy of the API"})
			continue
		}
		h.program = compiler.compile(&p, variety{c.Minor, o.Tenant != nil})
		if len(h.program.faults) > 0 {
			f := h.program.faults[0]
			out.broken = append(out.broken, broken{object: o, field: f.field, message: f.field + ": " + f.message})
			continue
		}
		out.hooks = append(out.hooks, h)
	}
	for _, o := range bindings {
		out.bind(o, byName)
	}
	out.idle(byName)
	slices.SortFunc(out.hooks, func(a, b *hook) int { return cmp.Compare(a.object.ID.Name, b.object.ID.Name) })
	return out
}

// firstServed is the minor version of Kubernetes from which on the API server knows the kinds in version v1.
//
// Source: Kubernetes, the deprecation guide and the feature gate ValidatingAdmissionPolicy: v1 from 1.30 on; the beta before it is off unless switched on.
const firstServed = 30

// served are the policies and bindings of versions that the API server knows. Of the others it says why, once for all of them: they have one cure.
func (c *Cluster) served() (policies, bindings []*estate.Object) {
	policies, bindings = c.Kind(group, "ValidatingAdmissionPolicy"), c.Kind(group, "ValidatingAdmissionPolicyBinding")
	if c.Minor == 0 || c.Minor >= firstServed {
		return policies, bindings
	}
	stable := func(o *estate.Object) bool { return o.Version == "v1" }
	n := [2]int{}
	var first *estate.Object
	for i, list := range [][]*estate.Object{policies, bindings} {
		for _, o := range list {
			if stable(o) {
				n[i]++
				first = cmp.Or(first, o)
			}
		}
	}
	if first != nil {
		c.broken = append(c.broken, broken{
			object: first, hint: fmt.Sprintf("upgrade the cluster to 1.%d or later, or take them out: for guards, spec.guards of the Fleet document is Off, and bulkhead generate", firstServed),
			message: fmt.Sprintf("Kubernetes 1.%d does not know the kind, which is there from 1.%d on: the API server refuses all that are brought to the cluster, %s and %s, and their appliers stall",
				c.Minor, firstServed, phrase.Count(n[0], "policy"), phrase.Count(n[1], "binding")),
		})
	}
	return slices.DeleteFunc(slices.Clone(policies), stable), slices.DeleteFunc(slices.Clone(bindings), stable)
}

// idle notes the policies that work and that no binding names.
func (c *Cluster) idle(policies map[string]*hook) {
	named := map[string]bool{}
	for _, o := range c.Kind(group, "ValidatingAdmissionPolicyBinding") {
		named[o.Text("spec", "policyName")] = true
	}
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		if h := policies[name]; !named[name] && h.program != nil && len(h.program.faults) == 0 {
			c.broken = append(c.broken, broken{object: h.object, message: "no ValidatingAdmissionPolicyBinding that is brought to the cluster names it", idle: true})
		}
	}
}

// bind files a binding with its policy.
func (c *Cluster) bind(o *estate.Object, policies map[string]*hook) {
	b := &binding{object: o, doc: &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}}
	if !o.Into(b.doc) {
		c.broken = append(c.broken, broken{object: o, field: "spec", message: "it is no ValidatingAdmissionPolicyBinding of the API"})
		return
	}
	h := policies[b.doc.Spec.PolicyName]
	switch {
	case h == nil:
		c.broken = append(c.broken, broken{object: o, field: "spec.policyName", message: fmt.Sprintf("no ValidatingAdmissionPolicy %s is brought to the cluster, so the binding guards nothing", oneLine(b.doc.Spec.PolicyName))})
		return
	case h.program == nil || len(h.program.faults) > 0:
		return // it is told of the policy
	case slices.ContainsFunc(h.bindings, func(other *binding) bool { return other.object.ID == o.ID }):
		return
	}
	complete(b.doc.Spec.MatchResources)
	b.accessor = validating.NewValidatingAdmissionPolicyBindingAccessor(b.doc)
	h.bindings = append(h.bindings, b)
	if message := c.missing(h, b); message != "" {
		c.broken = append(c.broken, broken{object: o, field: "spec.paramRef", message: message})
	}
}

// missing says which parameters of a binding nobody brings; "" when there is nothing to say.
func (c *Cluster) missing(h *hook, b *binding) string {
	kind, ref := h.program.policy.Spec.ParamKind, b.doc.Spec.ParamRef
	if kind == nil || ref == nil {
		return ""
	}
	gk, namespaced, known := c.paramKind(kind)
	if !known {
		return fmt.Sprintf("the kind of its parameters, %s, is not known on the cluster", oneLine(kind.Kind+" of "+kind.APIVersion))
	}
	then := "so that it guards nothing"
	if a := ref.ParameterNotFoundAction; a != nil && *a == admissionregistrationv1.DenyAction && failing(h.program.policy) {
		then = "so that all it matches is refused"
	}
	for _, o := range c.Kind(gk.Group, gk.Kind) {
		if !chosen(o.Object, ref) || namespaced && ref.Namespace != "" && o.ID.Namespace != ref.Namespace {
			continue
		}
		return ""
	}
	what := gk.Kind
	if ref.Name != "" {
		what += " " + oneLine(ref.Name)
	}
	if ref.Namespace != "" {
		what += " in " + oneLine(ref.Namespace)
	}
	return fmt.Sprintf("its parameters, %s, are not brought to the cluster, %s", what, then)
}

// paramKind is the kind of a policy's parameters, whether it has namespaces, and whether that is known.
func (c *Cluster) paramKind(kind *admissionregistrationv1.ParamKind) (gk schema.GroupKind, namespaced, known bool) {
	gv, err := schema.ParseGroupVersion(kind.APIVersion)
	if err != nil {
		return gk, false, false
	}
	gk = schema.GroupKind{Group: gv.Group, Kind: kind.Kind}
	namespaced, known = c.Namespaced(gk.Group, gk.Kind)
	return gk, namespaced, known
}

// chosen reports whether a reference means an object, by name or labels.
func chosen(o *object.Object, ref *admissionregistrationv1.ParamRef) bool {
	if ref.Name != "" {
		return o.ID.Name == ref.Name
	}
	s, err := metav1.LabelSelectorAsSelector(ref.Selector)
	if err != nil || ref.Selector == nil {
		return false
	}
	l := estate.Object{Object: o}
	return s.Matches(labels.Set(l.Labels()))
}

// params are one object of parameters.
type params struct {
	object runtime.Object // nil for none
	// secret is true when it must not be printed, sealed when its values are not known.
	secret, sealed bool
	hash           object.Hash
}

// paramsOf are the parameters of a binding for an object in a namespace; one without an object when there are none to have. Missing is true when
// some are wanted and nobody brings any. The error is the API server's.
//
// Source: Kubernetes v1.36, k8s.io/apiserver/pkg/admission/plugin/policy/generic/policy_dispatcher.go, CollectParams, which takes informers.
func (c *Cluster) paramsOf(h *hook, b *binding, namespace string) (out []params, missing bool, err error) {
	kind, ref := h.program.policy.Spec.ParamKind, b.doc.Spec.ParamRef
	if kind == nil || ref == nil {
		return []params{{}}, false, nil
	}
	gk, namespaced, known := c.paramKind(kind)
	if !known {
		return nil, true, fmt.Errorf("failed to find resource referenced by paramKind: '%s'", schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind))
	}
	in := ""
	switch {
	case namespaced && ref.Namespace != "":
		in = ref.Namespace
	case namespaced && namespace == "":
		return nil, false, errClusterScoped
	case namespaced:
		in = namespace
	case ref.Namespace != "":
		return nil, false, errParamNamespace
	}
	gvk := schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind)
	seen := map[object.ID]bool{}
	for _, o := range c.Kind(gk.Group, gk.Kind) {
		if o.ID.Namespace != in || !chosen(o.Object, ref) || seen[o.ID] {
			continue
		}
		seen[o.ID] = true
		a := c.admit(o.Object)
		p := params{secret: gk == schema.GroupKind{Kind: "Secret"}, sealed: a.sealed, hash: o.Body().Hash()}
		if p.object, known = a.versioned(gvk); !known {
			p.object, p.sealed = a.Unstructured, true
		}
		out = append(out, p)
	}
	if len(out) == 0 && ref.ParameterNotFoundAction != nil && *ref.ParameterNotFoundAction == admissionregistrationv1.DenyAction {
		err = errNoParams
	}
	return out, len(out) == 0, err
}

// failing reports whether a policy refuses what it cannot judge.
func failing(p *admissionregistrationv1.ValidatingAdmissionPolicy) bool {
	return p.Spec.FailurePolicy == nil || *p.Spec.FailurePolicy != admissionregistrationv1.Ignore
}

type paramError string

// Error is the API server's text.
func (e paramError) Error() string { return string(e) }

// What the API server says of parameters.
const (
	errClusterScoped  = paramError("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources")
	errParamNamespace = paramError("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
	errNoParams       = paramError("no params found for policy binding with `Deny` parameterNotFoundAction")
)
