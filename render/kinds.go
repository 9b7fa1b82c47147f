package render

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	ssaerrors "github.com/fluxcd/pkg/ssa/errors"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	kube "k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/bulkhead-dev/bulkhead/object"
)

// apis is what a Cluster document says of the APIs on a cluster.
type apis struct {
	versions   []string // "group/version" and "group/version/Kind"
	kubernetes string   // "" when it is not known
}

// newestKubernetes is the release whose types client-go has.
var newestKubernetes = [2]int{1, 36} //nolint:gochecknoglobals // a constant

// standing is how a kind stands on a cluster.
type standing uint8

const (
	served   standing = iota
	retired           // Kubernetes does not serve it on a cluster of that version
	retiring          // newer Kubernetes does not serve it, and the cluster's version is not known
	other             // its CRD is there and serves other versions
	strange           // nothing that is rendered brings it
)

// serving tells which kinds a cluster serves: those that are built in, Flux's own,
// those of its CRDs, and what its document lists.
type serving struct {
	apis
	crds map[kube.GroupKind][]string // versions that a CRD of the cluster serves
	seen map[kube.GroupVersionKind]standing
}

// kind is the identity of an object's kind.
func kind(o *object.Object) kube.GroupVersionKind {
	return kube.GroupVersionKind{Group: o.ID.Group, Version: o.Version, Kind: o.ID.Kind}
}

func (c *Cluster) serving(a apis) *serving {
	s := &serving{apis: a, crds: map[kube.GroupKind][]string{}, seen: map[kube.GroupVersionKind]standing{}}
	for _, ap := range c.Appliers {
		for _, list := range [][]*object.Object{ap.Objects, ap.Held} {
			for _, o := range list {
				if o.ID.Group == apiextensionsv1.GroupName && o.ID.Kind == crdKind.Kind {
					s.add(o.Body().Map())
				}
			}
		}
	}
	return s
}

// add notes what a CustomResourceDefinition serves, of version v1 or v1beta1.
func (s *serving) add(crd map[string]any) {
	of := kube.GroupKind{Group: textAt(crd, "spec", "group"), Kind: textAt(crd, "spec", "names", "kind")}
	names := s.crds[of]
	if v := textAt(crd, "spec", "version"); v != "" {
		names = append(names, v)
	}
	list, _ := at(crd, "spec", "versions").([]any)
	for _, v := range list {
		version, _ := v.(map[string]any)
		if on, _ := version["served"].(bool); on {
			names = append(names, textAt(version, "name"))
		}
	}
	s.crds[of] = names
}

func (s *serving) standing(k kube.GroupVersionKind) standing {
	got, ok := s.seen[k]
	if !ok {
		got = s.stand(k)
		s.seen[k] = got
	}
	return got
}

func (s *serving) stand(k kube.GroupVersionKind) standing {
	gv := k.GroupVersion().String()
	if fluxGroup(k.Group) || slices.Contains(s.versions, gv) || slices.Contains(s.versions, gv+"/"+k.Kind) {
		return served
	}
	if versions, ok := s.crds[k.GroupKind()]; ok {
		if slices.Contains(versions, k.Version) {
			return served
		}
		return other
	}
	if k == crdKind || gv == "apiregistration.k8s.io/v1" && k.Kind == "APIService" {
		return served
	}
	if !scheme.Scheme.Recognizes(k) {
		return strange
	}
	end, ends := removal(k)
	now := minorOf(s.kubernetes)
	switch {
	case !ends || now != [2]int{} && before(now, end), now == [2]int{} && before(newestKubernetes, end):
		return served
	case now == [2]int{}:
		return retiring
	}
	return retired
}

// fluxGroup reports whether a group is one of Flux's own, the extensions of its
// source-watcher and the operator included.
func fluxGroup(group string) bool {
	return group == "fluxcd.controlplane.io" || strings.HasSuffix(group, ".toolkit.fluxcd.io") || strings.HasSuffix(group, ".extensions.fluxcd.io")
}

// builtinGroup reports whether no CustomResourceDefinition can bring kinds of the group.
func builtinGroup(group string) bool {
	return scheme.Scheme.IsGroupRegistered(group) || group == apiextensionsv1.GroupName || group == "apiregistration.k8s.io"
}

// removal is the release of Kubernetes that no longer serves a built-in kind.
//
// Source: the lifecycle methods of the types of k8s.io/api v0.36.4.
func removal(k kube.GroupVersionKind) ([2]int, bool) {
	o, err := scheme.Scheme.New(k)
	ending, ok := o.(interface{ APILifecycleRemoved() (major, minor int) })
	if err != nil || !ok {
		return [2]int{}, false
	}
	major, minor := ending.APILifecycleRemoved()
	return [2]int{major, minor}, true
}

