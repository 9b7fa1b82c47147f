// Package v1alpha1 turns the YAML documents that users write under fleet/ into
// the types [Fleet], [Cluster], [Tenant], [Waiver] and [Rule].
//
// One invariant: what [Decode] returns holds no field, name or path that its
// type does not allow; everything else is a [*DocumentError] with a line.
//
// +kubebuilder:object:generate=true
// +groupName=bulkhead.dev
package v1alpha1

//go:generate go tool -modfile=../../tools/crd/go.mod controller-gen object crd:maxDescLen=1000 paths=. output:crd:dir=../../deploy/crds
//go:generate env UPDATE=1 go test -count=1 -run ^TestReference$ .

const (
	// Group is the API group of the documents.
	Group = "bulkhead.dev"
	// Version is the version of the documents this package reads.
	Version = "v1alpha1"
	// APIVersion is what a document's apiVersion says.
	APIVersion = Group + "/" + Version

	// MaxFile is the largest file Decode reads, in bytes.
	MaxFile = 1 << 20
	// MaxExpanded is how many values YAML aliases and merge keys may stand for
	// in one file.
	MaxExpanded = 10_000
	// MaxDepth is how deep values may be nested.
	MaxDepth = 64
)
