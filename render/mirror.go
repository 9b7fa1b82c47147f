package render

import (
	"context"
	"fmt"
	"path"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/render/chart"
)

// mirroredChart is a chart of the folder that the caller maps a HelmRepository's URL to.
// What it lacks the repository may have all the same.
func (v *evaluator) mirroredChart(source string, spec *sourcev1.HelmChartSpec, o opened) (*charted, bool) {
	name := source + " " + spec.Chart
	if o.tree == nil {
		v.unopened(name, o)
		return nil, false
	}
	at, err := chart.Mirrored(o.tree, spec.Chart, spec.Version)
	if err != nil {
		v.unopened(name, opened{unknown: "not in what " + o.source.URL + " is mapped to: " + err.Error()})
		return nil, false
	}
	v.out.applier.Source = o.source
	if e, err := o.tree.Stat(at); err == nil && !e.IsDir() {
		if o.data, err = o.tree.ReadFile(at); err != nil {
			v.fail("chart", at, "", "%s: %s", source, clean(err))
			return nil, false
		}
		return v.packaged(source, spec.Chart, v.archive(o, chart.ArchiveSpec{ValuesFiles: spec.ValuesFiles, IgnoreMissingValuesFiles: spec.IgnoreMissingValuesFiles, Generation: 1}))
	}
	t := chart.TreeSpec{Path: at, IgnoreMissingValuesFiles: spec.IgnoreMissingValuesFiles, Generation: 1}
	for _, f := range spec.ValuesFiles {
		t.ValuesFiles = append(t.ValuesFiles, path.Join(at, clamp(f)))
	}
	return v.packaged(source, spec.Chart, v.folderChart(o.tree, t))
}

// maxMirrored bounds how deep mapped charts depend on each other.
const maxMirrored = 8

// chartDependencies opens charts that a chart depends on: of the folder that the caller
// maps their repository to, else by fetching.
type chartDependencies struct {
	fetch   Fetch
	sources *sources
	depth   int
}

// Chart implements [chart.Dependencies].
func (d chartDependencies) Chart(ctx context.Context, repository, name, version string) ([]byte, error) {
	if o := d.sources.mapped(ctx, repository); o.tree != nil {
		return d.mirrored(ctx, o, name, version)
	}
	if d.fetch == nil {
		return nil, &FetchError{Reason: fmt.Sprintf("%s of %s is not fetched", name, withoutUser(repository)), Hint: "allow it with --fetch, map it with --source URL=PATH, or commit it below charts/"}
	}
	r := &sourcev1.HelmRepository{}
	r.Spec.URL = repository
	got, err := d.fetch.Chart(ctx, r, name, version)
	if err != nil {
		return nil, err
	}
	return got.Data, nil
}

func (d chartDependencies) mirrored(ctx context.Context, o opened, name, version string) ([]byte, error) {
	at, err := chart.Mirrored(o.tree, name, version)
	if err != nil {
		return nil, &FetchError{Reason: "not in what " + o.source.URL + " is mapped to: " + err.Error()}
	}
	if e, err := o.tree.Stat(at); err == nil && !e.IsDir() {
		return o.tree.ReadFile(at)
	}
	if d.depth++; d.depth > maxMirrored {
		return nil, &FetchError{Reason: "charts depend on each other without end", Invalid: true}
	}
	pkg, err := chart.FromTree(ctx, o.tree, chart.TreeSpec{Path: at}, d)
	if err != nil {
		return nil, err
	}
	return pkg.Archive()
}