// minorOf reads "1.35" or "v1.35.2"; zero for neither.
func minorOf(version string) (r [2]int) {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	for i := range min(len(parts), 2) {
		r[i], _ = strconv.Atoi(parts[i])
	}
	return r
}

func before(a, b [2]int) bool { return slices.Compare(a[:], b[:]) < 0 }

// alien is the objects of one applier of a kind that the cluster may not serve.
type alien struct {
	standing standing
	applier  *Applier
	first    *object.Object
	n        int
	stage    Stage
}

// unserved reports the objects of kinds that the cluster does not serve, once for each
// applier and kind. When something on the cluster is not known, a chart or source
// that is not rendered may bring a kind, and a note has to do. It tells whether there are such objects.
func (c *Cluster) unserved(s *serving) bool {
	var list []*alien
	for _, ap := range c.Appliers {
		byKind := map[kube.GroupVersionKind]*alien{}
		for _, o := range ap.Objects {
			k := kind(o)
			how := s.standing(k)
			if how == served || skipped(&unstructured.Unstructured{Object: o.Body().Map()}) {
				continue
			}
			if byKind[k] == nil {
				byKind[k] = &alien{standing: how, applier: ap, first: o, stage: StageOf(o)}
				list = append(list, byKind[k])
			}
			byKind[k].n++
		}
	}
	open := c.open()
	maybe, retiringKinds := map[string]int{}, map[string]int{}
	for _, x := range list {
		k := kind(x.first)
		name := k.GroupVersion().String() + " " + k.Kind
		switch {
		case x.standing == retiring:
			retiringKinds[name] += x.n
		case x.standing == strange && open:
			maybe[name] += x.n
		default:
			c.refuseKind(x, s)
		}
	}
	c.noteKinds(maybe, "nothing that is rendered here brings these kinds, and what is not known here may")
	c.noteKinds(retiringKinds, fmt.Sprintf("Kubernetes %d.%d no longer serves these kinds, and spec.kubernetesVersion of a Cluster document does not say what runs here",
		newestKubernetes[0], newestKubernetes[1]))
	return len(list) > 0
}

// open reports whether something that is not known may bring kinds to the cluster.
func (c *Cluster) open() bool {
	return c.Entry == nil || len(c.Unresolved) > 0 || slices.ContainsFunc(c.Appliers, func(a *Applier) bool {
		return a.State == Failed || a.State == Incomplete || a.State == Suspended && a.Held == nil
	})
}

func (c *Cluster) noteKinds(kinds map[string]int, message string) {
	if len(kinds) == 0 {
		return
	}
	var names []string
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		names = append(names, fmt.Sprintf("%s (%d)", name, kinds[name]))
	}
	c.Notes = append(c.Notes, Note{c.Name, message + ": " + strings.Join(names, ", ")})
}

// refuseKind reports what the controller says of objects whose kind is not served.
//
// Source: fluxcd/pkg/ssa v0.76.2 dryRunApply, the client finds no resource to send to; for
// releases Helm v4.2.4 pkg/kube buildResourceList.
func (c *Cluster) refuseKind(x *alien, s *serving) {
	k := kind(x.first)
	sure, hint := true, ""
	switch {
	case x.standing == retired:
		end, _ := removal(k)
		hint = fmt.Sprintf("Kubernetes serves it until %d.%d, and this cluster has %s: move to a newer version of the API", end[0], end[1]-1, s.kubernetes)
	case x.standing == other:
		hint = "its CustomResourceDefinition serves " + strings.Join(slices.Sorted(slices.Values(s.crds[k.GroupKind()])), ", ")
	case builtinGroup(k.Group):
		sure = false
		hint = fmt.Sprintf("Kubernetes %d.%d has no such API", newestKubernetes[0], newestKubernetes[1])
	case len(s.versions) > 0:
		hint = "spec.apiVersions of the cluster's document does not list it, and no CustomResourceDefinition that is rendered here brings it"
	default:
		sure = false
		hint = fmt.Sprintf("commit its CustomResourceDefinition, or list %s in spec.apiVersions of the cluster's document", k.GroupVersion())
	}
	helm := x.applier.Kind == helmv2.HelmReleaseKind
	switch {
	case sure && helm:
		x.applier.refuse(Definitions) // it builds all before it applies one
	case sure:
		x.applier.refuse(x.stage)
	}
	more := ""
	if x.n > 1 {
		more = fmt.Sprintf(" (and %d more objects)", x.n-1)
	}
	u := &unstructured.Unstructured{Object: x.first.Body().Map()}
	err := &meta.NoKindMatchError{GroupKind: k.GroupKind(), SearchedVersions: []string{k.Version}}
	message := ssaerrors.NewDryRunErr(err, u).Error()
	if helm {
		message = fmt.Sprintf("resource mapping not found for name: %q namespace: %q from \"\": %s", u.GetName(), u.GetNamespace(), err)
	}
	c.Failures = append(c.Failures, Failure{
		Cluster: c.Name, Applier: x.applier.Applier, Stage: "apply", File: x.applier.Path,
		Message: message + more, Hint: hint,
	})
}

