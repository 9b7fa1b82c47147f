//go:build e2e && linux

package e2e

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
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

	hub      *render.Cluster // where the appliers are
	restless bool            // the clusters did not come to rest in the time there is
}

func (v *verdict) differ(format string, args ...any) {
	v.differences = append(v.differences, fmt.Sprintf(format, args...))
}

// compare holds what is rendered for a cluster against what it holds, as far as appliers
// of the hub wrote it.
func (v *verdict) compare(hub string, c *render.Cluster, s *state, told *impact.Cluster) {
	for _, a := range c.Appliers {
		live := s.appliers[a.Applier]
		switch {
		case a.Home != hub: // of another hub
		case a.Kind != "Kustomization":
			v.unresolved = append(v.unresolved, a.String()+": not a Kustomization")
		case live == nil && unresolvedOf(c, a) != "":
			v.unresolved = append(v.unresolved, a.String()+": "+unresolvedOf(c, a))
		case live == nil && v.parentWaits(c, a, s) != "":
			v.unresolved = append(v.unresolved, a.String()+": its parent waits for "+v.parentWaits(c, a, s))
		case live == nil && told != nil && deletedBy(told, a):
			v.appliers++
		case live == nil:
			v.differ("%s is rendered and not on the cluster", a)
		default:
			v.applier(c, a, live, s, told)
		}
	}
}

// deletedBy says whether impact has told that the applier itself is deleted, though a
// render of the new revision alone has it.
func deletedBy(told *impact.Cluster, a *render.Applier) bool {
	return slices.ContainsFunc(told.Changes, func(ch *impact.Change) bool {
		return ch.Kind == impact.Removed && ch.Fate == impact.Deleted && ch.ID.Kind == a.Kind && ch.ID.Namespace == a.Namespace && ch.ID.Name == a.Name
	})
}

// strangers finds Kustomizations that are on the hub and not rendered. After a commit
// those are right that impact says are left behind.
func (v *verdict) strangers(hub string, r *render.Result, report *impact.Report, s *state) {
	known := map[object.Applier]bool{}
	for _, c := range r.Clusters {
		for _, a := range c.Appliers {
			known[a.Applier] = known[a.Applier] || a.Home == hub
		}
		if c.Name == hub && slices.ContainsFunc(c.Failures, func(f render.Failure) bool { return strings.Contains(f.Message, "without end") }) {
			return // what has no end is followed for a while only
		}
	}
	for id, live := range s.appliers {
		if known[id] || orphaned(report, hub, id) {
			continue
		}
		v.differ("%s is on the cluster and not rendered (%s: %s)", id, live.ready.Reason, live.ready.Message)
	}
}

func orphaned(report *impact.Report, cluster string, id object.Applier) bool {
	if report == nil {
		return false
	}
	for _, c := range report.Clusters {
		if c.Name != cluster {
			continue
		}
		for _, ch := range c.Changes {
			if ch.Kind == impact.Removed && ch.Fate != impact.Deleted && ch.ID.Kind == id.Kind && ch.ID.Namespace == id.Namespace && ch.ID.Name == id.Name {
				return true
			}
		}
		for _, w := range c.Withheld {
			if w.Applier == id {
				return true
			}
		}
	}
	return false
}

func (v *verdict) applier(c *render.Cluster, a *render.Applier, live *applier, s *state, told *impact.Cluster) {
	failures := failuresOf(c, a)
	switch {
	case unresolvedOf(c, a) != "":
		v.unresolved = append(v.unresolved, a.String()+": "+unresolvedOf(c, a))
	case a.State == render.Suspended:
		if len(live.inventory) > 0 && told == nil {
			v.differ("%s is suspended and has applied %d objects", a, len(live.inventory))
			return
		}
		v.appliers++
	case live.ready.Reason == "DependencyNotReady" && v.waits(c, a, s) != "":
		v.unresolved = append(v.unresolved, a.String()+": waits for "+v.waits(c, a, s))
	case len(failures) > 0:
		v.failure(c, a, failures, live)
	case live.ready.Status != "True" && foretold(told, a, live):
		v.failures++
	case live.ready.Status != "True" && excuse(c, live) != "":
		v.unresolved = append(v.unresolved, a.String()+": "+excuse(c, live))
	case strings.Contains(live.ready.Message, "toolkit.fluxcd.io") && strings.Contains(live.ready.Message, "no matches for kind"),
		strings.Contains(live.ready.Message, "failed to convert new object"):
		v.unresolved = append(v.unresolved, a.String()+": written for an older Flux: "+live.ready.Message)
	case v.restless && (live.ready.Status == "" || live.ready.Reason == "DependencyNotReady"):
		v.unresolved = append(v.unresolved, a.String()+": the cluster did not come to rest in the time that the suite gives it")
	case live.ready.Status != "True" && !live.unhealthy:
		v.differ("%s: rendered without a fault, and the controller says %s: %s", a, live.ready.Reason, live.ready.Message)
	default:
		v.inventory(c, a, live, s)
	}
}

