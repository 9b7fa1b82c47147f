package render

import (
	"context"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Fetch opens what sources refer to and no repository at hand holds. During a render
// it gives equal answers to equal questions. Its errors are a [FetchError], or what
// ended ctx.
type Fetch interface {
	// OCI is the layer of an artifact that an OCIRepository selects.
	OCI(ctx context.Context, r *sourcev1.OCIRepository) (*Fetched, error)
	// Bucket is the files of a bucket, below its prefix.
	Bucket(ctx context.Context, b *sourcev1.Bucket) (*Fetched, error)
	// Chart is the package of a chart in a repository, of the newest version in a range.
	// The repository may be one that a chart's dependency names, with a URL alone.
	Chart(ctx context.Context, r *sourcev1.HelmRepository, name, version string) (*Fetched, error)
	// Git is the commit of another repository that a GitRepository asks for.
	Git(ctx context.Context, g *sourcev1.GitRepository) (*Fetched, error)
}

// Fetched is what was opened: a tree, or the data of one file. Equal answers share one tree.
type Fetched struct {
	Revision string     // as Flux prints it: "6.7.1@sha256:...", "main@sha1:..."
	Tree     *tree.Tree // nil for a layer that is copied as it is, and for charts
	Data     []byte     // of a chart package, or of the layer
}

// FetchError says why something could not be fetched.
type FetchError struct {
	Reason string
	Hint   string // the cure, as far as it is known
	// Invalid is true when the thing itself is wrong, so that the controller fails,
	// too; false when it is just not to be had from here.
	Invalid bool
}

// Error implements error. It holds no credentials.
func (e *FetchError) Error() string { return e.Reason }
