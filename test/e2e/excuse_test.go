//go:build e2e && linux

package e2e

import (
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// waits is the dependency that an applier rightly waits for: one that fails, is unknown,
// or waits itself.
func (v *verdict) waits(c *render.Cluster, a *render.Applier, s *state) string {
	for _, id := range a.DependsOn {
		if live := s.appliers[id]; live != nil && live.ready.Status == "True" {
			continue
		}
		d := c.Applier(id)
		switch {
		case d == nil:
			return id.String() + ", which is not there"
		case unresolvedOf(c, d) != "":
			return id.String() + ", " + unresolvedOf(c, d)
		case len(failuresOf(c, d)) > 0:
			return id.String() + ", which fails"
		case d.State == render.Suspended:
			return id.String() + ", which is suspended"
		case s.appliers[id] != nil && s.appliers[id].unhealthy:
			return id.String() + ", whose objects are not healthy"
		case s.appliers[id] == nil:
			return id.String() + ", which its parent has not made"
		case d != a:
			if why := v.waits(c, d, s); why != "" {
				return id.String() + ", which waits for " + why
			}
		}
	}
	return ""
}

var gone = regexp.MustCompile(`in namespace (\S+) because|namespaces "([^"]+)" not found`)

// doubtful says whether impact has a note that an object of the applier may be refused.
func doubtful(told *impact.Cluster, a *render.Applier) bool {
	return slices.ContainsFunc(told.Notes, func(n string) bool {
		_, rest, ok := strings.Cut(n, "may refuse a change: ")
		id, _, _ := strings.Cut(rest, " ")
		return ok && slices.ContainsFunc(a.Objects, func(o *object.Object) bool { return o.ID.String() == id })
	})
}

// foretold says whether impact has told that the apply of a new revision fails: an
// immutable field, or a Namespace that the same commit deletes.
func foretold(told *impact.Cluster, a *render.Applier, live *applier) bool {
	if told == nil {
		return false
	}
	for _, f := range told.Failures {
		if f.Applier == a.Applier && (strings.Contains(f.Message, "will be refused") || sameCause(&f, live)) {
			return true
		}
	}
	if doubtful(told, a) {
		return true
	}
	m := gone.FindStringSubmatch(live.ready.Message)
	return m != nil && slices.ContainsFunc(told.Notes, func(n string) bool {
		return strings.Contains(n, "Namespace "+m[1]+m[2]+" is deleted")
	})
}

var (
	flux           = regexp.MustCompile(`^Kustomization/(\S+) dry-run failed`)
	absent         = regexp.MustCompile(`(configmaps|secrets|configmap|secret) "?([^" ]+)"? not found`)
	unknownVersion = regexp.MustCompile(`in version "([^"]+)"`)
	unknown        = regexp.MustCompile(`no matches for kind "(\w+)"`)
	custom         = regexp.MustCompile(`server-side apply failed for object \S+ ([^/ ]+)/\w+, Kind=(\w+): .* is invalid: `)
)

// excuse is why render could not say that the controller fails here: it lacks something
// that is not in Git, which render says or takes for granted.
func excuse(c *render.Cluster, live *applier) string {
	if v := c.Profile.Version; v != "" && v != "v1.9.5" {
		return "kustomize-controller " + v + " is not the lab's"
	}
	if m := flux.FindStringSubmatch(live.ready.Message); m != nil {
		return "Kustomization " + m[1] + " is refused by its schema: that is told of it and not of its parent"
	}
	if m := absent.FindStringSubmatch(live.ready.Message); m != nil {
		for _, other := range c.Appliers {
			for _, o := range other.Objects {
				if strings.EqualFold(o.ID.Kind+"s", m[1]) && o.ID.Name == m[2] {
					return ""
				}
			}
		}
		return strings.TrimSuffix(m[1], "s") + " " + m[2] + " is not in Git"
	}
	if m := custom.FindStringSubmatch(live.ready.Message); m != nil && !builtIn(m[1]) {
		return "the schema of " + m[2] + ", a custom resource, is not checked"
	}
	if m := unknown.FindStringSubmatch(live.ready.Message); m != nil {
		if gv := unknownVersion.FindStringSubmatch(live.ready.Message); gv != nil && builtIn(strings.Split(gv[1], "/")[0]) {
			return "kind " + m[1] + " of " + gv[1] + " is of an older Kubernetes than the lab's"
		}
		for _, n := range c.Notes {
			if strings.Contains(n.Subject+" "+n.Message, m[1]) {
				return "note on kind " + m[1] + ": " + n.Message
			}
		}
	}
	return ""
}

// parentWaits is what holds up the applier that would make this one.
func (v *verdict) parentWaits(c *render.Cluster, a *render.Applier, s *state) string {
	for _, id := range a.Chain {
		p := c.Applier(id)
		if p == nil && v.hub != nil {
			p = v.hub.Applier(id)
		}
		if p == nil || s.appliers[id] == nil {
			continue
		}
		if why := v.waits(c, p, s); why != "" && s.appliers[id].ready.Reason == "DependencyNotReady" {
			return why
		}
		if s.appliers[id].unhealthy {
			return "the health of its objects"
		}
		if p.State == render.Suspended {
			return id.String() + ", which is suspended"
		}
		if why := excuse(c, s.appliers[id]); why != "" && s.appliers[id].ready.Status != "True" {
			return id.String() + ": " + why
		}
		if f := failuresOf(c, p); len(f) > 0 && s.appliers[id].ready.Status != "True" {
			return id.String() + ", which fails: " + f[0].Message
		}
	}
	return ""
}
