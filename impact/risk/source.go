package risk

import (
	"github.com/bulkhead-dev/bulkhead/finding"
)

// sourceRules are about where the objects come from.
func sourceRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "source-changed", Severity: finding.Warning, Title: "A source, or the place in it, changes",
			Why: "Everything that is read from there may change at once. What comes in is compared when the source is at hand; when it is not, nothing " +
				"can be said of it. That only the ref moves, and what comes in is known, is a note.",
			Hint: "read what comes in, and see that nothing that still runs is missing there",
		}, change: sourceChanged},
		{Rule: finding.Rule{
			ID: "source-foreign", Severity: finding.Warning, Title: "A source moves to another host",
			Why:  "Who may write to the repository there decides what runs on the cluster.",
			Hint: "see that the host is yours or known to you, and verify signatures of what comes from it",
		}, change: sourceForeign},
		{Rule: finding.Rule{
			ID: "source-unpinned", Severity: finding.Warning, Title: "A source follows more than it did",
			Why:  "With a branch, a range or a tag that moves, new content is applied without a change in this repository: no review shows it.",
			Hint: "pin a tag, digest or version, and let a bot propose updates",
		}, change: sourceUnpinned},
		{Rule: finding.Rule{
			ID: "source-verification-removed", Severity: finding.Error, Title: "Signatures of a source are no longer verified",
			Why:  "Whoever may write to the repository, or takes it over, decides what runs: nothing tells it from what its owners signed.",
			Hint: "keep spec.verify, and change the keys it names",
		}, change: verificationRemoved},
		{Rule: finding.Rule{
			ID: "source-insecure", Severity: finding.Warning, Title: "A source is read without TLS",
			Why:  "Whoever is on the way may read what is fetched, its credentials too, and put something else in its place.",
			Hint: "use https or ssh, and name the certificate in certSecretRef",
		}, change: sourceInsecure},
		{Rule: finding.Rule{
			ID: "source-suspended", Severity: finding.Warning, Title: "A source is suspended",
			Why:  "Nothing new is fetched: whatever reads it stays with what it has, without an error.",
			Hint: "say in the commit until when, and resume it",
		}, change: sourceSuspended},
	}
}
