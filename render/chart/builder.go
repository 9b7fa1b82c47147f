package chart

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// folderBuilder is one call of [FromTree].
type folderBuilder struct {
	in     Reader
	spec   TreeSpec
	deps   Dependencies
	budget *budget
	notes  []string
}

func (b *folderBuilder) build(ctx context.Context) (*Package, error) {
	switch {
	case b.spec.Path == "":
		return nil, errors.New("the path is empty")
	case path.IsAbs(b.spec.Path):
		return nil, errors.New("the path is absolute, and must be relative to the source")
	}
	at, err := secure(b.in, b.spec.Path)
	if err != nil {
		return nil, err
	}
	e, err := b.in.Stat(at)
	if err != nil {
		return nil, err
	}
	if !e.IsDir() {
		return b.buildArchive(at)
	}
	version, err := b.version(folderMetadata(b.in, at))
	if err != nil {
		return nil, err
	}
	merged, err := b.mergeFiles()
	if err != nil {
		return nil, err
	}
	c, err := loadFolder(ctx, b.in, b.spec.Path, b.budget)
	if err != nil {
		return nil, err
	}
	c.Metadata.Version = version
	if err := overwriteValues(c, merged); err != nil {
		return nil, err
	}
	if err := b.addDependencies(ctx, c); err != nil {
		return nil, err
	}
	return repack(c, b.notes)
}

// buildArchive packages an archive that lies in the source. It stays as it is when
// neither its version nor its values change.
func (b *folderBuilder) buildArchive(at string) (*Package, error) {
	data, err := b.in.ReadFile(at)
	if err != nil {
		return nil, err
	}
	if len(data) > MaxArchive {
		return nil, fmt.Errorf("%s has %d bytes, %d are the limit: %w", at, len(data), MaxArchive, ErrTooLarge)
	}
	files, err := unpack(data, b.budget)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", at, err)
	}
	m, err := archiveMetadata(files)
	version, err := b.version(m, err)
	if err != nil {
		return nil, err
	}
	if version == m.Version && len(wanted(b.spec.ValuesFiles)) == 0 && b.spec.ReconcileStrategy != strategyRevision {
		return assemble(files)
	}
	merged, err := b.mergeFiles()
	if err != nil {
		return nil, err
	}
	c, err := loadArchive(at, data, files)
	if err != nil {
		return nil, err
	}
	c.Metadata.Version = version
	if err := overwriteValues(c, merged); err != nil {
		return nil, err
	}
	return repack(c, b.notes)
}

// version is the settled version of a chart with that metadata.
func (b *folderBuilder) version(m *helmchart.Metadata, err error) (string, error) {
	if err != nil {
		return "", err
	}
	revision := ""
	if b.spec.ReconcileStrategy == strategyRevision {
		if revision, err = shortRevision(b.spec.Revision); err != nil {
			return "", err
		}
	}
	return withMetadata(m.Version, versionMetadata(revision, b.spec.ValuesFiles, b.spec.Generation))
}

// mergeFiles merges the values files of the source; nil means there are none to merge.
//
// Source: source-controller v1.9.5 internal/helm/chart/builder_local.go
// mergeFileValues; its MergeMaps is Helm's.
func (b *folderBuilder) mergeFiles() (map[string]any, error) {
	if len(wanted(b.spec.ValuesFiles)) == 0 {
		return nil, nil //nolint:nilnil // nil is no values files, which is no error
	}
	merged := map[string]any{}
	for _, p := range b.spec.ValuesFiles {
		at, err := secure(b.in, p)
		if err != nil {
			return nil, fmt.Errorf("values file %s: %w", p, err)
		}
		e, err := b.in.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist) && b.spec.IgnoreMissingValuesFiles:
			b.notes = append(b.notes, missingNote(p))
			continue
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("values file %s is not in the source", p)
		case err != nil:
			return nil, fmt.Errorf("values file %s: %w", p, err)
		case e.IsDir():
			return nil, fmt.Errorf("values file %s is a folder", p)
		}
		data, err := b.in.ReadFile(at)
		if err == nil {
			err = b.budget.file(len(data))
		}
		if err != nil {
			return nil, fmt.Errorf("values file %s: %w", p, err)
		}
		read := map[string]any{}
		if err := decode(p, data, &read); err != nil {
			return nil, err
		}
		merged = loader.MergeMaps(merged, read)
	}
	return merged, nil
}

// loadAny loads a chart from the source, a folder or an archive.
func (b *folderBuilder) loadAny(ctx context.Context, at string, e tree.Entry) (*helmchart.Chart, error) {
	if e.IsDir() {
		return loadFolder(ctx, b.in, at, b.budget)
	}
	data, err := b.in.ReadFile(at)
	if err != nil {
		return nil, err
	}
	files, err := unpack(data, b.budget)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", at, err)
	}
	return loadArchive(at, data, files)
}

// loadArchive loads a chart of the source that is packaged. Unlike the loader of
// folders and of downloaded charts, this one knows but two versions of the format.
//
// Source: Helm v4.2.4 pkg/chart/loader/load.go LoadFile, and source-controller
// v1.9.5 internal/helm/chart/secureloader/file.go.
func loadArchive(at string, data []byte, files []*archive.BufferedFile) (*helmchart.Chart, error) {
	if !bytes.HasPrefix(data, []byte("\x1f\x8b\x08")) {
		return nil, fmt.Errorf("%s: %w", at, gzip.ErrHeader)
	}
	for _, f := range files {
		if f.Name != chartFile {
			continue
		}
		var base struct {
			APIVersion string `json:"apiVersion,omitempty"`
		}
		if err := decode(chartFile, f.Data, &base); err != nil {
			return nil, fmt.Errorf("%s: %w", at, err)
		}
		switch base.APIVersion {
		case helmchart.APIVersionV1, helmchart.APIVersionV2, "":
			return load(files)
		}
		return nil, fmt.Errorf("%s: %s has apiVersion %q, which source-controller does not load", at, chartFile, base.APIVersion)
	}
	return nil, fmt.Errorf("%s: no %s in the chart", at, chartFile)
}
