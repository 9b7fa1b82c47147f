package rule

import "strings"

// groups are what the rules of each group are about, by the letters that their IDs begin with.
var groups = map[string]string{ //nolint:gochecknoglobals // a constant table
	"IMP": "applier identity",
	"NSB": "namespace boundary",
	"REF": "cross-namespace references",
	"NST": "nested Flux objects",
	"KUS": "kustomize build",
	"HLM": "Helm releases",
	"VAR": "variables",
	"SEC": "secrets and decryption",
	"SRC": "sources and provenance",
	"RMT": "remote clusters",
	"RBC": "access control",
	"CTL": "Flux installation",
	"OPR": "Flux Operator",
	"NTF": "notifications",
	"IMG": "image automation",
	"DEL": "delegated controllers",
	"WRK": "workloads",
	"QUO": "resource fairness",
	"NET": "network and routing",
	"OWN": "object ownership",
	"LIF": "lifecycle",
	"LAY": "layout",
	"GRF": "graph integrity",
	"BLR": "reach of a change",
	"WVR": "waivers",
}

// Group is what the rule's group is about, in a few words; "" when its ID is of none.
func (r *Rule) Group() string {
	letters, _, _ := strings.Cut(r.ID, "-")
	return groups[letters]
}
