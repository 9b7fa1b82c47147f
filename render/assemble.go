package render

import (
	"cmp"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/kustomize/kyaml/openapi"
	kyaml "sigs.k8s.io/kustomize/kyaml/yaml"

	"github.com/bulkhead-dev/bulkhead/object"
)

func sortedKeys(m map[nodeKey]*evaluation) []nodeKey {
	return slices.SortedFunc(maps.Keys(m), compareNodes)
}

func compareNodes(a, b nodeKey) int {
	return cmp.Or(cmp.Compare(a.home, b.home), compareAppliers(a.id, b.id))
}

// result puts the evaluations together by the cluster they write to, and changes them: they are of this render alone.
func (e *engine) result(evals map[nodeKey]*evaluation) *Result {
	clusters := map[string]*Cluster{}
	get := func(name string) *Cluster {
		if clusters[name] == nil {
			clusters[name] = &Cluster{Name: name}
		}
		return clusters[name]
	}
	e.rename(evals)
	circles := dependencies(evals)
	for _, entry := range e.evaluated() {
		c := get(entry.Cluster)
		if c.Entry == nil {
			c.Entry = entry
		}
		c.Labels = entry.Labels
	}
	keys := map[*Cluster][]nodeKey{}
	for key, ev := range evals {
		c := get(ev.applier.Target)
		keys[c] = append(keys[c], key)
	}
	maps.Copy(clusters, e.recalled)
	maps.Copy(clusters, e.carried)
	r := &Result{Notes: e.fleet.notes, Entries: e.fleet.sorted()}
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for _, name := range slices.Sorted(maps.Keys(clusters)) {
		c := clusters[name]
		r.Clusters = append(r.Clusters, c)
		if c.Recalled == nil && e.carried[name] == nil {
			all.Go(func() error {
				e.assemble(c, keys[c], evals, circles)
				return nil
			})
		}
	}
	_ = all.Wait() // no error is ever given
	return r
}

// assemble puts the evaluations of those keys together, which write to c.
func (e *engine) assemble(c *Cluster, keys []nodeKey, evals map[nodeKey]*evaluation, circles map[nodeKey][]Failure) {
	final := index{}
	slices.SortFunc(keys, compareNodes)
	for _, key := range keys {
		ev := evals[key]
		ev.failures = append(ev.failures, circles[key]...)
		c.Appliers = append(c.Appliers, ev.applier)
		c.Failures = append(c.Failures, ev.failures...)
		c.Unresolved = append(c.Unresolved, ev.unresolved...)
		c.Notes = append(c.Notes, ev.notes...)
		for _, o := range ev.applied() {
			final.add(o.Origin.Cluster, o)
		}
	}
	c.Profile = e.profile(&asker{state: &state{fresh: final}}, c.Name, kustomizeController)
	if c.Profile.before(8, 0) {
		c.Notes = append(c.Notes, Note{c.Name, "kustomize-controller " + c.Profile.Version + " has an older kustomize than the one that renders here, that of " + newestController})
	}
	slices.SortStableFunc(c.Appliers, func(a, b *Applier) int {
		return cmp.Or(compareAppliers(a.Applier, b.Applier), cmp.Compare(a.Home, b.Home))
	})
	scope := c.scopes()
	c.collect(scope)
	serving := c.serving(e.fleet.apis[c.Name])
	strange := c.unserved(serving)
	c.sortTold()
	c.whole(final, scope, serving, strange)
}

func (c *Cluster) sortTold() {
	slices.SortStableFunc(c.Failures, func(a, b Failure) int {
		return cmp.Or(compareAppliers(a.Applier, b.Applier), cmp.Compare(a.Message, b.Message))
	})
	slices.SortStableFunc(c.Unresolved, func(a, b Unresolved) int {
		return cmp.Or(compareAppliers(a.Applier, b.Applier), cmp.Compare(a.Subject, b.Subject))
	})
}

// collect makes the cluster's set of objects, with scopes corrected, and finds
// objects with two owners.
func (c *Cluster) collect(scope scopes) {
	c.yield()
	var all []*object.Object
	for _, a := range c.Appliers {
		c.homeless(a, scope)
		a.Objects = scope.correctAll(a.Objects, a.moved)
		a.Held = scope.correctAll(a.Held, nil)
		all = append(all, a.Objects...)
	}
	c.Objects = object.NewSet(all...)
	if c.Objects.Len() < len(all) {
		c.findConflicts()
	}
}

