package chart

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	helmchart "helm.sh/helm/v4/pkg/chart/v2"
)

// addDependencies adds to a chart folder those charts it depends on that are not in
// its charts/ folder: as Chart.lock has them, else as Chart.yaml does.
//
// Source: source-controller v1.9.5 internal/helm/chart/dependency_manager.go.
func (b *folderBuilder) addDependencies(ctx context.Context, c *helmchart.Chart) error {
	wants := c.Metadata.Dependencies
	if c.Lock != nil {
		wants = c.Lock.Dependencies
	}
	missing, err := missingDependencies(c.Dependencies(), wants)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		dep := missing[name]
		var loaded *helmchart.Chart
		if dep.Repository == "" || strings.HasPrefix(dep.Repository, "file://") {
			loaded, err = b.localDependency(ctx, dep)
		} else {
			loaded, err = b.remoteDependency(ctx, dep)
			if c.Lock == nil && !Exact(dep.Version) {
				b.notes = append(b.notes, fmt.Sprintf("dependency %s has the version range %q, and no %s settles it", name, dep.Version, lockFile))
			}
		}
		if err != nil {
			return fmt.Errorf("add dependency %s: %w", name, err)
		}
		if dep.Alias != "" {
			loaded.Metadata.Name = dep.Alias
		}
		c.AddDependency(loaded)
	}
	return nil
}

// missingDependencies are the wanted charts that are not among those there are, by
// alias or name. When the numbers are equal, nothing counts as missing.
func missingDependencies(have []*helmchart.Chart, want []*helmchart.Dependency) (map[string]*helmchart.Dependency, error) {
	if len(have) == len(want) {
		return nil, nil //nolint:nilnil // nothing is missing
	}
	missing := map[string]*helmchart.Dependency{}
	for _, dep := range want {
		if dep == nil {
			return nil, errors.New("the list of dependencies has an empty entry")
		}
		name := dep.Name
		if dep.Alias != "" {
			name = dep.Alias
		}
		if !slices.ContainsFunc(have, func(c *helmchart.Chart) bool { return c.Name() == name }) {
			missing[name] = dep
		}
	}
	return missing, nil
}

func (b *folderBuilder) localDependency(ctx context.Context, dep *helmchart.Dependency) (*helmchart.Chart, error) {
	at, err := b.localPath(dep)
	if err != nil {
		return nil, err
	}
	e, err := b.in.Stat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no chart at %s (repository %q)", at, dep.Repository)
	}
	if err != nil {
		return nil, err
	}
	constraint, err := semver.NewConstraint(dep.Version)
	if err != nil {
		return nil, fmt.Errorf("version %q: %w", dep.Version, err)
	}
	c, err := b.loadAny(ctx, at, e)
	if err != nil {
		return nil, fmt.Errorf("load chart %s: %w", at, err)
	}
	v, err := semver.NewVersion(c.Metadata.Version)
	if err != nil {
		return nil, fmt.Errorf("version %q of %s: %w", c.Metadata.Version, at, err)
	}
	if !constraint.Check(v) {
		return nil, fmt.Errorf("%s has version %s, %q is wanted", at, v.Original(), dep.Version)
	}
	return c, nil
}

// localPath is where in the source a dependency lies. It does not lead out.
func (b *folderBuilder) localPath(dep *helmchart.Dependency) (string, error) {
	if dep.Repository == "" {
		return secure(b.in, path.Join(b.spec.Path, chartsFolder, dep.Name))
	}
	u, err := url.Parse(dep.Repository)
	if err != nil {
		return "", fmt.Errorf("repository %q: %w", dep.Repository, err)
	}
	return secure(b.in, path.Join(b.spec.Path, u.Host, u.Path))
}

func (b *folderBuilder) remoteDependency(ctx context.Context, dep *helmchart.Dependency) (*helmchart.Chart, error) {
	repository, err := NormalizeURL(dep.Repository)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(repository, "oci") && !strings.HasPrefix(repository, "https://") && !strings.HasPrefix(repository, "http://") {
		return nil, fmt.Errorf("repository %q is not one that source-controller can read", repository)
	}
	if b.deps == nil {
		return nil, fmt.Errorf("%w: %s %s of %s", ErrDependency, dep.Name, dep.Version, repository)
	}
	data, err := b.deps.Chart(ctx, repository, dep.Name, dep.Version)
	if err != nil {
		return nil, fmt.Errorf("%w: %s %s of %s: %w", ErrDependency, dep.Name, dep.Version, repository, err)
	}
	files, err := unpack(data, b.budget)
	if err != nil {
		return nil, fmt.Errorf("unpack chart of %s: %w", repository, err)
	}
	c, err := load(files)
	if err != nil {
		return nil, fmt.Errorf("load chart of %s: %w", repository, err)
	}
	return c, nil
}
