package guard

import (
	"cmp"
	"slices"
)

// Means are what enforces a rule of the catalogue on a cluster.
type Means struct {
	Rule string
	// Policies are the names of the admission policies among [Objects], sorted; with them stand the NetworkPolicies.
	Policies []string
	// Beside are what else does: flags of the controllers, the rights of the tenant's account, and what Kubernetes does by itself.
	Beside []string
}

// Words are what enforces the rule, policies first.
func (m *Means) Words() []string {
	out := []string{}
	for _, p := range m.Policies {
		out = append(out, "policy "+p)
	}
	return append(out, m.Beside...)
}

// What enforces rules beside the policies. The rights are those that package tenant gives by default: who gives a tenant other ClusterRoles loses them.
const (
	byReferenceFlag = "flag --no-cross-namespace-refs"
	byAccountFlag   = "flag --default-service-account"
	byBasesFlag     = "flag --no-remote-bases"
	byKubeconfig    = "flag --default-kubeconfig-service-account"
	byDecryption    = "flag --default-decryption-service-account"
	byRights        = "rights: the tenant's account has a RoleBinding in each of its namespaces, and none elsewhere"
	byRole          = "rights: the ClusterRole bulkhead-tenant"
	byQuota         = "quota: the ResourceQuota bulkhead"
	byScope         = "Kubernetes, which knows the scope of every kind that it serves"
	byBinding       = "Kubernetes, which binds a volume with a claimRef to that claim only"
	byPodSecurity   = "Pod Security Admission, by the labels of the namespace"
)

// beside the policies.
func beside() map[string][]string {
	return map[string][]string{
		"CTL-001": {byReferenceFlag}, "CTL-002": {byAccountFlag}, "CTL-003": {byBasesFlag}, "CTL-004": {byAccountFlag, byDecryption, byKubeconfig},
		"HLM-001": {byRights}, "HLM-002": {byRights}, "HLM-003": {byRights}, "HLM-004": {byRights}, "HLM-006": {byRights},
		"IMP-001": {byAccountFlag}, "IMP-002": {byRights}, "IMP-003": {byAccountFlag}, "IMP-004": {byRights}, "IMG-001": {byRole},
		"NSB-001": {byRights}, "NSB-002": {byRights}, "NSB-004": {byRights}, "NSB-005": {byRights}, "NSB-006": {byRole}, "NSB-010": {byScope}, "NST-001": {byRole, byQuota},
		"NST-003": {byAccountFlag}, "OPR-001": {byRole}, "OWN-002": {byRole}, "DEL-001": {byRole}, "DEL-004": {byRole},
		"NTF-001": {byRole}, "NTF-002": {byRole}, "NTF-003": {byReferenceFlag},
		"RBC-001": {byRole}, "RBC-002": {byRole}, "RBC-003": {byRights}, "RBC-005": {byRole}, "RBC-007": {byRights}, "RBC-009": {byRole}, "RBC-010": {byRole},
		"RBC-011": {byRole, byQuota}, "RBC-012": {byRole},
		"REF-001": {byReferenceFlag}, "REF-005": {byReferenceFlag}, "REF-006": {byReferenceFlag},
		"RMT-001": {byRole}, "RMT-002": {byKubeconfig}, "SEC-002": {byDecryption}, "SEC-007": {byAccountFlag},
		"QUO-001": {byQuota}, "QUO-003": {byQuota}, "WRK-001": {byPodSecurity}, "WRK-002": {byPodSecurity}, "WRK-006": {byBinding}, "KUS-001": {byBasesFlag},
	}
}

// Table says of every rule that something enforces on a cluster what that is, sorted by rule. What is not in it is static: only files tell.
func Table() []Means {
	all := map[string]*Means{}
	of := func(rule string) *Means {
		if all[rule] == nil {
			all[rule] = &Means{Rule: rule}
		}
		return all[rule]
	}
	for _, p := range (&Options{}).writers().policies() {
		for _, rule := range p.rules() {
			m := of(rule)
			m.Policies = append(m.Policies, p.name)
		}
	}
	for _, n := range networks() {
		m := of(n.Annotations[AnnotationRules])
		m.Policies = append(m.Policies, n.Name)
	}
	for rule, list := range beside() {
		of(rule).Beside = list
	}
	var out []Means
	for _, m := range all {
		slices.Sort(m.Policies)
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b Means) int { return cmp.Compare(a.Rule, b.Rule) })
	return out
}
