package tenant

import (
	"cmp"
	"maps"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

// LabelShard tells the controllers of one shard what is theirs.
//
// Source: Flux's "Sharding and horizontal scaling".
const LabelShard = "sharding.fluxcd.io/key"

// identity is the account that the tenant's files are applied as. It outlives the Kustomization, whose pruning needs it.
//
// Source: kustomize-controller v1.9.5 kustomization_controller.go, finalize: without the account nothing is pruned.
func (m *maker) identity() { m.add(account(m.meta(m.c.FluxNamespace(), m.c.Name()))) }

// flux are the source and the Kustomization, as long as the tenant is not draining.
func (m *maker) flux() {
	if m.phase() == v1alpha1.Draining {
		return
	}
	own := m.meta(m.c.FluxNamespace(), m.c.Name())
	if s := m.c.Settings.Shard; s != "" {
		own.Labels[LabelShard] = s
	}
	if p := m.phase(); p != v1alpha1.Active {
		own.Annotations = map[string]string{AnnotationPhase: string(p)}
	}
	kind := m.source(own)
	m.add(m.kustomization(own, kind))
}

// holds says whether the tenant's source stays as it is. What is to be kept must be marked first, so that of a tenant that keeps its data
// goes on.
func (m *maker) holds() bool {
	return is(m.c.Settings.Sync.Suspend) || m.phase() == v1alpha1.Suspended && !m.keeps()
}

// sleeps says whether the Kustomization does nothing. One that is to go must not: deleted in its sleep it would leave behind what it applied.
//
// Source: kustomize-controller v1.9.5 kustomization_controller.go, finalizerShouldDeleteResources.
func (m *maker) sleeps() bool {
	return is(m.c.Settings.Sync.Suspend) && m.phase() == v1alpha1.Active
}

// source adds what the tenant's files are fetched by, and gives its kind.
func (m *maker) source(own metav1.ObjectMeta) string {
	spec, e := &m.c.Tenant.Spec, m.c.Environment
	interval := *m.c.Settings.Sync.SourceInterval
	if a := spec.Artifact; a != nil {
		ref := e.ArtifactReference
		if ref == nil {
			ref = a.Reference
		}
		m.add(&sourcev1.OCIRepository{
			TypeMeta: typed(sourcev1.GroupVersion.String(), sourcev1.OCIRepositoryKind), ObjectMeta: own,
			Spec: sourcev1.OCIRepositorySpec{
				URL: a.URL, Reference: ref, SecretRef: a.SecretRef, Provider: a.Provider, Verify: a.Verification, Interval: interval, Suspend: m.holds(),
			},
		})
		return sourcev1.OCIRepositoryKind
	}
	g := spec.Repository
	ref := e.Reference
	if ref == nil {
		ref = g.Reference
	}
	if ref == nil {
		ref = &sourcev1.GitRepositoryRef{Branch: "main"}
	}
	m.add(&sourcev1.GitRepository{
		TypeMeta: typed(sourcev1.GroupVersion.String(), sourcev1.GitRepositoryKind), ObjectMeta: own,
		Spec: sourcev1.GitRepositorySpec{
			URL: g.URL, Reference: ref, SecretRef: g.SecretRef, Provider: g.Provider, Verification: g.Verification, Ignore: g.Ignore, Interval: interval, Suspend: m.holds(),
		},
	})
	return sourcev1.GitRepositoryKind
}

func (m *maker) kustomization(own metav1.ObjectMeta, sourceKind string) *kustomizev1.Kustomization {
	c, y := m.c, &m.c.Settings.Sync
	target := y.TargetNamespace
	if target == "" && len(c.Namespaces) == 1 {
		target = c.Namespaces[0]
	}
	ks := &kustomizev1.Kustomization{
		TypeMeta: typed(kustomizev1.GroupVersion.String(), kustomizev1.KustomizationKind), ObjectMeta: own,
		Spec: kustomizev1.KustomizationSpec{
			Interval: *y.Interval, RetryInterval: y.RetryInterval, Timeout: y.Timeout, Path: c.Path, Prune: is(y.Prune), Wait: is(y.Wait), Force: is(y.Force), Suspend: m.sleeps(),
			DeletionPolicy: y.DeletionPolicy, TargetNamespace: target, ServiceAccountName: c.Name(), Decryption: y.Decryption,
			SourceRef:      kustomizev1.CrossNamespaceSourceReference{Kind: sourceKind, Name: c.Name()},
			CommonMetadata: &kustomizev1.CommonMetadata{Labels: map[string]string{LabelTenant: c.Tenant.Name}},
			PostBuild:      m.postBuild(),
		},
	}
	if c.Settings.NestedFlux == v1alpha1.Pinned {
		ks.Spec.Patches = pinned()
	}
	if m.keeps() {
		ks.Spec.Patches = append(ks.Spec.Patches, kustomize.Patch{Target: &kustomize.Selector{Version: "v1", Kind: "PersistentVolumeClaim"}, Patch: `apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: all
  annotations:
    ` + pruneDisabled + `: disabled
`})
	}
	return ks
}

func is(b *bool) bool { return b != nil && *b }

// pinned gives nested Flux objects the account that the platform has made for them. A guard in the cluster holds who takes it away again.
func pinned() []kustomize.Patch {
	patch := "- op: add\n  path: /spec/serviceAccountName\n  value: " + NestedAccount + "\n"
	return []kustomize.Patch{
		{Target: &kustomize.Selector{Group: "kustomize.toolkit.fluxcd.io", Kind: "Kustomization"}, Patch: patch},
		{Target: &kustomize.Selector{Group: "helm.toolkit.fluxcd.io", Kind: "HelmRelease"}, Patch: patch},
	}
}

// postBuild substitutes variables where the tenant asks for some: else ${...} in its files is its own.
func (m *maker) postBuild() *kustomizev1.PostBuild {
	y := &m.c.Settings.Sync
	if len(y.Substitute)+len(y.ClusterVariables) == 0 {
		return nil
	}
	values := map[string]string{}
	for _, name := range y.ClusterVariables {
		if v, ok := m.c.Cluster.Spec.Variables[name]; ok {
			values[name] = v
		}
	}
	maps.Copy(values, y.Substitute)
	maps.Copy(values, map[string]string{"cluster_name": m.c.Cluster.Name, "environment": m.c.Environment.Name, "tenant": m.c.Tenant.Name})
	return &kustomizev1.PostBuild{Substitute: values}
}

// SecretName is the Secret with the credentials of the tenant's source, "" for none.
func SecretName(t *v1alpha1.Tenant) (name, file string) {
	var ref *meta.LocalObjectReference
	switch s := &t.Spec; {
	case s.Repository != nil:
		ref, file = s.Repository.SecretRef, s.Repository.Credentials
	case s.Artifact != nil:
		ref, file = s.Artifact.SecretRef, s.Artifact.Credentials
	}
	if ref == nil {
		return "", ""
	}
	return ref.Name, cmp.Or(file)
}