// findConflicts finds the objects with two owners.
func (c *Cluster) findConflicts() {
	first, owners := map[object.ID]*Applier{}, map[object.ID][]object.Applier{}
	for _, a := range c.Appliers {
		for _, o := range a.Objects {
			switch one := first[o.ID]; {
			case one == nil:
				first[o.ID] = a
			case owners[o.ID] == nil && one.Applier != a.Applier:
				owners[o.ID] = []object.Applier{one.Applier, a.Applier}
			case owners[o.ID] != nil && !slices.Contains(owners[o.ID], a.Applier):
				owners[o.ID] = append(owners[o.ID], a.Applier)
			}
		}
	}
	for id, by := range owners {
		slices.SortFunc(by, compareAppliers)
		c.Conflicts = append(c.Conflicts, Conflict{ID: id, Owners: by})
	}
	slices.SortFunc(c.Conflicts, func(a, b Conflict) int { return a.ID.Compare(b.ID) })
}

// yield takes out of a release what Helm makes only when it is missing and somebody
// else applies: then Helm does not.
func (c *Cluster) yield() {
	extra := map[object.ID]bool{}
	for _, a := range c.Appliers {
		if a.Release != nil {
			maps.Copy(extra, a.Release.Extra)
		}
	}
	if len(extra) == 0 {
		return
	}
	taken := map[object.ID]bool{}
	for _, a := range c.Appliers {
		for _, o := range a.Objects {
			if extra[o.ID] && (a.Release == nil || !a.Release.Extra[o.ID]) {
				taken[o.ID] = true
			}
		}
	}
	for _, a := range c.Appliers {
		if a.Release == nil || len(a.Release.Extra) == 0 {
			continue
		}
		a.Objects = slices.DeleteFunc(slices.Clone(a.Objects), func(o *object.Object) bool {
			gone := a.Release.Extra[o.ID] && taken[o.ID]
			if a.Release.Extra[o.ID] {
				taken[o.ID] = true // of several releases, the first
			}
			return gone
		})
	}
}

// moved follows an object whose namespace was taken off.
func (a *Applier) moved(was, is object.ID) {
	if a.Release == nil {
		return
	}
	r := *a.Release
	r.Defaulted, r.Unknowable = maps.Clone(r.Defaulted), maps.Clone(r.Unknowable)
	delete(r.Defaulted, was)
	if names := r.Unknowable[was]; names != nil {
		delete(r.Unknowable, was)
		r.Unknowable[is] = names
	}
	a.Release = &r
}

// homeless reports namespaced objects without a namespace: there is no default,
// and one of them fails the dry run of its whole Kustomization. It also reports
// those in a namespace that cannot exist, such as the one of a build of components only.
//
// Source: fluxcd/pkg/ssa v0.76.2 errors/errors.go, "namespace not specified" and
// "not found"; k8s.io/apiserver v0.36.3 admission plugin NamespaceLifecycle.
func (c *Cluster) homeless(a *Applier, s scopes) {
	var first, astray *object.Object
	n := 0
	for _, o := range a.Objects {
		ns := o.ID.Namespace
		if ns != "" && plainText(ns, false) || !s.namespaced(o) {
			continue
		}
		switch {
		case ns == "":
			if n++; first == nil {
				first = o
			}
		case astray == nil && len(validation.IsDNS1123Label(ns)) > 0:
			astray = o
		default:
			continue
		}
		a.refuse(StageOf(o))
	}
	fail := func(message, hint string) {
		c.Failures = append(c.Failures, Failure{Cluster: c.Name, Applier: a.Applier, Stage: "apply", File: a.Path, Message: message, Hint: hint})
	}
	if astray != nil {
		fail(fmt.Sprintf("%s not found: namespaces %q not found", astray.ID, astray.ID.Namespace), "no namespace can have that name")
	}
	if n == 0 {
		return
	}
	more := ""
	if n > 1 {
		more = fmt.Sprintf(" (and of %d more objects)", n-1)
	}
	fail(fmt.Sprintf("%s namespace not specified%s", first.ID, more), "set metadata.namespace, the kustomization's namespace or spec.targetNamespace")
}

