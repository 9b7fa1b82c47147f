// Package policy says what the API server's own admission would say of an estate, see [Find].
//
// It evaluates the ValidatingAdmissionPolicies that stand on a cluster, and the rules of the fleet's documents, on all that appliers bring there,
// with the packages of the API server. Its invariant: what it calls refused the API server refuses with the same words, and what it cannot know
// it calls unproven.
package policy

import (
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
)

// The rules of what [Find] and [Loosened] find, beside those of documents.
const (
	Refused = "POL-001"
	Warned  = "POL-002"
	Broken  = "POL-003"
	Changed = "POL-004"
)

const source = "Kubernetes v1.36, k8s.io/apiserver/pkg/admission/plugin/policy/validating, which evaluates"

// Rules are those of policies that stand on clusters, sorted by ID. The catalogue lists them with its own.
func Rules() []rule.Rule {
	return []rule.Rule{
		{
			Rule: finding.Rule{
				ID: Refused, Severity: finding.High.Severity(), Level: finding.High, Title: "A policy on the cluster refuses an object",
				Why:  "The API server refuses the object when its applier sends it. Flux then applies nothing more of that applier: what else it brings stays as it is, until the object or the policy changes.",
				Hint: "change the object so that the policy lets it pass, or the policy",
			},
			Unless: "the policy is meant to stop it, and the object is to go",
			Static: "it is what admission does already",
			Source: source,
		},
		{
			Rule: finding.Rule{
				ID: Warned, Severity: finding.Low.Severity(), Level: finding.Low, Title: "A policy on the cluster objects to an object and lets it pass",
				Why:  "Its binding has the actions Warn or Audit and not Deny. Once it denies, the object is refused, and its applier stalls.",
				Hint: "change the object before the binding denies",
			},
			Unless: "the policy is only there to observe",
			Static: "it is what admission does already",
			Source: source,
		},
		{
			Rule: finding.Rule{
				ID: Broken, Severity: finding.Medium.Severity(), Level: finding.Medium, Title: "A policy on the cluster does not work",
				Why:  "A policy with a fault is refused by the API server, and its applier stalls. A policy that no binding names, or a binding to one that is not there, guards nothing; one without its parameters guards nothing or refuses all.",
				Hint: "mend the expression, or bring what is named",
			},
			Unless: "what is named comes to the cluster by other means than Git",
			Static: "several objects are compared",
			Source: source,
		},
		{
			Rule: finding.Rule{
				ID: Changed, Severity: finding.Medium.Severity(), Level: finding.Medium, Title: "A change takes out or changes a Rule document",
				Why:  "What the rule stopped may come in from then on. In the review of the change both versions judge, and the worse answer counts; after the merge only the new one does.",
				Hint: "let the owners of fleet/ approve it; what is to come in because of it comes in a change after this one",
			},
			Unless: "the owners of the rule want it so",
			Static: "two commits are compared",
			Source: "Bulkhead: rules are read from fleet/ of the hub",
		},
	}
}
