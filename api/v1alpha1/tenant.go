package v1alpha1

import (
	"slices"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Tenant is a team with its repository, and its namespaces on the clusters of its environments.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=bht,categories=bulkhead
// +kubebuilder:printcolumn:name="Repository",type="string",JSONPath=".spec.repository.url"
// +kubebuilder:printcolumn:name="Environments",type="string",JSONPath=".spec.environments[*].name"
// +kubebuilder:printcolumn:name="Phase",type="string",JSONPath=".spec.lifecycle.phase"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp"
// +kubebuilder:validation:XValidation:rule="self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 50",message="metadata.name is a DNS label of 50 letters at most"
type Tenant struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says who the tenant is, and where. Required.
	// +required
	Spec TenantSpec `json:"spec"`
	// Place is set by Decode.
	Place Place `json:"-"`
	// Lines are set by Decode: where the fields are in the file, as in "spec.environments[0].name".
	Lines map[string]int `json:"-"`
}

// At is the place of a field, or of the nearest one around it.
func (t *Tenant) At(field string) Place {
	for ; field != ""; field = field[:max(strings.LastIndexAny(field, ".["), 0)] {
		if line, ok := t.Lines[field]; ok {
			return Place{File: t.Place.File, Line: line}
		}
	}
	return t.Place
}

// MaxTenantName is the longest name of a tenant, in bytes: names made of it are DNS labels.
const MaxTenantName = 50

// TenantSpec is what a team says of itself, and what the platform says of the team.
//
// +kubebuilder:validation:XValidation:rule="has(self.repository) != has(self.artifact)",message="one of repository and artifact is required"
type TenantSpec struct {
	// Repository is the tenant's Git repository. Conflicts with artifact.
	// +optional
	Repository *Repository `json:"repository,omitempty"`
	// Artifact is the tenant's OCI artifact. Conflicts with repository.
	// +optional
	Artifact *Artifact `json:"artifact,omitempty"`

	// Environments of the tenant. Required.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	Environments []Environment `json:"environments"`
	// Owners may look at the tenant's namespaces, see ownerClusterRole. They are users and groups as the clusters know them.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	Owners []rbacv1.Subject `json:"owners,omitempty"`
	// Profile of the fleet whose settings hold before those written here: small, medium, large, or one of the Fleet
	// document. Unset: that of the fleet's tenantDefaults.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Profile  string `json:"profile,omitempty"`
	Settings `json:",inline"`

	// Clusters are settings for single clusters. They win over all others.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=1024
	Clusters []TenantCluster `json:"clusters,omitempty"`
	// Contract is the bound that the isolation of the tenant is checked against.
	// +optional
	Contract Contract `json:"contract,omitzero"`
	// Lifecycle says how far the tenant has been taken away. "bulkhead tenant remove" writes it.
	// +optional
	Lifecycle Lifecycle `json:"lifecycle,omitzero"`
}

// Repository is a Git repository. Fields that GitRepository has are its own.
//
// Source: source-controller v1.9.
type Repository struct {
	// URL begins with http://, https:// or ssh:// and holds no password. Required.
	// +required
	// +kubebuilder:validation:Pattern="^(http|https|ssh)://.*$"
	// +kubebuilder:validation:MaxLength=2048
	URL string `json:"url"`
	// Reference is what to follow. Default: branch main.
	// +optional
	Reference *sourcev1.GitRepositoryRef `json:"ref,omitempty"`
	// SecretRef names the Secret with the credentials, in the namespace of the Flux objects. Unset: none is needed.
	// +optional
	SecretRef *meta.LocalObjectReference `json:"secretRef,omitempty"`
	// Credentials is a file of the hub with that Secret, encrypted by SOPS: a slash path from the hub's root. It is applied with
	// the tenant's objects. Unset: the Secret is made by other means. It needs secretRef.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Credentials string `json:"credentials,omitempty"`
	// Provider of the credentials. Default: generic.
	// +optional
	// +kubebuilder:validation:Enum=generic;azure;github
	Provider string `json:"provider,omitempty"`
	// Verification of commits.
	// +optional
	Verification *sourcev1.GitRepositoryVerification `json:"verify,omitempty"`
	// Ignore are patterns of files to leave out, in the format of .gitignore.
	// +optional
	Ignore *string `json:"ignore,omitempty"`
	// Provision makes the repository when it is not there yet.
	// +optional
	Provision *Provision `json:"provision,omitempty"`
}