// namespaced reports whether o is known to be of a namespaced kind.
func (s scopes) namespaced(o *object.Object) bool {
	if cluster, known := s[[2]string{o.ID.Group, o.ID.Kind}]; known {
		return !cluster
	}
	if strings.HasSuffix(o.ID.Group, ".toolkit.fluxcd.io") || o.ID.Group == "autoscaling" {
		return true
	}
	schema.once.Do(preloadSchema)
	schema.RLock()
	defer schema.RUnlock()
	namespaced, known := openapi.IsNamespaceScoped(kyaml.TypeMeta{APIVersion: o.APIVersion(), Kind: o.ID.Kind})
	return known && namespaced
}

// scopes tells which kinds are cluster-scoped: by the CRDs of the cluster, by
// kustomize's built-in schema, and for kinds newer than that schema by name.
type scopes map[[2]string]bool // group, kind -> cluster-scoped

func (c *Cluster) scopes() scopes {
	s := scopes{}
	for _, a := range c.Appliers {
		for _, o := range a.Objects {
			if o.ID.Group != "apiextensions.k8s.io" || o.ID.Kind != "CustomResourceDefinition" {
				continue
			}
			m := o.Body().Map()
			s[[2]string{textAt(m, "spec", "group"), textAt(m, "spec", "names", "kind")}] = textAt(m, "spec", "scope") == "Cluster"
		}
	}
	return s
}

// newerClusterKinds are built-in cluster-scoped kinds that kustomize v0.21.1's
// schema (Kubernetes 1.21) does not know.
//
// Source: Kubernetes 1.35 API reference.
var newerClusterKinds = map[[2]string]bool{ //nolint:gochecknoglobals // a constant set
	{"admissionregistration.k8s.io", "ValidatingAdmissionPolicy"}:        true,
	{"admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"}: true,
	{"admissionregistration.k8s.io", "MutatingAdmissionPolicy"}:          true,
	{"admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"}:   true,
	{"flowcontrol.apiserver.k8s.io", "FlowSchema"}:                       true,
	{"flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"}:       true,
	{"networking.k8s.io", "IPAddress"}:                                   true,
	{"networking.k8s.io", "ServiceCIDR"}:                                 true,
	{"resource.k8s.io", "DeviceClass"}:                                   true,
	{"resource.k8s.io", "ResourceSlice"}:                                 true,
	{"storage.k8s.io", "VolumeAttributesClass"}:                          true,
	{"certificates.k8s.io", "ClusterTrustBundle"}:                        true,
}

func (s scopes) cluster(o *object.Object) bool {
	kind := [2]string{o.ID.Group, o.ID.Kind}
	if is, known := s[kind]; known {
		return is
	}
	if newerClusterKinds[kind] {
		return true
	}
	schema.once.Do(preloadSchema)
	schema.RLock()
	defer schema.RUnlock()
	return openapi.IsCertainlyClusterScoped(kyaml.TypeMeta{APIVersion: o.APIVersion(), Kind: o.ID.Kind})
}

// correctAll is the list with every object corrected, and the list itself when none needs it. moved is
// told of those that do.
func (s scopes) correctAll(list []*object.Object, moved func(was, is object.ID)) []*object.Object {
	out := list
	for i, o := range list {
		fixed := s.correct(o)
		if fixed == o {
			continue
		}
		if &out[0] == &list[0] {
			out = slices.Clone(list)
		}
		out[i] = fixed
		if moved != nil {
			moved(o.ID, fixed.ID)
		}
	}
	return out
}

// correct takes the namespace off a cluster-scoped object, as the API server
// does: a target namespace stamps every kind it does not know.
func (s scopes) correct(o *object.Object) *object.Object {
	if o.ID.Namespace == "" || !s.cluster(o) {
		return o
	}
	content := maps.Clone(o.Body().Map())
	meta, _ := content["metadata"].(map[string]any)
	meta = maps.Clone(meta)
	delete(meta, "namespace")
	content["metadata"] = meta
	fixed, err := object.New(object.NewBodySensitive(content, o.Body().Sensitive()), o.Origin)
	if err != nil {
		return o
	}
	return fixed
}

