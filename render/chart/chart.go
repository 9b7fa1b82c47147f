package chart

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Bounds on a chart, in bytes where the unit is not said. The first two are those of
// source-controller v1.9.5, internal/helm/helm.go; maxUnpacked is Helm's, for what
// helm-controller unpacks. Upstream has no others, and a hostile chart can take all
// its memory.
const (
	MaxArchive = 10 << 20 // a packaged chart as it is stored
	MaxFile    = 5 << 20  // one file of a chart

	maxUnpacked = 100 << 20 // the files of one archive
	maxRead     = 256 << 20 // all that one package is made of, with archives inside archives
	maxFiles    = 20_000    // files that one package is made of
	maxNested   = 16        // charts inside charts
	maxName     = 4096      // a file's name in an archive
)

// ErrDependency is wrapped by the error of [FromTree] when a chart that the folder
// depends on is not in the source and could not be had from its repository.
var ErrDependency = errors.New("chart dependency is not at hand")

// ErrTooLarge is wrapped by errors of what passes a bound.
var ErrTooLarge = tree.ErrTooLarge

// File is one file of a chart.
type File struct {
	Name string // slash path from the chart's root
	Data []byte // not to be changed
}

// Package is a chart as helm-controller loads it. It is not changed once made.
type Package struct {
	Name, Version, AppVersion, KubeVersion string
	Deprecated                             bool
	// Files are sorted by name. Chart.yaml holds the settled version, values.yaml the
	// settled default values. A name that an archive has twice is there twice, in the
	// archive's order: the engine takes the last.
	Files  []File
	Digest string   // 64 hexadecimal digits: SHA-256 over the names and data of Files
	Notes  []string // what a reader should know, in the order it was met
}

// Reader is what a chart is read from; [tree.Tree] and [tree.Recorder] have it. It
// shows the source's artifact, so ignore rules have been applied.
type Reader interface {
	Stat(path string) (tree.Entry, error)
	ReadDir(path string) ([]tree.Entry, error)
	ReadFile(path string) ([]byte, error)
}

// Dependencies gets the charts of other repositories that a chart folder asks for.
type Dependencies interface {
	// Chart gives a packaged chart, a gzipped tarball. The repository is an http, https
	// or oci URL as [NormalizeURL] makes it; the version may be a range, and is to be
	// resolved as [Find] and [Pick] do.
	Chart(ctx context.Context, repository, name, version string) ([]byte, error)
}

// TreeSpec is what decides how a folder of a GitRepository or Bucket is packaged:
// fields of the HelmChart, and the revision of its source.
type TreeSpec struct {
	Path string // spec.chart: a chart folder, or a packaged chart, from the source's root
	// ValuesFiles are slash paths from the source's root. Merged in order, they
	// replace the chart's values.yaml, unless values.yaml is the only one.
	ValuesFiles              []string
	IgnoreMissingValuesFiles bool
	Revision                 string // of the source, "main@sha1:<hex>"; needed for ReconcileStrategy Revision only
	ReconcileStrategy        string // "Revision", or ChartVersion, which is also the empty one
	Generation               int64  // of the HelmChart; a version gets it when ValuesFiles are merged
}

// ArchiveSpec is what decides how a chart of a HelmRepository is packaged: fields of
// the HelmChart.
type ArchiveSpec struct {
	// ValuesFiles are slash paths from the chart's root. Merged in order, they replace
	// the chart's values.yaml, unless values.yaml is the only one.
	ValuesFiles              []string
	IgnoreMissingValuesFiles bool
	Generation               int64 // of the HelmChart; a version gets it when ValuesFiles are merged
}