// Provision says how a repository is made.
type Provision struct {
	// Forge that holds it: github, gitlab, gitea or bitbucket. Required.
	// +required
	// +kubebuilder:validation:Enum=github;gitlab;gitea;bitbucket
	Forge string `json:"forge"`
	// Visibility of the repository. Default: Private.
	// +optional
	// +kubebuilder:validation:Enum=Private;Internal;Public
	Visibility string `json:"visibility,omitempty"`
	// Scaffold fills a new repository with an example. Default: true.
	// +optional
	Scaffold *bool `json:"scaffold,omitempty"`
	// DeletionPolicy is what becomes of the repository when the tenant goes. Default: Retain.
	// +optional
	// +kubebuilder:validation:Enum=Retain;Delete
	DeletionPolicy string `json:"deletionPolicy,omitempty"`
}

// Artifact is an OCI artifact. Fields that OCIRepository has are its own.
//
// Source: source-controller v1.9.
type Artifact struct {
	// URL begins with oci:// and holds no tag. Required.
	// +required
	// +kubebuilder:validation:Pattern="^oci://.*$"
	// +kubebuilder:validation:MaxLength=2048
	URL string `json:"url"`
	// Reference is what to follow. Default: tag latest.
	// +optional
	Reference *sourcev1.OCIRepositoryRef `json:"ref,omitempty"`
	// SecretRef names the Secret with the credentials, in the namespace of the Flux objects. Unset: none is needed.
	// +optional
	SecretRef *meta.LocalObjectReference `json:"secretRef,omitempty"`
	// Credentials is a file of the hub with that Secret, encrypted by SOPS: a slash path from the hub's root.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Credentials string `json:"credentials,omitempty"`
	// Provider of the credentials. Default: generic.
	// +optional
	// +kubebuilder:validation:Enum=generic;aws;azure;gcp
	Provider string `json:"provider,omitempty"`
	// Verification of signatures.
	// +optional
	Verification *sourcev1.OCIRepositoryVerification `json:"verify,omitempty"`
}

// Environment is where one stage of the tenant's work runs.
//
// +kubebuilder:validation:XValidation:rule="!(has(self.ref) && has(self.artifactRef))",message="ref and artifactRef are both set"
type Environment struct {
	// Name is a DNS-1123 label. Required.
	// +required
	// +kubebuilder:validation:MaxLength=30
	// +kubebuilder:validation:Pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
	Name string `json:"name"`
	// Clusters of the fleet that the environment is on, by their labels. Required; {} is all of them.
	// +required
	Clusters metav1.LabelSelector `json:"clusters"`
	// Path of the folder in the tenant's source. Default: ./deploy/NAME.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Path string `json:"path,omitempty"`
	// Reference of the repository that the environment follows. Unset: that of the repository.
	// +optional
	Reference *sourcev1.GitRepositoryRef `json:"ref,omitempty"`
	// ArtifactReference is the same for an artifact.
	// +optional
	ArtifactReference *sourcev1.OCIRepositoryRef `json:"artifactRef,omitempty"`
	// Namespaces that are the tenant's on these clusters. Default: TENANT-NAME.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	// +kubebuilder:validation:items:Pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
	Namespaces []string `json:"namespaces,omitempty"`

	Settings `json:",inline"`
}

// MaxEnvironmentName is the longest name of an environment, in bytes.
const MaxEnvironmentName = 30

// TenantCluster is settings of a tenant for one cluster.
type TenantCluster struct {
	// Name of a Cluster document. Required.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name"`
	// Path of the folder in the tenant's source. Unset: that of the environment.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Path string `json:"path,omitempty"`

	Settings `json:",inline"`
}