func (v *verdict) failure(c *render.Cluster, a *render.Applier, failures []*render.Failure, live *applier) {
	if strings.Contains(failures[0].Message, "without end") || strings.Contains(failures[0].Message, "does not settle") {
		v.unresolved = append(v.unresolved, a.String()+": "+failures[0].Message)
		return
	}
	if live.ready.Status == "True" {
		v.differ("%s: rendered as failing (%s), and the controller is content", a, failures[0].Message)
		return
	}
	if v.restless && live.ready.Status == "" {
		v.unresolved = append(v.unresolved, a.String()+": the cluster did not come to rest in the time that the suite gives it")
		return
	}
	if slices.ContainsFunc(failures, func(f *render.Failure) bool { return sameCause(f, live) }) {
		v.failures++
		return
	}
	if why := excuse(c, live); why != "" {
		v.unresolved = append(v.unresolved, a.String()+": "+why)
		return
	}
	v.differ("%s fails for another reason\n\trendered: %s: %s\n\tlive:     %s: %s",
		a, failures[0].Stage, failures[0].Message, live.ready.Reason, live.ready.Message)
}

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

// failuresOf are the reasons why an applier fails.
func failuresOf(c *render.Cluster, a *render.Applier) []*render.Failure {
	var found []*render.Failure
	for i := range c.Failures {
		if c.Failures[i].Applier == a.Applier {
			found = append(found, &c.Failures[i])
		}
	}
	return found
}

// unresolvedOf is why an applier, or one that it comes from, cannot be known; else "".
func unresolvedOf(c *render.Cluster, a *render.Applier) string {
	for _, id := range append([]object.Applier{a.Applier}, a.Chain...) {
		for _, u := range c.Unresolved {
			if u.Applier == id {
				return u.Kind + " " + u.Subject + ": " + u.Reason
			}
		}
	}
	if a.State == render.Incomplete {
		return "no reason given"
	}
	return ""
}

// inventory compares what an applier has applied with what it is rendered to.
func (v *verdict) inventory(c *render.Cluster, a *render.Applier, live *applier, s *state) {
	equal := true
	rendered := map[object.ID][]*object.Object{} // one object in two versions has one identity
	for _, o := range a.Objects {
		rendered[o.ID] = append(rendered[o.ID], o)
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
		var found []string
		for _, o := range rendered[id] { // either may have been applied last
			if found = v.object(c, o, s); len(found) == 0 {
				break
			}
		}
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

// The controller works in a temporary folder and we in a tree, and some of its words give
// away what we do not show. These are all the ways in which one cause is said differently.
var (
	folders = regexp.MustCompile(`(/[^\s'":]*)?/kustomization-\d+/?`)
	spaces  = regexp.MustCompile(`\s+`)
	// Go's own words for a missing file differ between a disk and a file system in memory.
	access  = regexp.MustCompile(`\b(read|open|l?stat|evalsymlink failure on) '?/?`)
	missing = strings.NewReplacer(`file does not exist`, `no such file or directory`)
	// outside is how we say what the controller says of its temporary folder.
	outside = regexp.MustCompile(`(read|open) \S+: path is outside of the source('?).*`)
	// patterns turn our words, quoted as a regular expression, into one that the controller's match.
	patterns = strings.NewReplacer(
		`…`, `.*`,
		`is invalid: `, `is invalid: \[?`,
		`: illegal base64`, `: (error decoding from json: )?illegal base64`,
		`another type, which is not shown`, `.*`,
		`unknown anchor referenced`, `unknown anchor '[^']*' referenced`,
		`missing kind in object \{ \}`, `missing kind in object .*`,
		`missing metadata\.name in object \{v1 Pod\}`, `missing metadata\.name in object .*`,
		`decode Kubernetes YAML`, `(failed to )?decode Kubernetes YAML`,
		`kustomize build failed: `, `(kustomize build failed: )?`,
		`not a valid directory: read `, `not a valid directory: .*read `,
		`kustomization path not found: `, `kustomization path not found: (read )?`,
	)
	// shorter says less than we do: the controller names no object there, or other files.
	shorter = []*regexp.Regexp{
		regexp.MustCompile(`read [^ ]+: yaml: ()`),
		regexp.MustCompile(`^\S+ (dry-run failed): `),   // several objects are sent at once, and the first answer counts
		regexp.MustCompile(`json: cannot unmarshal .*`), // definitions have no typed schema here
		regexp.MustCompile(`readdir [^ ]+: ()`),
		regexp.MustCompile(`write [^ ]+: it ()`),
		regexp.MustCompile(`(ID conflict|id matched 2 resources): .*`),
	}
)

func normal(s string) string {
	s = folders.ReplaceAllString(s, "")
	s = access.ReplaceAllString(missing.Replace(s), "read ")
	return strings.TrimSpace(spaces.ReplaceAllString(s, " "))
}

// sameCause says whether the controller fails at the same stage with the same words.
func sameCause(f *render.Failure, live *applier) bool {
	reasons, ok := stages[f.Stage]
	if !ok || !slices.Contains(reasons, live.ready.Reason) {
		return false
	}
	if f.Stage == "dependsOn" {
		return true // the controller says of a circle only that the next one is not ready
	}
	if strings.Contains(f.Message, "no matches for kind") && strings.Contains(live.ready.Message, "could not find the requested resource") {
		return true // the controller still remembers the kind
	}
	text := outside.ReplaceAllString(more.ReplaceAllString(f.Message, ""), "…(is not in or below|no such file or directory)…")
	for _, re := range shorter {
		text = re.ReplaceAllString(text, "…$1…")
	}
	said := patterns.Replace(regexp.QuoteMeta(normal(text)))
	said = strings.ReplaceAll(said, regexp.QuoteMeta("(is not in or below|no such file or directory)"), "(is not in or below|no such file or directory)")
	re, err := regexp.Compile(said)
	return err == nil && re.MatchString(normal(live.ready.Message))
}

// more is how render counts further objects with the same fault.
var more = regexp.MustCompile(` \(and (of )?\d+ more objects\)$`)
