package reporttest

import (
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/verdict"
	"github.com/bulkhead-dev/bulkhead/object"
)

// Compartments is the report of a check with something of each kind: two tenants on two clusters, findings that are new, known and waived, and what is not
// known. Each text of it is text of the plain one; nil leaves it plain.
func Compartments(text func(string) string) *verdict.Report {
	if text == nil {
		text = func(s string) string { return s }
	}
	prod, staging, auth, billing := text("prod"), text("staging"), text("auth"), text("billing")
	applier := &object.ID{Group: text("kustomize.toolkit.fluxcd.io"), Kind: text("Kustomization"), Namespace: text("flux-system"), Name: text("billing-apps")}
	of := func(rule string, l finding.Level, concern, message string, clusters ...string) verdict.Finding {
		return verdict.Finding{
			Finding: finding.Finding{
				Rule: rule, Level: l, Severity: l.Severity(), Concern: concern, Message: text(message), Hint: text("name an account"), Clusters: clusters,
				Object: applier, Field: text("spec.serviceAccountName"), File: text("clusters/prod/billing.yaml"), Line: 12,
				Steps: []finding.Step{{Message: text("it names no account"), File: text("clusters/prod/billing.yaml"), Line: 14}, {Message: text("the controller is cluster-admin")}},
			},
			Key: "0123456789abcdef0123456789abcdef", Boundary: true,
		}
	}
	first, known, waived, low := of("IMP-001", finding.Critical, "tenant/"+billing, "it is applied as the controller", prod), of("IMP-001", finding.Critical, "tenant/"+billing, "it is applied as the controller", staging),
		of("RBC-001", finding.High, "tenant/"+auth, "it may read all secrets", prod), of("LAY-001", finding.Low, verdict.Platform, "the folder is large")
	known.Known, low.Boundary, low.Object = true, false, nil
	waived.Waived = &finding.Waived{Name: text("reads"), File: text("fleet/waivers.yaml"), Reason: text("until it moves"), Approver: text("jane"), Expires: "2027-01-31"}
	gap := verdict.Reason{Rule: "NST-005", Message: text("the chart is not at hand"), Hint: text("fetch it"), Object: applier}
	return &verdict.Report{
		Clusters: []string{prod, staging},
		Verdicts: []verdict.Verdict{
			{Tenant: auth, Cluster: prod, State: verdict.Waived, Waived: 1, Reasons: []verdict.Reason{}},
			{Tenant: auth, Cluster: staging, State: verdict.Proven, Reasons: []verdict.Reason{}},
			{Tenant: billing, Cluster: prod, State: verdict.Violated, Open: verdict.Levels{Critical: 1}, Reasons: []verdict.Reason{gap}},
			{Tenant: billing, Cluster: staging, State: verdict.Violated, Open: verdict.Levels{Critical: 1}, Reasons: []verdict.Reason{}},
		},
		Findings: []verdict.Finding{first, low, known, waived},
		Unproven: []verdict.Open{{Reason: gap, Concern: "tenant/" + billing, Clusters: []string{prod}}},
	}
}
