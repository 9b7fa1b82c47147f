package risk

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// dataRules are about what a change deletes, or leaves behind.
func dataRules() []rule {
	return slices.Concat(deletionRules(), leavingRules(), definitionRules(), keepingRules(), referenceBrokenRules())
}

func deletionRules() []rule {
	all := &inventory{}
	return []rule{
		{change: claimDeleted, Rule: finding.Rule{
			ID: "pvc-deleted", Severity: finding.Error, Title: "A PersistentVolumeClaim is deleted",
			Why:  "With the claim goes its volume, and with that the data, unless the reclaim policy of the volume is Retain. Most StorageClasses delete.",
			Hint: "keep the claim in Git, or annotate it kustomize.toolkit.fluxcd.io/prune: disabled in a commit before this one; if it shall go, back up its data and see that the volume is retained",
		}},
		{change: volumeDeleted, Rule: finding.Rule{
			ID: "pv-deleted", Severity: finding.Error, Title: "A PersistentVolume is deleted",
			Why:  "A claim that is bound to it loses its volume as soon as no pod uses it. With reclaim policy Delete the storage behind it is deleted too.",
			Hint: "keep the volume in Git until no claim uses it, and set persistentVolumeReclaimPolicy Retain in a commit before",
		}},
		{change: namespaceDeleted, Rule: finding.Rule{
			ID: "namespace-deleted", Severity: finding.Error, Title: "A Namespace is deleted",
			Why:  "Everything in it is deleted with it: also what other appliers or people put there, what is marked to be kept, and every claim with its data.",
			Hint: "keep the Namespace in Git, or annotate it kustomize.toolkit.fluxcd.io/prune: disabled in a commit before this one",
		}},
		{change: statefulSetDeleted, Rule: finding.Rule{
			ID: "statefulset-deleted", Severity: finding.Error, Title: "A StatefulSet is deleted",
			Why:  "All of its pods stop at once, in no order. The claims of its templates stay, unless its retention policy deletes them with it.",
			Hint: "see that nothing uses it, back up its data, and scale it down to zero before it is deleted",
		}},
		{change: all.secretDeleted, Rule: finding.Rule{
			ID: "secret-deleted", Severity: finding.Warning, Title: "A Secret is deleted",
			Why:  "Pods that use it keep what they have read, and do not start again without it. Nobody can get a deleted key or password back from the cluster.",
			Hint: "see that nothing refers to it and that its content is kept elsewhere",
		}},
		{change: recreated, Rule: finding.Rule{
			ID: "object-recreated", Severity: finding.Warning, Title: "An object is deleted and created again",
			Why:  "The API server cannot change it as it is, so that the controller deletes it first. Until it is back nothing does its work; what hangs on it, such as data, pods or objects of a kind, is gone.",
			Hint: "give the new one another name and move over to it, or plan for the time without it",
		}},
	}
}

func leavingRules() []rule {
	all := &inventory{}
	return []rule{
		{change: all.movedUnsafe, Rule: finding.Rule{
			ID: "move-deletes", Severity: finding.Warning, Title: "An object changes its owner and may be deleted on the way",
			Why:  "The applier that lets it go deletes it, unless the one that takes it over has applied it before. Nothing decides which of them comes first.",
			Hint: "annotate it kustomize.toolkit.fluxcd.io/prune: disabled in a commit before this one, and take that off when the new owner has it",
		}},
		{change: orphaned, Rule: finding.Rule{
			ID: "object-orphaned", Severity: finding.Note, Title: "An object stays in the cluster and nobody looks after it",
			Why:  "It is no longer in Git and is not deleted. It goes on working as it was last applied, without updates, until somebody deletes it by hand.",
			Hint: "delete it by hand when it is not needed, or put it back into Git",
		}},
	}
}

// fateOf is what a message says happens to a removed object; "" when it stays.
func fateOf(ch *impact.Change) string {
	switch {
	case ch.Kind != impact.Removed || ch.Before == nil:
		return ""
	case ch.Fate == impact.Deleted:
		return "is deleted"
	case ch.Fate == impact.Unsure:
		return "may be deleted"
	}
	return ""
}

// because is the reason for a fate, to follow a message.
func because(ch *impact.Change) string {
	if ch.Why == "" {
		return ""
	}
	return ": " + ch.Why
}

func claimDeleted(_ *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || !isKind(ch, "", "PersistentVolumeClaim") {
		return nil
	}
	size := ""
	if v := get(body(ch.Before), "spec", "resources", "requests", "storage"); v != nil {
		size = " of " + show(ch, v)
	}
	return []Risk{told(ch, "", "%s%s %s, and with it the data of its volume, unless that is retained%s", called(ch), size, fate, because(ch))}
}

func volumeDeleted(_ *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || !isKind(ch, "", "PersistentVolume") {
		return nil
	}
	if text(body(ch.Before), "spec", "persistentVolumeReclaimPolicy") == "Delete" {
		return []Risk{told(ch, "", "%s %s, and its storage with it, as its reclaim policy is Delete%s", called(ch), fate, because(ch))}
	}
	return []Risk{told(ch, "", "%s %s: its storage stays, and the claim that is bound to it loses it%s", called(ch), fate, because(ch))}
}