// rename gives clusters known only by a kubeConfig their name.
func (e *engine) rename(evals map[nodeKey]*evaluation) {
	shown := e.targets.display()
	if len(shown) == 0 {
		return
	}
	set := func(name *string) {
		if n, ok := shown[*name]; ok {
			*name = n
		}
	}
	for _, ev := range evals {
		a := ev.applier
		_, remote := shown[a.Target]
		set(&a.Home)
		set(&a.Root)
		set(&a.Target)
		for i := range ev.failures {
			set(&ev.failures[i].Cluster)
		}
		for i := range ev.unresolved {
			set(&ev.unresolved[i].Cluster)
		}
		if remote {
			a.Objects, a.Held = on(a.Objects, a.Target), on(a.Held, a.Target)
		}
	}
}

// on is the list for a cluster of another name.
func on(list []*object.Object, cluster string) []*object.Object {
	out := slices.Clone(list)
	for i, o := range out {
		named := *o
		named.Origin.Cluster = cluster
		out[i] = &named
	}
	return out
}

// apart are evaluations that may be changed.
func apart(evals map[nodeKey]*evaluation) map[nodeKey]*evaluation {
	out := make(map[nodeKey]*evaluation, len(evals))
	for key, ev := range evals {
		out[key] = ev.apart()
	}
	return out
}

// apart is an evaluation that may be changed; its objects may not.
func (ev *evaluation) apart() *evaluation {
	with := ev
	if !ev.own {
		copied, a := *ev, *ev.applier
		copied.applier = &a
		with = &copied
	}
	with.given = given{with.applier.Objects, with.applier.Held}
	with.failures, with.unresolved, with.notes = slices.Clone(ev.failures), slices.Clone(ev.unresolved), slices.Clip(ev.notes)
	return with
}

// dependencies finds circles of dependsOn, which keep everyone on them from
// ever being applied.
func dependencies(evals map[nodeKey]*evaluation) map[nodeKey][]Failure {
	failures := map[nodeKey][]Failure{}
	for _, key := range sortedKeys(evals) {
		if len(evals[key].applier.DependsOn) == 0 || failures[key] != nil {
			continue
		}
		if f := missing(key, evals); f != nil {
			failures[key] = []Failure{*f}
			continue
		}
		circle := circleFrom(key, evals)
		var names []string
		for _, k := range circle {
			names = append(names, k.id.String())
		}
		for _, k := range circle[:max(0, len(circle)-1)] {
			a := evals[k].applier
			a.State, a.Objects = Failed, nil
			failures[k] = []Failure{{
				Cluster: a.Target, Applier: k.id, Stage: "dependsOn",
				Message: "depends on itself, so it is never applied: " + strings.Join(names, " -> "),
			}}
		}
	}
	return failures
}

// missing is the failure of an applier that depends on one that nothing renders, and
// that nothing unresolved on its cluster can bring; nil when there is none.
//
// Source: kustomize-controller v1.9.5 checkDependencies.
func missing(at nodeKey, evals map[nodeKey]*evaluation) *Failure {
	a := evals[at].applier
	for _, id := range a.DependsOn {
		if evals[nodeKey{at.home, id}] != nil {
			continue
		}
		for k, ev := range evals {
			if k.home == at.home && (len(ev.unresolved) > 0 || ev.applier.State == Incomplete || ev.applier.State == Suspended) {
				return nil
			}
		}
		a.State, a.Objects = Failed, nil
		return &Failure{
			Cluster: a.Target, Applier: at.id, Stage: "dependsOn",
			Message: fmt.Sprintf("dependency '%s/%s' not found", id.Namespace, id.Name),
			Hint:    "correct spec.dependsOn: no Kustomization of that name is rendered on the cluster",
		}
	}
	return nil
}

// circleFrom follows dependsOn from start back to start; nil when it does not.
func circleFrom(start nodeKey, evals map[nodeKey]*evaluation) []nodeKey {
	seen := map[nodeKey]bool{}
	var walk func(at nodeKey, path []nodeKey) []nodeKey
	walk = func(at nodeKey, path []nodeKey) []nodeKey {
		ev := evals[at]
		if ev == nil {
			return nil
		}
		path = append(path, at)
		for _, id := range ev.applier.DependsOn {
			d := nodeKey{start.home, id}
			if d == start {
				return append(path, d)
			}
			if !seen[d] {
				seen[d] = true
				if found := walk(d, path); found != nil {
					return found
				}
			}
		}
		return nil
	}
	return walk(start, nil)
}
