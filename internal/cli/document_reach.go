package cli

import (
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// ReachDocument is what "bulkhead reach -o json" writes: who reads which file.
type ReachDocument struct {
	// SchemaVersion is "bulkhead.dev/reach/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/reach/v1"`
	// Files asked for, in that order; a folder stands for the files below it.
	Files []ReachedFile `json:"files"`
	// Clusters are the names of all clusters, sorted.
	Clusters []string `json:"clusters"`
	// Coverage tells how much of the question could be answered.
	Coverage render.Coverage `json:"coverage"`
}

// ReachedFile is a file and who reads it.
type ReachedFile struct {
	// File is its slash path from the repository's root.
	File string `json:"file"`
	// Exists is false when the repository has no such file: then the readers are
	// those who would notice if it had one.
	Exists bool `json:"exists"`
	// Readers, sorted by cluster and applier; empty when no cluster reads it.
	Readers []Reader `json:"readers"`
}

// Reader is an applier that reads a file.
type Reader struct {
	// Cluster that the applier writes to.
	Cluster string         `json:"cluster"`
	Applier object.Applier `json:"applier"`
	// Pinned is true when the applier reads the file at another ref of the
	// repository, so that a commit here does not reach it.
	Pinned bool `json:"pinned"`
	// Revision that a pinned applier reads; empty otherwise.
	Revision string `json:"revision,omitempty"`
}
