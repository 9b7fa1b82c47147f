package rule

import (
	"cmp"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// homed are the appliers whose objects are on a cluster, by what they are.
func homed(x *Context, c *estate.Cluster) map[object.Applier]*estate.Applier {
	return once(x, "homed "+c.Name, func() map[object.Applier]*estate.Applier {
		out := map[object.Applier]*estate.Applier{}
		for _, a := range c.Homed {
			out[a.Applier] = a
		}
		return out
	})
}

// dependency is an entry of spec.dependsOn.
type dependency struct {
	object.Applier
	place int
}

// dependsOn of an applier, as its controller takes them: of its own kind, and of its namespace unless they name another.
//
// Source: kustomize-controller v1.9.5 and helm-controller v1.6.4, checkDependencies; of other kinds only a ResourceSet's name theirs.
func dependsOn(a *estate.Applier) (out []dependency) {
	for i, d := range estate.List(a.Spec(), "dependsOn") {
		kind := a.Kind
		if a.Kind == estate.ResourceSetKind {
			if kind = estate.Text(d, "kind"); kind == "" {
				continue
			}
		}
		if name := estate.Text(d, "name"); name != "" {
			out = append(out, dependency{object.Applier{Kind: kind, Namespace: cmp.Or(estate.Text(d, "namespace"), a.Namespace), Name: name}, i})
		}
	}
	return out
}

// waitsForAll says whether an applier is ready only when what it applies is.
//
// Source: kustomize-controller v1.9.5: spec.wait; helm-controller v1.6.4 waits unless it is told not to.
func waitsForAll(a *estate.Applier) bool {
	switch {
	case a.Kustomization != nil:
		return a.Kustomization.Spec.Wait
	case a.HelmRelease != nil:
		return true
	}
	return false
}

// follows says whether an applier starts only when another one is done: when it is brought by it, or it, or what brings it, depends on it or on
// one that waits for it.
func follows(x *Context, a, on *estate.Applier) bool {
	seen := map[*estate.Applier]bool{}
	var after func(at *estate.Applier) bool
	after = func(at *estate.Applier) bool {
		for ; at != nil; at = at.Parent {
			if seen[at] {
				return false
			}
			seen[at] = true
			if at == on {
				return true
			}
			for _, d := range dependsOn(at) {
				of := homed(x, at.Home)[d.Applier]
				if of == nil {
					continue
				}
				if done(of, on) || after(of) {
					return true
				}
			}
		}
		return false
	}
	return after(a)
}

// done says whether an applier is done when one that it is, or is under, is ready.
func done(ready, on *estate.Applier) bool {
	for at := on; at != nil; at = at.Parent {
		if at == ready {
			return true
		}
		if at.Parent != nil && !waitsForAll(at.Parent) {
			return false
		}
	}
	return false
}