// all is every API on the cluster, sorted: "group/version" and "group/version/Kind", as
// Helm lists them from discovery: subresources go by the group of their parent.
// Built-in alpha APIs are off, and so are beta ones since 1.24.
//
// Source: helm.sh/helm/v4 v4.2.4 action.GetVersionSet; k8s.io/api v0.36.4 lifecycle methods;
// Kubernetes enhancement 3136. A case on a real API server pins the list.
func (s *serving) all() []string {
	set := map[string]bool{}
	add := func(gv, kind string) {
		set[gv] = true
		set[gv+"/"+kind] = true
	}
	for k := range scheme.Scheme.AllKnownTypes() {
		if k.Version == "__internal" || strings.HasSuffix(k.Kind, "List") || strings.HasSuffix(k.Kind, "Options") || unlisted[k.Kind] {
			continue
		}
		if s.standing(k) == served && s.enabled(k) {
			add(k.GroupVersion().String(), k.Kind)
		}
	}
	for _, kind := range []string{
		"Scale", "Eviction", "TokenRequest", "NodeProxyOptions", "PodAttachOptions", "PodExecOptions", "PodPortForwardOptions", "PodProxyOptions", "ServiceProxyOptions",
	} {
		add("v1", kind)
	}
	add("apps/v1", "Scale")
	add(crdKind.GroupVersion().String(), crdKind.Kind)
	add("apiregistration.k8s.io/v1", "APIService")
	for _, api := range fluxAPIs {
		if group, _, _ := strings.Cut(api, "/"); !s.brings(group) {
			set[api] = true
			set[path.Dir(api)] = true
		}
	}
	for gk, versions := range s.crds {
		for _, v := range versions {
			add(gk.Group+"/"+v, gk.Kind)
		}
	}
	for _, v := range s.versions {
		set[v] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// brings reports whether a CustomResourceDefinition of the group is rendered.
func (s *serving) brings(group string) bool {
	for gk := range s.crds {
		if gk.Group == group {
			return true
		}
	}
	return false
}

// fluxAPIs are on every cluster that helm-controller runs on.
//
// Source: Flux 2.9.
var fluxAPIs = []string{ //nolint:gochecknoglobals // a constant list
	"source.toolkit.fluxcd.io/v1/Bucket", "source.toolkit.fluxcd.io/v1/ExternalArtifact", "source.toolkit.fluxcd.io/v1/GitRepository",
	"source.toolkit.fluxcd.io/v1/HelmChart", "source.toolkit.fluxcd.io/v1/HelmRepository", "source.toolkit.fluxcd.io/v1/OCIRepository",
	"kustomize.toolkit.fluxcd.io/v1/Kustomization", "helm.toolkit.fluxcd.io/v2/HelmRelease", "notification.toolkit.fluxcd.io/v1/Receiver",
	"notification.toolkit.fluxcd.io/v1beta3/Alert", "notification.toolkit.fluxcd.io/v1beta3/Provider",
}

// unlisted are types that no API server names by this group and version: what is
// registered with each group, and what goes by the group of another kind.
var unlisted = map[string]bool{ //nolint:gochecknoglobals // a constant set
	"WatchEvent": true, "Status": true, "APIGroup": true, "APIVersions": true, "APIResourceList": true,
	"TokenRequest": true, "Eviction": true, "ConversionReview": true, "SerializedReference": true, "RangeAllocation": true, "PodStatusResult": true, "Scale": true,
}

// enabled reports whether an API server serves a built-in kind unless told otherwise.
func (s *serving) enabled(k kube.GroupVersionKind) bool {
	if strings.Contains(k.Version, "alpha") {
		return false
	}
	o, err := scheme.Scheme.New(k)
	starting, ok := o.(interface{ APILifecycleIntroduced() (major, minor int) })
	if err != nil || !ok {
		return !strings.Contains(k.Version, "beta")
	}
	major, minor := starting.APILifecycleIntroduced()
	now := minorOf(s.kubernetes)
	if now == [2]int{} {
		now = newestKubernetes
	}
	return !before(now, [2]int{major, minor}) && (!strings.Contains(k.Version, "beta") || before([2]int{major, minor}, [2]int{1, 24}))
}
