package chart

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
	"sigs.k8s.io/yaml"
)

// repack gives the package of a chart that source-controller writes anew: what
// helm-controller unpacks of the archive that it makes. Metadata and lock file are
// rewritten; archives in charts/ become folders, named after their charts.
func repack(c *helmchart.Chart, notes []string) (*Package, error) {
	data, err := save(c)
	if err != nil {
		return nil, fmt.Errorf("package chart: %w", err)
	}
	files, err := archive.LoadArchiveFiles(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("read packaged chart: %w", err)
	}
	p, err := assemble(files)
	if err != nil {
		return nil, fmt.Errorf("load packaged chart: %w", err)
	}
	p.Notes = append(notes, p.Notes...)
	return p, nil
}

// save is chartutil.Save into memory. The archive is not compressed, and files
// without a time get a fixed one.
//
// Source: Helm v4.2.4 pkg/chart/v2/util/save.go, which writes to disk.
// TestRepackLikeUpstream pins this to the original.
func save(c *helmchart.Chart) ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	zw, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		return nil, err
	}
	tw := tar.NewWriter(zw)
	if err := saveChart(tw, c, ""); err != nil {
		return nil, err
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func saveChart(out *tar.Writer, c *helmchart.Chart, prefix string) error {
	if path.Base(c.Name()) != c.Name() {
		return fmt.Errorf("invalid chart name %q", c.Name())
	}
	base := path.Join(prefix, c.Name())
	metadata := *c.Metadata
	if metadata.APIVersion == helmchart.APIVersionV1 {
		metadata.Dependencies = nil // they are in requirements.yaml
	}
	if err := saveYAML(out, path.Join(base, chartFile), &metadata, c.ModTime); err != nil {
		return err
	}
	if c.Lock != nil && metadata.APIVersion == helmchart.APIVersionV2 {
		if err := saveYAML(out, path.Join(base, lockFile), c.Lock, c.Lock.Generated); err != nil {
			return err
		}
	}
	for _, f := range c.Raw {
		if f.Name == valuesFile {
			if err := saveFile(out, path.Join(base, valuesFile), f.Data, f.ModTime); err != nil {
				return err
			}
		}
	}
	if c.Schema != nil {
		if !json.Valid(c.Schema) {
			return errors.New("invalid JSON in " + path.Join(base, schemaFile))
		}
		if err := saveFile(out, path.Join(base, schemaFile), c.Schema, c.SchemaModTime); err != nil {
			return err
		}
	}
	for _, f := range slices.Concat(c.Templates, c.Files) {
		if err := saveFile(out, path.Join(base, f.Name), f.Data, f.ModTime); err != nil {
			return err
		}
	}
	for _, dep := range sorted(c.Dependencies()) {
		if err := saveChart(out, dep, path.Join(base, chartsFolder)); err != nil {
			return err
		}
	}
	return nil
}

// sorted puts dependencies in an order of their own: Helm loads them in a random one,
// which shows when two have the same name.
func sorted(charts []*helmchart.Chart) []*helmchart.Chart {
	charts = slices.Clone(charts)
	slices.SortStableFunc(charts, func(a, b *helmchart.Chart) int {
		return cmp.Or(cmp.Compare(a.Name(), b.Name()), cmp.Compare(a.Metadata.Version, b.Metadata.Version))
	})
	return charts
}

func saveYAML(out *tar.Writer, name string, v any, modified time.Time) error {
	data, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return saveFile(out, name, data, modified)
}

func saveFile(out *tar.Writer, name string, data []byte, modified time.Time) error {
	if modified.IsZero() {
		modified = epoch
	}
	err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(data)), ModTime: modified})
	if err == nil {
		_, err = out.Write(data)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
