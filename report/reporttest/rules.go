package reporttest

import "github.com/bulkhead-dev/bulkhead/finding"

// rules of the samples, sorted by ID. They stand for the catalogue, and stay as they are when it grows.
func rules() []finding.Rule {
	const e, w, n = finding.Error, finding.Warning, finding.Note
	return []finding.Rule{
		{ID: "container-privileged", Severity: e, Title: "A container gains privileges", Why: "A privileged container is root on its node.", Hint: "drop privileged, or ask the platform team"},
		{ID: "daemonset-deleted", Severity: e, Title: "A DaemonSet is deleted", Why: "Its pods stop on every node.", Hint: "check that something takes its place on these clusters"},
		{ID: "failure-new", Severity: e, Title: "An applier fails that did not", Why: "The controller stops there and prunes nothing.", Hint: "build it locally"},
		{ID: "image-major", Severity: w, Title: "An image changes its major version", Why: "It may not read what its predecessor wrote.", Hint: "read the release notes"},
		{ID: "immutable-field", Severity: e, Title: "A field that cannot change changes", Why: "The API server refuses the object, and its applier stops.", Hint: "give the object a new name, or recreate it"},
		{ID: "limits-removed", Severity: w, Title: "A resource limit is removed", Why: "The container may take the whole node.", Hint: "set a limit"},
		{ID: "namespace-deleted", Severity: e, Title: "A Namespace is deleted", Why: "Everything in it goes, also what Flux does not know.", Hint: "move what must stay first"},
		{ID: "owner-moved", Severity: n, Title: "An object changes its owner", Why: "The old owner may delete it before the new one takes it.", Hint: "turn prune off for one reconciliation"},
		{ID: "pvc-deleted", Severity: e, Title: "A PersistentVolumeClaim is deleted", Why: "Its volume goes with it, unless it is retained.", Hint: "annotate it with kustomize.toolkit.fluxcd.io/prune: disabled"},
		{ID: "rbac-widened", Severity: e, Title: "A role may do more", Why: "Whoever is bound to it may do it at once.", Hint: "name the verbs and resources that are needed"},
		{ID: "replicas-zero", Severity: w, Title: "A workload is scaled to zero", Why: "Nothing serves its requests.", Hint: "say so in the pull request"},
		{ID: "source-ref-changed", Severity: w, Title: "A source follows another ref", Why: "Everything built from it may change.", Hint: "look at what comes in"},
		{ID: "waiver-expired", Severity: w, Title: "A waiver has expired", Why: "What it covered counts again.", Hint: "renew it or delete it"},
		{ID: "workload-restart", Severity: n, Title: "A workload restarts", Why: "Its pod template changes.", Hint: ""},
	}
}
