package v1alpha1

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// checkSettings checks what was written at one place. What it means together with other places is for package tenant.
func (r *reader) checkSettings(s *Settings, in string) error {
	for _, f := range []struct {
		field, value string
		known        []string
	}{
		{"shape", string(s.Shape), []string{string(Isolated), string(Article)}},
		{"podSecurity", string(s.PodSecurity), []string{string(Privileged), string(Baseline), string(Restricted)}},
		{"nestedFlux", string(s.NestedFlux), []string{string(Forbidden), string(Pinned)}},
		{"network.default", string(s.Network.Default), []string{string(Deny), string(Allow)}},
		{"sync.deletionPolicy", s.Sync.DeletionPolicy, []string{"MirrorPrune", "Delete", "WaitForTermination", "Orphan"}},
	} {
		if err := r.checkOneOf(f.value, in+"."+f.field, f.known...); err != nil {
			return err
		}
	}
	if s.Shard != "" && len(validation.IsValidLabelValue(s.Shard)) > 0 {
		return r.errorAt(in+".shard", fmt.Sprintf("%s.shard: %q is no value of a label", in, clip(s.Shard)), "")
	}
	for _, check := range []func(*Settings, string) error{r.checkSync, r.checkQuota, r.checkRoles, r.checkNamespaceLabels} {
		if err := check(s, in); err != nil {
			return err
		}
	}
	return nil
}

// ReservedVariables are those that every tenant has whose files are substituted, sorted.
func ReservedVariables() []string { return []string{"cluster_name", "environment", "tenant"} }

func (r *reader) checkSync(s *Settings, in string) error {
	y, at := &s.Sync, in+".sync"
	for _, d := range []struct {
		field string
		value *metav1.Duration
	}{
		{"interval", y.Interval},
		{"sourceInterval", y.SourceInterval},
		{"retryInterval", y.RetryInterval},
		{"timeout", y.Timeout},
	} {
		if d.value != nil && d.value.Duration <= 0 {
			return r.errorAt(at+"."+d.field, fmt.Sprintf("%s.%s: %s is no time to wait", at, d.field, d.value.Duration), "as in 5m")
		}
	}
	if ns := y.TargetNamespace; ns != "" && len(validation.IsDNS1123Label(ns)) > 0 {
		return r.errorAt(at+".targetNamespace", fmt.Sprintf("%s.targetNamespace: %q is no DNS label", at, clip(ns)), labelHint)
	}
	if d := y.Decryption; d != nil && d.Provider != "sops" {
		return r.errorAt(at+".decryption", fmt.Sprintf("%s.decryption.provider: %q is none that Flux has", at, clip(d.Provider)), "write sops")
	}
	names := slices.Sorted(maps.Keys(y.Substitute))
	for _, name := range append(names, y.ClusterVariables...) {
		place := join(at+".substitute", name)
		if _, is := y.Substitute[name]; !is {
			place = at + ".clusterVariables"
		}
		switch {
		case !variableName.MatchString(name):
			return r.errorAt(place, fmt.Sprintf("%s: Flux reads no variable %q", place, clip(name)), "letters, digits and '_', not a digit first")
		case y.Substitute[name] != "" && slices.Contains(ReservedVariables(), name):
			return r.errorAt(place, fmt.Sprintf("%s: %s is given to every tenant", place, name), "choose another name")
		}
	}
	return nil
}

// checkQuota wants resources that a ResourceQuota can bound, and limits of types that a LimitRange has.
func (r *reader) checkQuota(s *Settings, in string) error {
	for _, name := range slices.Sorted(maps.Keys(s.Quota)) {
		at, amount := join(in+".quota", string(name)), s.Quota[name]
		switch {
		case amount.Sign() < 0:
			return r.errorAt(at, fmt.Sprintf("%s: %s is less than nothing", at, amount.String()), "0 allows none")
		case !quotaResource(string(name)):
			return r.errorAt(at, fmt.Sprintf("%s: a ResourceQuota bounds no %q", at, clip(string(name))),
				"as in requests.cpu, limits.memory, pods, count/jobs.batch")
		}
	}
	for i := range s.LimitRange {
		l, at := &s.LimitRange[i], fmt.Sprintf("%s.limitRange[%d]", in, i)
		types := []string{string(corev1.LimitTypeContainer), string(corev1.LimitTypePersistentVolumeClaim), string(corev1.LimitTypePod)}
		if l.Type == "" {
			return r.errorAt(at, at+".type is missing", strings.Join(types, ", "))
		}
		if err := r.checkOneOf(string(l.Type), at+".type", types...); err != nil {
			return err
		}
		if slices.ContainsFunc(s.LimitRange[:i], func(other corev1.LimitRangeItem) bool { return other.Type == l.Type }) {
			return r.errorAt(at+".type", fmt.Sprintf("%s.type: %s occurs twice", at, l.Type), "put its limits in one place")
		}
	}
	return nil
}

