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
	charts   bool            // helm-controller runs
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
		case a.Kind != "Kustomization" && (a.Kind != "HelmRelease" || !v.charts):
			v.unresolved = append(v.unresolved, a.String()+": its controller does not run here")
		case generated(a), live != nil && strings.Contains(live.ready.Message, "ExternalArtifact feature gate is disabled"):
			v.unresolved = append(v.unresolved, a.String()+": the controller that makes its artifact does not run here")
		case live == nil && unresolvedOf(c, a) != "":
			v.unresolved = append(v.unresolved, a.String()+": "+unresolvedOf(c, a))
		case live == nil && v.parentWaits(c, a, s) != "":
			v.unresolved = append(v.unresolved, a.String()+": its parent waits for "+v.parentWaits(c, a, s))
		case live == nil && told != nil && deletedBy(told, a):
			v.appliers++
		case live == nil && v.restless && endlessIn(c):
			v.unresolved = append(v.unresolved, a.String()+": it would come in one of the next rounds, which have no end")
		case live == nil:
			v.differ("%s is rendered and not on the cluster", a)
		default:
			v.applier(c, a, live, s, told)
		}
	}
}

// generated says whether an applier's source is made by an ArtifactGenerator.
func generated(a *render.Applier) bool {
	return strings.Contains(a.Source.URL, "/ArtifactGenerator/")
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
		if c.Name == hub && endlessIn(c) {
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

// endlessIn says whether appliers make each other without end.
func endlessIn(c *render.Cluster) bool {
	return slices.ContainsFunc(c.Failures, func(f render.Failure) bool { return strings.Contains(f.Message, "without end") })
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
	case a.Release != nil && live.ready.Status == "Unknown":
		v.unresolved = append(v.unresolved, a.String()+": helm-controller is still at work when the suite stops waiting")
	case v.restless && (live.ready.Status == "" || live.ready.Status == "Unknown" || live.ready.Reason == "DependencyNotReady"):
		v.unresolved = append(v.unresolved, a.String()+": the cluster did not come to rest in the time that the suite gives it")
	case live.ready.Status != "True" && !live.unhealthy:
		v.differ("%s: rendered without a fault, and the controller says %s: %s", a, live.ready.Reason, live.ready.Message)
	default:
		v.inventory(c, a, live, s, told)
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
	if live.ready.Status == "" && len(live.inventory) == 0 && silent(failures) {
		v.failures++
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

// failuresOf are the reasons why an applier fails. When its source fails and it goes on
// with the last artifact, it does not fail.
func failuresOf(c *render.Cluster, a *render.Applier) []*render.Failure {
	var found []*render.Failure
	for i := range c.Failures {
		if c.Failures[i].Applier == a.Applier && !strings.Contains(c.Failures[i].Message, "goes on with the last artifact") {
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
func (v *verdict) inventory(c *render.Cluster, a *render.Applier, live *applier, s *state, told *impact.Cluster) {
	equal := true
	rendered := map[object.ID][]*object.Object{} // one object in two versions has one identity
	for _, o := range a.Objects {
		rendered[o.ID] = append(rendered[o.ID], o)
	}
	for _, id := range slices.SortedFunc(maps.Keys(live.inventory), object.ID.Compare) {
		if a.Release != nil && s.objects[id] == nil {
			continue // it lists all that is in crds/, whatever it has applied
		}
		if a.Release != nil && spared(told, id, s) {
			continue
		}
		if rendered[id] == nil {
			v.differ("%s: %s is applied and not rendered", a, id)
			equal = false
		}
	}
	for _, id := range slices.SortedFunc(maps.Keys(rendered), object.ID.Compare) {
		if a.Release != nil && spared(told, id, s) {
			continue
		}
		if _, ok := live.inventory[id]; !ok && !madeBeside(a, id, s) {
			v.differ("%s: %s is rendered and not applied", a, id)
			equal = false
			continue
		}
		var found []string
		for _, o := range rendered[id] { // either may have been applied last
			if found = v.object(c, a, o, s); len(found) == 0 {
				break
			}
		}
		if len(found) > 0 && a.Release != nil && len(a.Release.Unknowable[id]) > 0 {
			v.unresolved = append(v.unresolved, fmt.Sprintf("%s: %s %s", a, id, strings.Join(a.Release.Unknowable[id], ", ")))
			continue
		}
		for _, f := range found {
			v.differ("%s: %s %s", a, id, f)
		}
		if len(found) == 0 {
			v.objects++
		}
	}
	v.hooks(a, s)
	if equal {
		v.appliers++
	}
}

// object compares one object with the live one.
func (v *verdict) object(c *render.Cluster, a *render.Applier, o *object.Object, s *state) []string {
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
	found := diffFields(o.Body().Map(), live, managerOf(a.Applier))
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
					if other.ID == o.ID && len(diffFields(other.Body().Map(), live, managerOf(a.Applier))) == 0 {
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
	"source":     {"ArtifactFailed", "AccessDenied", "BuildFailed", "InvalidPath", "SourceNotReady"},
	"build":      {"BuildFailed"},
	"substitute": {"BuildFailed", "PostBuildSubstitutionFailed", "SubstitutionFailed"},
	"apply":      {"ReconciliationFailed", "ApplyFailed", "InstallFailed", "UpgradeFailed"},
	"chart":      {"SourceNotReady", "ArtifactFailed", "ChartMutateError", "InstallFailed", "UpgradeFailed"},
	"values":     {"ValuesError", "InstallFailed", "UpgradeFailed"},
	"template":   {"InstallFailed", "UpgradeFailed"},
	"postrender": {"InstallFailed", "UpgradeFailed"},
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
	if f.Applier.Kind == "HelmRelease" || f.Stage == "source" && sameWords(f.Message, live.ready.Message) {
		return sameWords(f.Message, live.ready.Message)
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
