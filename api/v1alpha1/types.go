package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Kinds of the group.
const (
	KindFleet   = "Fleet"
	KindCluster = "Cluster"
	KindTenant  = "Tenant"
	KindWaiver  = "Waiver"
	KindRule    = "Rule"
)

// Place is where a document starts: a slash path as given to [Decode], and a
// line counted from 1. The zero Place means the value was made in code.
type Place struct {
	File string
	Line int
}

// Fleet describes all clusters of one hub. A hub has one or none.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=bulkhead
type Fleet struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec may be left out: every field has a default.
	// +optional
	Spec FleetSpec `json:"spec,omitzero"`
	// Place is set by Decode.
	Place Place `json:"-"`
}

// FleetSpec is what a user says about a fleet.
type FleetSpec struct {
	// Layout is the shape of the repository. Unset: found from the files.
	Layout Layout `json:"layout,omitempty"`
	// Sources says where the trees behind Flux source URLs are when rendering
	// offline. Each URL occurs once. Unset: only the hub's own URL is known.
	Sources []Source `json:"sources,omitempty"`
	// Fetch says what may be fetched of what sources refer to and Git does not hold.
	// Unset: nothing, unless a flag allows it.
	// +optional
	Fetch Fetch `json:"fetch,omitzero"`
	// Gates are rules that a change must pass, each name once. Unset: those of
	// [BuiltInGates] as they are by default.
	Gates []Gate `json:"gates,omitempty"`
	// Concerns maps patterns of files to whose they are: "platform", "tenant/NAME" or
	// "cluster". A pattern is a slash path from the repository's root; * and ? stay within
	// a folder, ** does not: "teams/*/billing/**". What names a folder stands for all in it.
	// Where several match a file, the one with the longest text before its first wildcard
	// wins, then the longest.
	Concerns map[string]string `json:"concerns,omitempty"`
	// EnvironmentLabel is the label of Cluster documents that names the environment of
	// the cluster. Unset: [DefaultEnvironmentLabel].
	EnvironmentLabel string `json:"environmentLabel,omitempty"`
	// TenantDefaults are what holds for a tenant that does not say otherwise. Unset: the defaults of each field.
	// +optional
	TenantDefaults TenantDefaults `json:"tenantDefaults,omitzero"`
	// Profiles are settings that tenants take by name, beside small, medium and large.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Profiles []Profile `json:"profiles,omitempty"`
	// Guards says whether the clusters themselves refuse what a tenant may not do: by admission policies that "bulkhead generate" writes once for
	// all of them, with the tenants of each in its own folder. They need Kubernetes 1.30. Default: Off; "bulkhead init" writes Enforce.
	// +optional
	Guards Guards `json:"guards,omitempty"`
	// PlatformAccounts are the ServiceAccounts that apply the platform's objects, as NAMESPACE/NAME: the guards let nobody else write those that hold
	// tenants in. Default: flux-system/kustomize-controller.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=317
	// +kubebuilder:validation:items:Pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"
	PlatformAccounts []string `json:"platformAccounts,omitempty"`
}

// Guards say what clusters do about what a tenant may not do.
// +kubebuilder:validation:Enum=Enforce;Audit;Off
type Guards string

// The guards; the empty Guards is [GuardsOff].
const (
	// GuardsEnforce refuses it.
	GuardsEnforce Guards = "Enforce"
	// GuardsAudit warns, and writes it into the API server's audit log.
	GuardsAudit Guards = "Audit"
	// GuardsOff does nothing.
	GuardsOff Guards = "Off"
)

// Layout is the shape of a repository.
type Layout string

// The layouts; the empty Layout is "not said".
const (
	// Monorepo keeps platform and tenants in one repository.
	Monorepo Layout = "Monorepo"
	// HubAndSpoke gives each tenant a repository of its own.
	HubAndSpoke Layout = "HubAndSpoke"
)

// Source maps the URL of a Flux source to a tree on this machine.
type Source struct {
	// URL is the source's spec.url, with its scheme and without a password.
	// Required.
	URL string `json:"url"`
	// Path is a slash path from the hub's root; it may lead out of it
	// ("../billing-apps") but is never absolute. Required. Decode cleans it.
	Path string `json:"path"`
	// Rev is the Git revision to read in the repository at Path. Unset: the
	// revision that the Flux source's own ref asks for.
	Rev string `json:"rev,omitempty"`
}

