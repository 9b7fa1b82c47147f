package cli

import (
	"time"

	"github.com/bulkhead-dev/bulkhead/impact/history"
	"github.com/bulkhead-dev/bulkhead/layout/advice"
	"github.com/bulkhead-dev/bulkhead/layout/shape"
	"github.com/bulkhead-dev/bulkhead/render"
)

// AssessDocument is what "bulkhead assess -o json" writes: which layout a repository has, how far its changes reach, and whether to
// move on.
type AssessDocument struct {
	// SchemaVersion is "bulkhead.dev/assess/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/assess/v1"`
	// Revision that was looked at, in words.
	Revision string `json:"revision"`
	// Shape is the layout with the evidence for it.
	Shape shape.Shape `json:"shape"`
	// Advice is what to do, and why.
	Advice advice.Advice `json:"advice"`
	// Ways are the three ways to lay out a fleet; empty for a spoke.
	Ways []advice.Way `json:"ways"`
	// Figures of the revision; all zero for a spoke but for its files.
	Figures advice.Figures `json:"figures"`
	// Clusters, sorted by name.
	Clusters []AssessedCluster `json:"clusters"`
	// Tenants, sorted by name.
	Tenants []AssessedTenant `json:"tenants"`
	// MixedFolders hold files or objects of several concerns, the worst first.
	MixedFolders []shape.Folder `json:"mixedFolders"`
	// Isolation counts what keeps tenants apart. It proves nothing.
	Isolation advice.Isolation `json:"isolation"`
	// History is how far commits of the past reached.
	History AssessedHistory `json:"history"`
	// Coverage tells how much of the revision could be rendered.
	Coverage render.Coverage `json:"coverage"`
}

// AssessedCluster is one cluster.
type AssessedCluster struct {
	Name string `json:"name"`
	// Environment it belongs to; empty for none.
	Environment string `json:"environment"`
	// Inferred is true when the environment was read off the name.
	Inferred bool `json:"inferred"`
	// Folder where it starts; empty for one that only a kubeConfig names.
	Folder   string `json:"folder"`
	Appliers int    `json:"appliers"`
	Objects  int    `json:"objects"`
}

// AssessedTenant is one tenant.
type AssessedTenant struct {
	Name string `json:"name"`
	// Repositories of its own, sorted.
	Repositories []string `json:"repositories"`
	// Clusters that it is on, sorted.
	Clusters []string `json:"clusters"`
	// Files of this repository that are its own, and that some cluster reads.
	Files int `json:"files"`
	// Workloads are its objects that come from this repository, without namespaces, accounts, quotas and sources.
	Workloads int `json:"workloads"`
}

// AssessedHistory is how far the last commits reached.
type AssessedHistory struct {
	// Asked is how many commits were asked for.
	Asked int `json:"asked"`
	history.Figures
	// Commits that were compared with the one before, the newest first.
	Commits []AssessedCommit `json:"commits"`
	// Unanswered commits could not be compared.
	Unanswered []UnansweredCommit `json:"unanswered"`
	// Note says why there is less history than was asked for; empty when there is not.
	Note string `json:"note,omitempty"`
}

// AssessedCommit is one commit.
type AssessedCommit struct {
	// Hash has 40 hexadecimal digits.
	Hash    string    `json:"hash"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"`
	history.Commit
}

// UnansweredCommit is a commit about which nothing can be said.
type UnansweredCommit struct {
	Hash    string `json:"hash"`
	Subject string `json:"subject"`
	Why     string `json:"why"`
}
