package rule

import (
	"fmt"
	"slices"
	"strings"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// ownerRules are about who owns an object.
func ownerRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "OWN-001", Level: finding.High, Title: "Two appliers bring one object",
				Why:  "Each overwrites what the other wrote, at every interval. When one of them drops the object, it deletes what the other still wants.",
				Hint: "keep the object in one applier; to move it, mark it with kustomize.toolkit.fluxcd.io/prune: disabled first, and take the mark away when the other has it",
			},
			Unless: "All but one of them only add to the object or make it once, by the annotation kustomize.toolkit.fluxcd.io/ssa.",
			Static: "two objects are compared",
			Source: "kustomize-controller v1.9.5 apply, helm-controller v1.6.4: server-side apply with forced conflicts",
			cluster: func(_ *Context, c *estate.Cluster) []Found {
				return shared(c, twoOfAKind)
			},
		},
		{
			Rule: finding.Rule{
				ID: "OWN-002", Level: finding.High, Title: "A tenant brings an object that fences it in",
				Why:  "Flux applies with force, so the tenant's version holds until the platform's applier comes round. Marked as unmanaged in a chart, it holds for good, and the platform's applier stays ready.",
				Hint: "give the object another name; take the right to write such objects from the tenant's account",
			},
			Boundary: true,
			Unless:   "The object is another one of the same kind.",
			Source:   "kustomize-controller v1.9.5: kustomize.toolkit.fluxcd.io/reconcile and ssa of what is live; helm-controller v1.6.4: ownership is taken",
			object:   overGuard,
		},
		{
			Rule: finding.Rule{
				ID: "OWN-003", Level: finding.Medium, Title: "A mark in a manifest takes the object out of Flux's hands",
				Why:  "Flux does not update, or recreates, or never deletes what carries the mark, and says that all is well.",
				Hint: "take the mark away when the work is done, or waive the finding until a day",
			},
			Unless: "The mark keeps what holds data from being deleted, or leaves variables alone.",
			Source: "kustomize-controller v1.9.5, helm-controller v1.6.4: the labels and annotations of that name",
			object: marked,
		},
		{
			Rule: finding.Rule{
				ID: "OWN-004", Level: finding.Medium, Title: "A Kustomization and a Helm release own one object",
				Why:  "Helm takes the object over when it installs or upgrades, the Kustomization writes its own version at the next interval, and who removes it first deletes it for both.",
				Hint: "leave the object to one of them; a chart most often has a value that leaves it out",
			},
			Unless: "The chart only reads the object.",
			Static: "two objects are compared",
			Source: "helm-controller v1.6.4: ownership is taken on install and upgrade",
			cluster: func(_ *Context, c *estate.Cluster) []Found {
				return shared(c, kustomizeAndHelm)
			},
		},
		{
			Rule: finding.Rule{
				ID: "OWN-005", Level: finding.Low, Title: "A folder that reaches clusters has no owner",
				Why:  "Nobody in particular is asked before a change of it, and nobody in particular answers for it.",
				Hint: "add a line for the folder to CODEOWNERS",
			},
			Unless: "The folder is somebody's playground.",
			Static: "it is about files before the build",
			fleet:  ownerless,
		},
	}
}

// reconcileMark is the value of a label or an annotation of kustomize-controller.
func reconcileMark(o *estate.Object, name string) string {
	const prefix = "kustomize.toolkit.fluxcd.io/"
	if v := estate.Text(o.At("metadata", "annotations"), prefix+name); v != "" {
		return v
	}
	return estate.Text(o.At("metadata", "labels"), prefix+name)
}

// unmanaged says whether kustomize-controller leaves an object with its marks alone, be they in Git or on the live object.
func unmanaged(o *estate.Object) bool {
	return strings.EqualFold(reconcileMark(o, "reconcile"), kustomizev1.DisabledValue) || strings.EqualFold(reconcileMark(o, "ssa"), kustomizev1.IgnoreValue)
}

// yields says whether who brings the object leaves it to others: it adds to it, makes it when it is missing, or does nothing.
func yields(o *estate.Object) bool {
	switch strings.ToLower(reconcileMark(o, "ssa")) {
	case "merge", "ifnotpresent", "ignore":
		return true
	}
	return unmanaged(o)
}

func byHelm(o *estate.Object) bool { return o.Applier.Kind == estate.HelmReleaseKind }

// shared are the objects that several appliers bring, where they are such as which asks for.
func shared(c *estate.Cluster, which func([]*estate.Object) []*estate.Object) (out []Found) {
	for _, o := range c.Objects {
		all := c.Get(o.ID)
		if len(all) < 2 || all[0] != o {
			continue
		}
		fighting := which(contenders(all))
		if len(fighting) < 2 {
			continue
		}
		var names []string
		about := fighting[len(fighting)-1]
		for _, f := range fighting {
			names = append(names, f.Applier.String())
			if f.Tenant != nil {
				about = f
			}
		}
		slices.Sort(names)
		found := Found{Message: fmt.Sprintf("%s is brought by %s", o.ID, phrase.List(names, 4)), Object: about, Tenant: about.Tenant}
		if !slices.ContainsFunc(fighting, func(f *estate.Object) bool { return !f.Body().Equal(about.Body()) }) {
			found.Level = finding.Medium
			found.Message += ", with the same content"
		}
		out = append(out, found)
	}
	return out
}

