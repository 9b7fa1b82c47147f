package chart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path"
	"strings"
	"time"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/render/values"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// The files of a chart that are not only passed on.
const (
	chartFile        = "Chart.yaml"
	lockFile         = "Chart.lock"
	requirementsFile = "requirements.yaml"
	requirementsLock = "requirements.lock"
	valuesFile       = "values.yaml"
	schemaFile       = "values.schema.json"
	chartsFolder     = "charts"
)

// unpack gives the files of a chart archive with their names from the chart's root,
// in the archive's order. Names that lead out of the chart are errors, links are
// empty files, as for Helm.
func unpack(data []byte, b *budget) ([]*archive.BufferedFile, error) {
	if err := weigh(data, b, 0); err != nil {
		return nil, err
	}
	return archive.LoadArchiveFiles(bytes.NewReader(data))
}

// load is Helm's loader. It is not given what would take it all the memory there is.
func load(files []*archive.BufferedFile) (*helmchart.Chart, error) {
	if err := checkFiles(files, 0); err != nil {
		return nil, err
	}
	return loader.LoadFiles(files)
}

// checkFiles refuses YAML whose aliases expand without measure, in a chart and in
// those that are packed in it.
func checkFiles(files []*archive.BufferedFile, depth int) error {
	if depth > maxNested {
		return fmt.Errorf("more than %d charts inside each other: %w", maxNested, ErrTooLarge)
	}
	for _, f := range files {
		switch inChart(f.Name) {
		case chartFile, lockFile, requirementsFile, requirementsLock, valuesFile:
			if err := values.Bounded(f.Data); err != nil {
				return fmt.Errorf("read %s: %w", f.Name, err)
			}
		}
		if packed, _ := nested(f.Name); packed {
			inner, err := archive.LoadArchiveFiles(bytes.NewReader(f.Data))
			if err != nil {
				return fmt.Errorf("unpack %s: %w", f.Name, err)
			}
			if err := checkFiles(inner, depth+1); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}

// archiveMetadata reads the metadata of a packaged chart without loading the rest.
//
// Source: source-controller v1.9.5 internal/helm/chart/metadata.go
// LoadChartMetadataFromArchive.
func archiveMetadata(files []*archive.BufferedFile) (*helmchart.Metadata, error) {
	var m *helmchart.Metadata
	for _, f := range files {
		if f.Name != chartFile && f.Name != requirementsFile {
			continue
		}
		if m == nil {
			m = new(helmchart.Metadata)
		}
		if err := decode(f.Name, f.Data, m); err != nil {
			return nil, err
		}
		if m.APIVersion == "" {
			m.APIVersion = helmchart.APIVersionV1
		}
	}
	if m == nil {
		return nil, fmt.Errorf("no %s in the chart", chartFile)
	}
	return m, m.Validate()
}

// decode reads a YAML file over what into holds, as Helm does.
func decode(name string, data []byte, into any) error {
	if err := values.Bounded(data); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		return fmt.Errorf("parse %s: %w", name, err)
	}
	return nil
}

func fromArchive(files []*archive.BufferedFile, size int, spec ArchiveSpec) (*Package, error) {
	if len(wanted(spec.ValuesFiles)) == 0 {
		if size > MaxArchive {
			return nil, fmt.Errorf("packaged chart of %d bytes, %d are the limit: %w", size, MaxArchive, ErrTooLarge)
		}
		if _, err := archiveMetadata(files); err != nil {
			return nil, err
		}
		return assemble(files)
	}
	c, err := load(files)
	if err != nil {
		return nil, err
	}
	version, err := withMetadata(c.Metadata.Version, versionMetadata("", spec.ValuesFiles, spec.Generation))
	if err != nil {
		return nil, err
	}
	c.Metadata.Version = version
	var notes []string
	merged, err := mergeChartValues(c, spec, &notes)
	if err != nil {
		return nil, err
	}
	if err := overwriteValues(c, merged); err != nil {
		return nil, err
	}
	return repack(c, notes)
}

// artifactFiles are the files of a tree as a loader of chart archives sees them.
func artifactFiles(ctx context.Context, in Reader, b *budget) ([]*archive.BufferedFile, error) {
	var files []*archive.BufferedFile
	unpacked := 0
	var walk func(dir string) error
	walk = func(dir string) error {
		entries, err := in.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			p := path.Join(dir, e.Name)
			if err := ctx.Err(); err != nil {
				return err
			}
			if e.IsDir() {
				if err := walk(p); err != nil {
					return err
				}
				continue
			}
			if e.Mode == tree.Symlink {
				continue // artifacts have none
			}
			f, err := artifactFile(in, p, b)
			if err != nil {
				return err
			}
			if unpacked += len(f.Data); unpacked >= maxUnpacked {
				return fmt.Errorf("%s: the chart has more than %d MiB: %w", p, maxUnpacked>>20, ErrTooLarge)
			}
			files = append(files, f)
		}
		return nil
	}
	if err := walk("."); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, errors.New("no files in the artifact")
	}
	return files, nil
}

func artifactFile(in Reader, p string, b *budget) (*archive.BufferedFile, error) {
	first, name, below := strings.Cut(p, "/")
	if !below || first == chartFile {
		return nil, fmt.Errorf("%s lies in the root of the artifact: helm-controller wants the chart in a folder", p)
	}
	data, err := in.ReadFile(p)
	if err == nil && len(data) > MaxFile {
		err = fmt.Errorf("%s has %d bytes, %d are the limit: %w", p, len(data), MaxFile, ErrTooLarge)
	}
	if err == nil {
		err = b.file(len(data))
	}
	if err == nil {
		err = weighNested(name, data, b)
	}
	if err != nil {
		return nil, err
	}
	return &archive.BufferedFile{Name: name, ModTime: epoch, Data: trimBOM(data)}, nil
}

// weighNested weighs a file that Helm would unpack as a chart.
func weighNested(name string, data []byte, b *budget) error {
	packed, deep := nested(name)
	if deep > maxNested {
		return fmt.Errorf("%s: more than %d charts inside each other: %w", name, maxNested, ErrTooLarge)
	}
	if !packed {
		return nil
	}
	if err := weigh(data, b, deep); err != nil {
		return fmt.Errorf("unpack %s: %w", name, err)
	}
	return nil
}

// epoch is the time of a file that has none. No time gets into a chart's files.
var epoch = time.Unix(0, 0).UTC() //nolint:gochecknoglobals // a constant