// Contract is the bound that the isolation of a tenant is checked against. What is not said is not allowed.
type Contract struct {
	// Hosts that its Ingresses and Routes may claim: "shop.example.com", "*.shop.example.com".
	// +optional
	// +kubebuilder:validation:MaxItems=256
	Hosts []string `json:"hosts,omitempty"`
	// Registries that its images may be from, as prefixes: "ghcr.io/acme/billing/".
	// +optional
	// +kubebuilder:validation:MaxItems=256
	Registries []string `json:"registries,omitempty"`
	// SourceURLs that its Flux sources may have, as prefixes, beside that of its repository.
	// +optional
	// +kubebuilder:validation:MaxItems=256
	SourceURLs []string `json:"sourceURLs,omitempty"`
	// ClusterScoped are the kinds without a namespace that it may make.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	ClusterScoped []metav1.GroupKind `json:"clusterScoped,omitempty"`
	// SOPSRecipients that its encrypted files may be for: age keys, PGP fingerprints, names of KMS keys.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	SOPSRecipients []string `json:"sopsRecipients,omitempty"`
	// CloudIdentities that its accounts may have: names of roles, with * for any text.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	CloudIdentities []string `json:"cloudIdentities,omitempty"`
	// OperatorKinds are the kinds that it may make though a controller does what they say with rights of its own, such as {group: velero.io, kind: Backup}.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	OperatorKinds []metav1.GroupKind `json:"operatorKinds,omitempty"`
	// IngressClasses are the classes that its Ingresses and Gateways may name. Unset: any. The API server writes the cluster's default class into an
	// Ingress that names none, so with guards that one is to be listed, too.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	IngressClasses []string `json:"ingressClasses,omitempty"`
	// StorageClasses are those that its volume claims may name. Unset: any. The API server writes the cluster's default class into a claim that names
	// none, so with guards that one is to be listed, too.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	StorageClasses []string `json:"storageClasses,omitempty"`
	// PriorityClasses are those that its pods may name. Unset: any but those of Kubernetes itself, which begin with system-.
	// +optional
	// +kubebuilder:validation:MaxItems=64
	PriorityClasses []string `json:"priorityClasses,omitempty"`
}

// Lifecycle says how far a tenant has been taken away.
type Lifecycle struct {
	// Phase of the tenant. Default: Active.
	// +optional
	Phase Phase `json:"phase,omitempty"`
	// KeepData leaves the tenant's PersistentVolumeClaims and namespaces on the clusters when the rest is taken away. Default: false.
	// +optional
	KeepData bool `json:"keepData,omitempty"`
}

// Phase of a tenant.
// +kubebuilder:validation:Enum=Active;Suspended;Draining
type Phase string

// The phases, in their order. After the last one the document goes, and with it the account, the rights and the namespaces.
const (
	// Active: Flux applies what the tenant's files say.
	Active Phase = "Active"
	// Suspended: Flux takes nothing new from the tenant's source. What runs goes on. With keepData it still does, so that what is
	// to be kept is marked. A tenant with sync.suspend is awake in this phase: Flux deletes nothing for a Kustomization that sleeps.
	Suspended Phase = "Suspended"
	// Draining: the tenant's Kustomizations go, and take with them what they applied; the account that
	// they need for that, its rights and the namespaces stay.
	Draining Phase = "Draining"
)

// FluxNamespace is where the Flux objects of a tenant are in that shape.
func (t *Tenant) FluxNamespace(s Shape) string {
	if s == Article {
		return "flux-system"
	}
	return t.Name + "-flux"
}

// URL of the tenant's source.
func (s *TenantSpec) URL() string {
	switch {
	case s.Repository != nil:
		return s.Repository.URL
	case s.Artifact != nil:
		return s.Artifact.URL
	}
	return ""
}

// NamespacesOf are the tenant's namespaces in one of its environments.
func (t *Tenant) NamespacesOf(e *Environment) []string {
	if len(e.Namespaces) == 0 {
		return []string{t.Name + "-" + e.Name}
	}
	return slices.Clone(e.Namespaces)
}
