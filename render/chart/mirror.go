package chart

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// Mirrored finds a chart in a folder that stands for a repository: a clone of the
// repository that its charts are made of, or a folder of packages. It looks at the root
// and in the folder charts, for NAME-VERSION.tgz and NAME/Chart.yaml, and takes the
// version that a HelmRepository would, see [Find]. The path leads to the package or the
// folder. The error wraps [ErrNoChart] or [ErrNoVersion] and says which versions there are.
func Mirrored(in Reader, name, constraint string) (at string, err error) {
	if name == "" || strings.Contains(name, "/") {
		return "", fmt.Errorf("%w: %q", ErrNoChart, name)
	}
	var all versions
	for _, dir := range []string{".", "charts"} {
		all = append(all, mirrored(in, dir, name)...)
	}
	if len(all) == 0 {
		return "", fmt.Errorf("%w: no %s/Chart.yaml and no %s-VERSION.tgz, there or in charts/", ErrNoChart, name, name)
	}
	at, _, _, err = Find(&IndexFile{charts: map[string]versions{name: all}}, name, constraint)
	if errors.Is(err, ErrNoVersion) {
		err = fmt.Errorf("%w: no version %.80q, there is %s", ErrNoVersion, constraint, listed(all))
	}
	return at, err
}

// mirrored are the versions of a chart in one folder; their URL is the path there.
func mirrored(in Reader, dir, name string) (all versions) {
	entries, err := in.ReadDir(dir)
	if err != nil {
		return nil // no such folder
	}
	for _, e := range entries {
		at := path.Join(dir, e.Name)
		text := ""
		switch {
		case e.IsDir() && e.Name == name:
			m, err := folderMetadata(in, at)
			if err != nil || m.Name != name {
				continue // a folder of that name, with something else in it
			}
			text = m.Version
		case strings.HasPrefix(e.Name, name+"-") && strings.HasSuffix(e.Name, ".tgz"):
			text = strings.TrimSuffix(strings.TrimPrefix(e.Name, name+"-"), ".tgz")
		}
		if v, err := semver.NewVersion(text); err == nil {
			all = append(all, version{text: text, semver: v, url: at})
		}
	}
	return all
}

// listed are the first versions of a list.
func listed(all versions) string {
	var list []string
	for _, v := range all[:min(len(all), 5)] {
		list = append(list, v.text)
	}
	if len(all) > len(list) {
		list = append(list, "…")
	}
	return strings.Join(list, ", ")
}

// Archive is the package as a gzipped tarball, as a repository serves it. Equal
// packages give the same bytes.
func (p *Package) Archive() ([]byte, error) {
	var data bytes.Buffer
	zipped := gzip.NewWriter(&data)
	out := tar.NewWriter(zipped)
	for _, f := range p.Files {
		if err := saveFile(out, path.Join(p.Name, f.Name), f.Data, epoch); err != nil {
			return nil, err
		}
	}
	if err := out.Close(); err != nil {
		return nil, fmt.Errorf("write package %s: %w", p.Name, err)
	}
	if err := zipped.Close(); err != nil {
		return nil, fmt.Errorf("write package %s: %w", p.Name, err)
	}
	return data.Bytes(), nil
}