// contenders are those that write the object at each interval, one of each applier. What a tenant and the platform's guard bring is OWN-002's.
func contenders(all []*estate.Object) (out []*estate.Object) {
	for _, o := range all {
		if !yields(o) && !slices.ContainsFunc(out, func(p *estate.Object) bool { return p.Applier == o.Applier }) {
			out = append(out, o)
		}
	}
	if !slices.ContainsFunc(out, func(o *estate.Object) bool { return o.Tenant == nil && fences(o) }) {
		return out
	}
	return slices.DeleteFunc(out, func(o *estate.Object) bool { return o.Tenant != nil })
}

func twoOfAKind(all []*estate.Object) []*estate.Object {
	var helm, others []*estate.Object
	for _, o := range all {
		if byHelm(o) {
			helm = append(helm, o)
		} else {
			others = append(others, o)
		}
	}
	if len(others) > 1 {
		return others
	}
	return helm
}

func kustomizeAndHelm(all []*estate.Object) []*estate.Object {
	if slices.ContainsFunc(all, byHelm) && slices.ContainsFunc(all, func(o *estate.Object) bool { return !byHelm(o) }) {
		return all
	}
	return nil
}

// fences says whether an object is one by which the platform bounds tenants: a guard, what applies a tenant, an account, and what holds for the whole
// cluster.
func fences(o *estate.Object) bool {
	return o.Guard() || estate.FluxGroup(o.ID.Group) || o.Is("", "ServiceAccount") || o.ID.Namespace == "" && o.ID.Group != "apiextensions.k8s.io"
}

func overGuard(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil || o.Held || !byHelm(o) && unmanaged(o) { // a Kustomization does not write what it is told to leave alone
		return nil
	}
	all := o.Cluster.Get(o.ID)
	i := slices.IndexFunc(all, func(p *estate.Object) bool { return p.Tenant == nil })
	if i < 0 || !fences(all[i]) {
		return nil
	}
	guard := all[i]
	message := fmt.Sprintf("%s of tenant %s overwrites %s of %s", o.Applier, o.Tenant.Name, o.ID, guard.Applier)
	switch {
	case !mayPatch(o):
		message = fmt.Sprintf("%s of tenant %s would overwrite %s of %s, which its account may not: the whole applier fails", o.Applier, o.Tenant.Name, o.ID, guard.Applier)
		return one(Found{Level: finding.Medium, Message: message})
	case unmanaged(o):
		return one(Found{Level: finding.Critical, Message: message + ", and marks it so that it is never put right again"})
	}
	if every := interval(guard.Applier); every > time.Hour {
		message += fmt.Sprintf(", which puts it right every %s at the earliest", every)
	}
	return one(Found{Message: message})
}

// interval of an applier; 0 when it is not known.
func interval(a *estate.Applier) time.Duration {
	switch {
	case a.Kustomization != nil:
		return a.Kustomization.Spec.Interval.Duration
	case a.HelmRelease != nil:
		return a.HelmRelease.Spec.Interval.Duration
	}
	return 0
}

// mayPatch says whether the one in whose name an object is applied may change it; true when that is not known.
func mayPatch(o *estate.Object) bool {
	as := o.Applier.As
	if as.Kind != estate.RunsAsAccount {
		return true
	}
	what := permission.Request{Verb: "patch", Group: o.ID.Group, Resource: o.Cluster.Resource(o.ID.Group, o.ID.Kind), Namespace: o.ID.Namespace, Name: o.ID.Name}
	if o.Is("", "Namespace") {
		what = permission.OnNamespace("patch", o.ID.Name)
	}
	_, may := o.Cluster.Permissions().May(permission.Account(as.Account.Namespace, as.Account.Name), what)
	return may
}

// marked looks for the marks by which an object is let go. Those of data are no fault: see LIF-002.
func marked(_ *Context, o *estate.Object) []Found {
	level := finding.Medium
	if o.Guard() && o.Cluster.Production {
		level = finding.High
	}
	say := func(name, effect string) []Found {
		return one(Found{Level: level, Message: fmt.Sprintf("%s is marked %s: %s", o.ID, name, effect), Field: "metadata.annotations"})
	}
	const prefix = "kustomize.toolkit.fluxcd.io/"
	ssa := strings.ToLower(reconcileMark(o, "ssa"))
	switch {
	case strings.EqualFold(reconcileMark(o, "reconcile"), kustomizev1.DisabledValue):
		return say(prefix+"reconcile: disabled", "Flux never updates it")
	case ssa == "ignore":
		return say(prefix+"ssa: Ignore", "Flux never updates it")
	case ssa == "ifnotpresent" && o.Guard():
		return say(prefix+"ssa: IfNotPresent", "Flux makes it once and leaves every later change of it")
	case strings.EqualFold(reconcileMark(o, "force"), kustomizev1.EnabledValue) && !o.Is("batch", "Job"):
		return say(prefix+"force: enabled", "Flux deletes it and makes it anew when it cannot be changed")
	case strings.EqualFold(reconcileMark(o, "prune"), kustomizev1.DisabledValue) && !durable(o) && !estate.FluxGroup(o.ID.Group):
		return say(prefix+"prune: disabled", "it stays on the cluster when it leaves Git")
	case strings.EqualFold(o.Annotations()["helm.toolkit.fluxcd.io/driftDetection"], "disabled") && byHelm(o):
		return say("helm.toolkit.fluxcd.io/driftDetection: disabled", "Flux does not see when somebody changes it")
	}
	return nil
}