// quotaResource says whether a ResourceQuota may name it.
//
// Source: Kubernetes v1.36, pkg/apis/core/validation, ValidateResourceQuotaResourceName.
func quotaResource(name string) bool {
	if len(validation.IsQualifiedName(name)) > 0 {
		return false
	}
	if strings.Contains(name, "/") {
		return true
	}
	for _, known := range []corev1.ResourceName{
		corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, corev1.ResourceRequestsCPU, corev1.ResourceRequestsMemory, corev1.ResourceRequestsStorage,
		corev1.ResourceRequestsEphemeralStorage, corev1.ResourceLimitsCPU, corev1.ResourceLimitsMemory, corev1.ResourceLimitsEphemeralStorage, corev1.ResourcePods, corev1.ResourceQuotas,
		corev1.ResourceServices, corev1.ResourceReplicationControllers, corev1.ResourceSecrets, corev1.ResourcePersistentVolumeClaims, corev1.ResourceConfigMaps,
		corev1.ResourceServicesNodePorts, corev1.ResourceServicesLoadBalancers,
	} {
		if name == string(known) {
			return true
		}
	}
	return strings.HasPrefix(name, "hugepages-") || strings.HasPrefix(name, "requests.hugepages-")
}

// checkRoles wants names of ClusterRoles, and none that makes a tenant the master of its own walls.
func (r *reader) checkRoles(s *Settings, in string) error {
	if s.ClusterRoles != nil && len(s.ClusterRoles) == 0 {
		return r.errorAt(in+".clusterRoles", in+".clusterRoles is empty, which takes no right away: what is said elsewhere, or bulkhead-tenant, holds", "leave it out, or name what the account may do")
	}
	for i, name := range append(slices.Clone(s.ClusterRoles), s.OwnerClusterRole) {
		at := fmt.Sprintf("%s.clusterRoles[%d]", in, i)
		if i == len(s.ClusterRoles) {
			at = in + ".ownerClusterRole"
		}
		switch {
		case name == "" && i == len(s.ClusterRoles):
		case name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/%") || strings.ContainsFunc(name, control):
			return r.errorAt(at, fmt.Sprintf("%s: %q is no name of a ClusterRole", at, clip(name)), "")
		case name == "cluster-admin":
			return r.errorAt(at, at+": cluster-admin lets the tenant change its own namespace, quota and rights", "bulkhead-tenant is enough for workloads; name a role of your own for more")
		}
	}
	return nil
}

// checkNamespaceLabels wants labels that are not the platform's to give.
func (r *reader) checkNamespaceLabels(s *Settings, in string) error {
	if err := r.checkLabels(s.Labels, in+".labels"); err != nil {
		return err
	}
	for _, m := range []struct {
		field  string
		values map[string]string
	}{{"labels", s.Labels}, {"annotations", s.Annotations}} {
		for _, key := range slices.Sorted(maps.Keys(m.values)) {
			at := join(in+"."+m.field, key)
			prefix, _, _ := strings.Cut(key, "/")
			ours := key == "app.kubernetes.io/managed-by" || slices.ContainsFunc([]string{"kubernetes.io", "fluxcd.io", "bulkhead.dev"}, func(domain string) bool {
				return prefix == domain || strings.HasSuffix(prefix, "."+domain) && prefix != "app.kubernetes.io"
			})
			switch {
			case ours:
				return r.errorAt(at, at+": the platform gives this one", "other fields say it: podSecurity, shard")
			case len(validation.IsQualifiedName(strings.ToLower(key))) > 0:
				return r.errorAt(at, fmt.Sprintf("%s: %q is no key", at, clip(key)), "")
			}
		}
	}
	return nil
}

// checkProfiles checks the settings that tenants take by name.
func (r *reader) checkProfiles(f *FleetSpec) error {
	for i := range f.Profiles {
		p, at := &f.Profiles[i], fmt.Sprintf("spec.profiles[%d]", i)
		p.Place = Place{File: r.file, Line: r.lines[at]}
		if err := r.checkLabel(p.Name, at, validation.DNS1123LabelMaxLength); err != nil {
			return err
		}
		if slices.ContainsFunc(f.Profiles[:i], func(other Profile) bool { return other.Name == p.Name }) {
			return r.errorAt(at+".name", fmt.Sprintf("%s.name: %s occurs twice", at, p.Name), "remove or rename one of the two")
		}
		if err := r.checkSettings(&p.Settings, at); err != nil {
			return err
		}
	}
	d := &f.TenantDefaults
	if err := r.checkProfileName(d.Profile, "spec.tenantDefaults.profile"); err != nil {
		return err
	}
	return r.checkSettings(&d.Settings, "spec.tenantDefaults")
}
