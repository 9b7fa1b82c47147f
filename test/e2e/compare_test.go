//go:build e2e && linux

package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// verdict is what the comparison of one cluster of a story says.
type verdict struct {
	appliers    int      // whose state and inventory are equal
	objects     int      // equal, field by field
	failures    int      // appliers that fail for the reason that render gives
	changes     int      // of objects, that impact told
	unresolved  []string // what render says it cannot know, with the reason
	differences []string
}

func (v *verdict) differ(format string, args ...any) {
	v.differences = append(v.differences, fmt.Sprintf(format, args...))
}

// compare holds what is rendered for a cluster against what it holds.
func (v *verdict) compare(c *render.Cluster, s *state, lenient bool) {
	known := map[object.Applier]bool{}
	for _, a := range c.Appliers {
		known[a.Applier] = true
		live := s.appliers[a.Applier]
		switch {
		case a.Kind != "Kustomization":
			v.unresolved = append(v.unresolved, a.String()+": not a Kustomization")
		case live == nil:
			v.differ("%s is rendered and not on the cluster", a)
		default:
			v.applier(c, a, live, s, lenient)
		}
	}
	for id, live := range s.appliers {
		if !known[id] {
			v.differ("%s is on the cluster and not rendered (%s)", id, live.ready.Reason)
		}
	}
}

func (v *verdict) applier(c *render.Cluster, a *render.Applier, live *applier, s *state, lenient bool) {
	failure := failureOf(c, a)
	switch {
	case a.State == render.Incomplete:
		v.unresolved = append(v.unresolved, a.String()+": "+unresolvedOf(c, a))
	case a.State == render.Suspended:
		if len(live.inventory) > 0 && !lenient {
			v.differ("%s is suspended and has applied %d objects", a, len(live.inventory))
			return
		}
		v.appliers++
	case failure != nil:
		if live.ready.Status == "True" {
			v.differ("%s: rendered as failing (%s), and the controller is content", a, failure.Message)
		} else if !sameCause(failure, live) {
			v.differ("%s fails for another reason\n\trendered: %s: %s\n\tlive:     %s: %s", a, failure.Stage, failure.Message, live.ready.Reason, live.ready.Message)
		} else {
			v.failures++
		}
	case live.ready.Status != "True" && !live.unhealthy:
		v.differ("%s: rendered without a fault, and the controller says %s: %s", a, live.ready.Reason, live.ready.Message)
	default:
		v.inventory(c, a, live, s)
	}
}

func failureOf(c *render.Cluster, a *render.Applier) *render.Failure {
	for i := range c.Failures {
		if c.Failures[i].Applier == a.Applier {
			return &c.Failures[i]
		}
	}
	return nil
}

func unresolvedOf(c *render.Cluster, a *render.Applier) string {
	for _, u := range c.Unresolved {
		if u.Applier == a.Applier {
			return u.Kind + " " + u.Subject + ": " + u.Reason
		}
	}
	return "no reason"
}

// inventory compares what an applier has applied with what it is rendered to.
func (v *verdict) inventory(c *render.Cluster, a *render.Applier, live *applier, s *state) {
	equal := true
	rendered := map[object.ID]*object.Object{}
	for _, o := range a.Objects {
		rendered[o.ID] = o // of two with one identity the last is applied last
	}
	for _, id := range slices.SortedFunc(maps.Keys(live.inventory), object.ID.Compare) {
		if rendered[id] == nil {
			v.differ("%s: %s is applied and not rendered", a, id)
			equal = false
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(rendered), object.ID.Compare) {
		if _, ok := live.inventory[id]; !ok {
			v.differ("%s: %s is rendered and not applied", a, id)
			equal = false
			continue
		}
		found := v.object(c, rendered[id], s)
		for _, f := range found {
			v.differ("%s: %s %s", a, id, f)
		}
		if len(found) == 0 {
			v.objects++
		}
	}
	if equal {
		v.appliers++
	}
}

// object compares one object with the live one.
func (v *verdict) object(c *render.Cluster, o *object.Object, s *state) []string {
	live := s.objects[o.ID]
	if ignored(o) {
		if live != nil && live.GetAnnotations()["kustomize.toolkit.fluxcd.io/ssa"] != "Ignore" {
			return []string{"is applied though a mark forbids it"}
		}
		return nil
	}
	if live == nil {
		return []string{"is in the inventory and not on the cluster"}
	}
	if live.GetAnnotations()["kustomize.toolkit.fluxcd.io/ssa"] == "Ignore" {
		return nil // the lab's own CRDs
	}
	found := diffFields(o.Body().Map(), live)
	if len(found) == 0 {
		return nil
	}
	for _, conflict := range c.Conflicts {
		if conflict.ID != o.ID {
			continue
		}
		for _, owner := range conflict.Owners {
			if a := c.Applier(owner); a != nil {
				for _, other := range a.Objects {
					if other.ID == o.ID && len(diffFields(other.Body().Map(), live)) == 0 {
						return nil // another owner applied it last
					}
				}
			}
		}
	}
	return found
}

// ignored says whether the controller leaves an object out though it lists it.
func ignored(o *object.Object) bool {
	metadata, _ := o.Body().Map()["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		m, _ := metadata[field].(map[string]any)
		ssa, _ := m["kustomize.toolkit.fluxcd.io/ssa"].(string)
		reconcile, _ := m["kustomize.toolkit.fluxcd.io/reconcile"].(string)
		if strings.EqualFold(ssa, "ignore") || strings.EqualFold(reconcile, "disabled") {
			return true
		}
	}
	return false
}

// stages are the reasons that the controller gives, by the stage that render gives.
var stages = map[string][]string{
	"source":     {"ArtifactFailed", "AccessDenied", "BuildFailed", "InvalidPath"},
	"build":      {"BuildFailed"},
	"substitute": {"BuildFailed", "PostBuildSubstitutionFailed", "SubstitutionFailed"},
	"apply":      {"ReconciliationFailed", "ApplyFailed"},
	"dependsOn":  {"DependencyNotReady"},
}

// temporary folders of the controller, and what differs in wording only by where
// the files lie.
var (
	folders = regexp.MustCompile(`(/[^\s'":]*)?/kustomization-?[^/\s'":]*\d+/?`)
	spaces  = regexp.MustCompile(`\s+`)
)

func normal(s string) string {
	s = folders.ReplaceAllString(s, "")
	return strings.TrimSpace(spaces.ReplaceAllString(s, " "))
}

// sameCause says whether the controller fails at the same stage with the same words.
func sameCause(f *render.Failure, live *applier) bool {
	reasons, ok := stages[f.Stage]
	if !ok || !slices.Contains(reasons, live.ready.Reason) {
		return false
	}
	return strings.Contains(normal(live.ready.Message), normal(f.Message))
}
