package risk

import (
	"slices"

	"github.com/bulkhead-dev/bulkhead/finding"
)

// applierRules are about what makes the controllers write: when, where to, and what they delete.
func applierRules() []rule { return slices.Concat(runRules(), collectRules(), placeRules()) }

// runRules are about whether and when an applier works.
func runRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "applier-suspended", Severity: finding.Warning, Title: "A Kustomization or HelmRelease is suspended",
			Why: "Nothing of it is applied any longer: what is changed in Git waits, and what is changed by hand stays. If it is deleted meanwhile, its " +
				"objects stay in the cluster. One that is new and suspended is a note.",
			Hint: "say in the commit until when, and resume it",
		}, change: applierSuspended},
		{Rule: finding.Rule{
			ID: "applier-resumed", Severity: finding.Warning, Title: "A Kustomization or HelmRelease is resumed",
			Why: "All that was changed in Git since it was suspended is applied at once, and what left Git meanwhile is pruned. How the cluster looked until " +
				"then is not known.",
			Hint: "compare with the cluster before (flux diff), and resume one at a time",
		}, change: applierResumed},
		{Rule: finding.Rule{
			ID: "changes-held", Severity: finding.Note, Title: "Changes wait in something suspended",
			Why:  "What the commit changes of it is applied when somebody resumes it, together with everything else that waits.",
			Hint: "resume it soon, or leave the change out until then",
		}, withheld: changesHeld},
		{Rule: finding.Rule{
			ID: "objects-unknown", Severity: finding.Warning, Title: "What is applied is not known on one side",
			Why: "The source, a chart or a variable is not at hand before or after the change, so that its objects cannot be compared: the change may do " +
				"anything to them.",
			Hint: "make the source known, or look at what changes there yourself",
		}, withheld: objectsUnknown},
		{Rule: finding.Rule{
			ID: "depends-on-changed", Severity: finding.Note, Title: "The order in which things are applied changes",
			Why:  "Without dependsOn both are applied at once: what needs a CRD, a namespace or a webhook of the other fails until these are there.",
			Hint: "keep dependsOn where one needs what the other brings",
		}, change: dependsChanged},
		{Rule: finding.Rule{
			ID: "health-check-removed", Severity: finding.Note, Title: "Nobody waits any longer until objects are healthy",
			Why:  "Without wait, healthChecks or tests it counts as ready once it is applied: what depends on it goes on, and no alert tells that it does not run.",
			Hint: "keep wait: true, or health checks of what matters",
		}, change: healthRemoved},
	}
}

// collectRules are about what an applier deletes.
func collectRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "applier-deleted", Severity: finding.Error, Title: "A Kustomization or HelmRelease is deleted",
			Why: "Its finalizer deletes what it applied, or Helm uninstalls the release. If it does not prune, the objects stay, and nobody looks after " +
				"them: that is a warning.",
			Hint: "to keep the objects, set deletionPolicy: Orphan or suspend it in a change before",
		}, change: applierDeleted},
		{Rule: finding.Rule{
			ID: "applier-moved", Severity: finding.Warning, Title: "A Kustomization or HelmRelease gets another name or namespace",
			Why: "To the controller the old one is deleted and a new one is made. Whether the objects are deleted in between depends on which of the " +
				"two is quicker; a Helm release is uninstalled and installed again.",
			Hint: "first set deletionPolicy: Orphan on the old one (or suspend a HelmRelease), and move it with a later change",
		}, change: applierMoved},
		{Rule: finding.Rule{
			ID: "prune-off", Severity: finding.Warning, Title: "A Kustomization no longer prunes",
			Why:  "What leaves Git from then on stays in the cluster, and nobody looks after it.",
			Hint: "mark single objects with kustomize.toolkit.fluxcd.io/prune: disabled instead",
		}, change: pruneOff},
		{Rule: finding.Rule{
			ID: "prune-on", Severity: finding.Warning, Title: "A Kustomization begins to prune",
			Why:  "It deletes what it still has in its inventory and Git no longer has. What that is only the cluster knows.",
			Hint: "compare status.inventory of the Kustomization with what is rendered before you merge",
		}, change: pruneOn},
		{Rule: finding.Rule{
			ID: "force-on", Severity: finding.Warning, Title: "Objects that cannot be changed are deleted and made anew",
			Why:  "With force an update that the API server refuses becomes a deletion: pods stop, and a volume claim or CRD takes its data or objects along.",
			Hint: "mark the one object with kustomize.toolkit.fluxcd.io/force: enabled, for one commit",
		}, change: forceOn},
		{Rule: finding.Rule{
			ID: "deletion-policy-changed", Severity: finding.Note, Title: "What becomes of objects when their Kustomization goes changes",
			Why:  "With Delete and WaitForTermination its objects are deleted with it, with Orphan they stay, and MirrorPrune does as prune says. That they will be deleted is a warning.",
			Hint: "see that it says what you want to happen when the Kustomization is removed",
		}, change: deletionChanged},
	}
}

// placeRules are about where an applier writes to, and as whom.
func placeRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "remote-target-changed", Severity: finding.Error, Title: "A Kustomization or HelmRelease writes to another cluster",
			Why:  "Its objects are made on the other cluster, and those on the first are left behind: nobody looks after them.",
			Hint: "make a new one for the other cluster, and delete the old one when it is done",
		}, change: targetChanged},
		{Rule: finding.Rule{
			ID: "target-namespace-changed", Severity: finding.Warning, Title: "All objects move to another namespace or get other names",
			Why:  "An object cannot move: it is created in the new place, and the old one is deleted, with its data, or left behind if nothing prunes.",
			Hint: "move data first, or make a new Kustomization beside the old one",
		}, change: namespaceChanged},
		{Rule: finding.Rule{
			ID: "applier-account-changed", Severity: finding.Warning, Title: "A Kustomization or HelmRelease is applied as another account",
			Why: "What it may write is bounded by its service account. Without one it is applied with the rights of the controller, which owns the " +
				"cluster: whoever may write to its source does, too.",
			Hint: "keep spec.serviceAccountName, and set --default-service-account for those that have none",
		}, change: bindings{}.applierAccount},
	}
}