// Fetch is what rendering may reach over the network.
type Fetch struct {
	// Hosts that charts, artifacts and repositories may be fetched from: "ghcr.io",
	// "registry.example.com:5000", "*.example.com" for all names below example.com.
	// Each has a public address: others need a flag on the command line.
	Hosts []string `json:"hosts,omitempty"`
}

// Cluster is one Flux entry point: a ref, one or more paths, and variables.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,categories=bulkhead
// +kubebuilder:printcolumn:name="Path",type="string",JSONPath=".spec.path"
// +kubebuilder:printcolumn:name="Kubernetes",type="string",JSONPath=".spec.kubernetesVersion"
type Cluster struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says where the cluster starts. Required.
	Spec ClusterSpec `json:"spec"`
	// Place is set by Decode.
	Place Place `json:"-"`
}

// ClusterSpec is what a user says about a cluster.
type ClusterSpec struct {
	// Path is the folder Flux starts at: a slash path from the hub's root, "."
	// for the root itself, never absolute and never outside. Decode cleans it.
	// One of path and paths is required; both together are refused.
	Path string `json:"path,omitempty"`
	// Paths are several such folders, in the order given, for a cluster with
	// more than one entry point (Azure fluxConfigurations). See Path.
	Paths []string `json:"paths,omitempty"`
	// Ref is what the cluster follows. Unset or empty: the ref its own sync names, else
	// the revision that is looked at.
	Ref *Ref `json:"ref,omitempty"`
	// KubernetesVersion is like "1.35" or "v1.35.2". Unset: the newest known.
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// APIVersions are the APIs that are on the cluster by other means than its Git
	// sources: "GROUP/VERSION" for all kinds of it, or "GROUP/VERSION/KIND", as
	// Helm writes them. Built-in APIs and those of Flux need no mention. Unset: what
	// else is there is not known. Once set, the list is taken as complete, and an
	// object of another kind that no CustomResourceDefinition brings is refused.
	APIVersions []string `json:"apiVersions,omitempty"`
	// Variables supply what post-build substitution reads on this cluster and
	// Git does not hold. Names follow Flux: letters, digits and underscores.
	Variables map[string]string `json:"variables,omitempty"`
	// Lockdown overrides what the install manifests in Git say.
	// +optional
	Lockdown Lockdown `json:"lockdown,omitzero"`
}

// EntryPaths is the list of folders Flux starts at, cleaned, in the order
// given; never empty for a decoded Cluster.
func (s ClusterSpec) EntryPaths() []string {
	if s.Path != "" {
		return append([]string{s.Path}, s.Paths...)
	}
	return append([]string(nil), s.Paths...)
}

// Ref is a Git reference. Several fields may be set; the first set one wins in
// the order commit, name, tag, semver, branch.
//
// Source: source-controller v1.9 with fluxcd/pkg/git; its documentation puts
// semver before tag, its code does not.
type Ref struct {
	// Branch is a branch's short name.
	Branch string `json:"branch,omitempty"`
	// Tag is a tag's short name.
	Tag string `json:"tag,omitempty"`
	// SemVer is a range of versions (">=1.2.0 <2.0.0") over the tags.
	SemVer string `json:"semver,omitempty"`
	// Name is a full reference name, which starts with "refs/".
	Name string `json:"name,omitempty"`
	// Commit is a full commit name, 40 hexadecimal digits.
	Commit string `json:"commit,omitempty"`
}

// Lockdown is what the cluster's Flux controllers are started with. An unset
// field means "as the install manifests in Git say, else as the newest Flux
// does by default".
//
// Source: flags and feature gates of kustomize-controller v1.9.
type Lockdown struct {
	// NoCrossNamespaceRefs is the flag --no-cross-namespace-refs.
	NoCrossNamespaceRefs *bool `json:"noCrossNamespaceRefs,omitempty"`
	// NoRemoteBases is the flag --no-remote-bases.
	NoRemoteBases *bool `json:"noRemoteBases,omitempty"`
	// DefaultServiceAccount is the flag --default-service-account.
	DefaultServiceAccount string `json:"defaultServiceAccount,omitempty"`
	// StrictPostBuildSubstitutions is the feature gate of that name: a variable
	// without value and without default fails the build.
	StrictPostBuildSubstitutions *bool `json:"strictPostBuildSubstitutions,omitempty"`
}

// Documents is what files under fleet/ hold, in the order they were read.
type Documents struct {
	// Fleet is nil when there is none.
	Fleet *Fleet
	// Clusters have unique names.
	Clusters []Cluster
	// Tenants have unique names.
	Tenants []Tenant
	// Waivers have unique names.
	Waivers []Waiver
	// Rules have unique names.
	Rules []Rule
}