// FromTree packages a chart folder of a source, or takes a packaged chart that lies
// in it. deps may be nil when nothing is to be had from other repositories. The
// error names the file that is wrong; it wraps [ErrDependency] when a dependency
// could not be had, which is no fault of the chart.
//
// Source: source-controller v1.9.5 internal/helm/chart builder_local.go and
// internal/controller/helmchart_controller.go buildFromTarballArtifact.
func FromTree(ctx context.Context, in Reader, spec TreeSpec, deps Dependencies) (_ *Package, err error) {
	defer recovered(&err)
	b := &folderBuilder{in: in, spec: spec, deps: deps, budget: newBudget()}
	p, err := b.build(ctx)
	if err != nil {
		return nil, fmt.Errorf("package chart %s: %w", spec.Path, err)
	}
	return p, nil
}

// FromArchive takes a chart of a HelmRepository, a gzipped tarball, and merges the
// values files. Without any, the chart is as the repository has it. The error names
// the file that is wrong.
//
// Source: source-controller v1.9.5 internal/helm/chart builder_remote.go.
func FromArchive(ctx context.Context, data []byte, spec ArchiveSpec) (_ *Package, err error) {
	defer recovered(&err)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	files, err := unpack(data, newBudget())
	if err != nil {
		return nil, fmt.Errorf("read chart archive: %w", err)
	}
	p, err := fromArchive(files, len(data), spec)
	if err != nil {
		return nil, fmt.Errorf("package chart archive: %w", err)
	}
	return p, nil
}

// FromArtifact gives the chart that helm-controller loads from the tarball of an
// OCIRepository or ExternalArtifact that in holds unpacked: each file loses the first
// folder of its path, and a file in the root is an error. Neither .helmignore nor the
// dependencies of Chart.yaml are looked at. A tarball that is at hand goes to
// [FromArchive].
//
// Source: helm-controller v1.6.4 internal/loader/artifact_url.go, and Helm v4.2.4
// pkg/chart/loader/archive.
func FromArtifact(ctx context.Context, in Reader) (_ *Package, err error) {
	defer recovered(&err)
	files, err := artifactFiles(ctx, in, newBudget())
	if err != nil {
		return nil, fmt.Errorf("read chart from artifact: %w", err)
	}
	p, err := assemble(files)
	if err != nil {
		return nil, fmt.Errorf("load chart from artifact: %w", err)
	}
	return p, nil
}

// recovered makes an error of a panic in the engines.
func recovered(err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("the chart makes its reader panic: %v", r)
	}
}

// assemble makes the package of files as they come out of an archive.
func assemble(files []*archive.BufferedFile) (*Package, error) {
	c, err := load(files)
	if err != nil {
		return nil, err
	}
	return describe(c, files), nil
}

func describe(c *helmchart.Chart, files []*archive.BufferedFile) *Package {
	p := &Package{
		Name: c.Name(), Version: c.Metadata.Version, AppVersion: c.AppVersion(),
		KubeVersion: c.Metadata.KubeVersion, Deprecated: c.Metadata.Deprecated,
		Files: make([]File, len(files)),
	}
	for i, f := range files {
		p.Files[i] = File{Name: f.Name, Data: f.Data}
	}
	slices.SortStableFunc(p.Files, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(p.Files); i++ {
		if p.Files[i].Name == p.Files[i-1].Name && (i == 1 || p.Files[i].Name != p.Files[i-2].Name) {
			p.Notes = append(p.Notes, fmt.Sprintf("the chart has %s twice; the last one counts", p.Files[i].Name))
		}
	}
	p.Digest = digest(p.Files)
	return p
}

// digest is the SHA-256 over names and data, each with its length before it.
func digest(files []File) string {
	h := sha256.New()
	var size [8]byte
	for _, f := range files {
		for _, part := range [][]byte{[]byte(f.Name), f.Data} {
			binary.BigEndian.PutUint64(size[:], uint64(len(part)))
			h.Write(size[:])
			h.Write(part)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

var utf8BOM = []byte{0xEF, 0xBB, 0xBF} //nolint:gochecknoglobals // a constant

// trimBOM drops a byte order mark, as Helm's loaders do.
func trimBOM(data []byte) []byte { return bytes.TrimPrefix(data, utf8BOM) }