func namespaceDeleted(x *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || !isKind(ch, "", "Namespace") {
		return nil
	}
	in := func(o *object.Object) bool { return o.ID.Namespace == ch.ID.Name }
	n, claims := 0, 0
	for _, o := range x.rendered(0, in) {
		n++
		if o.ID.Group == "" && o.ID.Kind == "PersistentVolumeClaim" || o.ID.Group == "apps" && o.ID.Kind == "StatefulSet" {
			claims++
		}
	}
	what := count(n, "object is", "objects are") + " rendered in it before"
	if claims > 0 {
		what += ", " + fmt.Sprint(claims) + " of them with data"
	}
	if now := len(x.rendered(1, in)); now > 0 {
		what += ", and " + fmt.Sprint(now) + " after"
	}
	return []Risk{told(ch, "", "%s %s, with everything in it; %s%s", called(ch), fate, what, because(ch))}
}

func statefulSetDeleted(_ *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || !isKind(ch, "apps", "StatefulSet") {
		return nil
	}
	claims := ""
	switch b := body(ch.Before); {
	case len(list(b, "spec", "volumeClaimTemplates")) == 0:
	case text(b, "spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted") == "Delete":
		claims = ", and so are its claims with their data"
	default:
		claims = "; the claims of its templates stay"
	}
	return []Risk{told(ch, "", "%s %s%s%s", called(ch), fate, claims, because(ch))}
}

func (v *inventory) secretDeleted(x *context, ch *impact.Change) []Risk {
	fate := fateOf(ch)
	if fate == "" || !isKind(ch, "", "Secret") || ch.Replaces != nil || v.goneWith(x, ch) {
		return nil
	}
	return []Risk{told(ch, "", "%s %s%s", called(ch), fate, because(ch))}
}

func recreated(_ *context, ch *impact.Change) []Risk {
	if ch.Recreated == "" {
		return nil
	}
	k := told(ch, "", "%s is deleted and created again: %s", called(ch), ch.Recreated)
	if l := lost(ch); l != "" {
		k = told(ch, "", "%s is deleted, with %s, and created again: %s", called(ch), l, ch.Recreated)
		k.Severity = finding.Error
	}
	return []Risk{k}
}

func (v *inventory) movedUnsafe(x *context, ch *impact.Change) []Risk {
	if ch.Kind != impact.Moved || ch.Recreated != "" || ch.Fate != impact.Deleted && ch.Fate != impact.Unsure || v.goneWith(x, ch) {
		return nil
	}
	k := told(ch, "", "%s may be deleted on its way to another owner%s", called(ch), because(ch))
	if ch.Fate == impact.Deleted {
		k = told(ch, "", "%s is deleted on its way to another owner%s", called(ch), because(ch))
		k.Severity = finding.Error
	}
	if l := lost(ch); l != "" {
		k.Severity = finding.Error
	}
	return []Risk{k}
}

// orphaned is a note for what only lies there, and a warning for what runs, lets in, or holds data.
func orphaned(x *context, ch *impact.Change) []Risk {
	if ch.Kind != impact.Removed || ch.Fate != impact.Orphaned || ch.Before == nil || ch.Replaces != nil {
		return nil
	}
	k := told(ch, "", "%s stays in the cluster, and nobody looks after it%s", called(ch), because(ch))
	switch {
	case podOf(ch.Before).has() || lost(ch) != "" || standing(ch.ID):
		k.Severity = finding.Warning
	case x.Gone:
		return nil // told of the cluster as a whole
	}
	return []Risk{k}
}

// standing are kinds that do something by being there.
func standing(id object.ID) bool {
	switch id.Group {
	case "rbac.authorization.k8s.io", "admissionregistration.k8s.io", "networking.k8s.io", "gateway.networking.k8s.io":
		return true
	case "":
		return id.Kind == "Service"
	}
	return strings.HasSuffix(id.Group, ".toolkit.fluxcd.io")
}

// lost is what is lost for good when an object is deleted, even if it is created again at once;
// "" for nothing.
func lost(ch *impact.Change) string {
	switch ch.ID.Group + "/" + ch.ID.Kind {
	case "/PersistentVolumeClaim":
		return "the data of its volume, unless that is retained"
	case "/PersistentVolume":
		return "the binding of its claim"
	case "/Namespace":
		return "everything in it"
	case "apiextensions.k8s.io/CustomResourceDefinition":
		return "all objects of its kind"
	case "apps/StatefulSet":
		return "all of its pods"
	case "/Secret":
		return "what the cluster put into it"
	}
	return ""
}

// rendered are the objects of the cluster, before (0) or after (1), for which is holds.
func (x *context) rendered(side int, is func(*object.Object) bool) (out []*object.Object) {
	c := x.before
	if side == 1 {
		c = x.after
	}
	if c == nil {
		return nil
	}
	for o := range c.Objects.All() {
		if is(o) {
			out = append(out, o)
		}
	}
	return out
}

// count is a number and its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n) + " " + many
}
