package cli

import (
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/finding/baseline"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/render"
)

// CheckDocument is what "bulkhead check -o json" writes: whether each tenant stays in its compartment.
type CheckDocument struct {
	// SchemaVersion is "bulkhead.dev/check/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/check/v1"`
	// Revision that was checked, in words.
	Revision string `json:"revision"`
	// Base is the revision that it was compared with, in words; empty for none.
	Base string `json:"base,omitempty"`
	verdict.Report
	// Gone are entries of the baseline that are found no more.
	Gone []baseline.Entry `json:"gone"`
	// Limits are what the proof does not cover.
	Limits []string `json:"limits"`
	// Coverage tells how much of the revision could be rendered.
	Coverage render.Coverage `json:"coverage"`

	anchor   string
	clusters int // of the fleet
}

// checkLimits are what no verdict covers.
func checkLimits() []string {
	return []string{"permissions granted outside of Git", "admission that changes objects", "what was changed on a cluster by hand", "the kernel and the network plugin"}
}

// RulesDocument is what "bulkhead rules -o json" writes: the catalogue.
type RulesDocument struct {
	// SchemaVersion is "bulkhead.dev/rules/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/rules/v1"`
	// Rules, sorted by ID.
	Rules []ListedRule `json:"rules"`
}

// ListedRule is one rule of the catalogue.
type ListedRule struct {
	finding.Rule
	// Group is what the rules of its group are about.
	Group string `json:"group"`
	// Boundary is true when a finding of medium or worse breaks the proof that a tenant stays in its compartment.
	Boundary bool `json:"boundary"`
	// Unless says when a finding is no fault; empty for never.
	Unless string `json:"unless,omitempty"`
	// HeldBy is what holds it on a cluster with guards: policies, flags of controllers, rights. Empty for a rule of which only files tell.
	HeldBy []string `json:"heldBy"`
	// Static is why no admission policy alone can hold it; empty when one can.
	Static string `json:"static,omitempty"`
	// Source names what the rule follows, with its version.
	Source string `json:"source,omitempty"`
}

// RuleDocument is what "bulkhead rules explain ID -o json" writes.
type RuleDocument struct {
	// SchemaVersion is "bulkhead.dev/rules-explain/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/rules-explain/v1"`
	ListedRule
	// Samples that run as tests.
	Samples []RuleSample `json:"samples"`
}

// RuleSample is a pair of fleets: in one of them the rule finds something.
type RuleSample struct {
	// Case tells several samples of a rule apart; empty for the first.
	Case string `json:"case,omitempty"`
	// Comment says what the sample shows.
	Comment string `json:"comment"`
	// Bad is what the rule finds, Good what it lets pass: what differs between the two.
	Bad  []SampleFile `json:"bad"`
	Good []SampleFile `json:"good"`
}

// SampleFile is a file of a sample; the first segment of its path is the repository.
type SampleFile struct {
	Path    string `json:"path"`
	Content string `json:"content"`
}
