package render

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/render/artifact"
	"github.com/bulkhead-dev/bulkhead/render/chart"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// charted is the package of a chart, or why there is none.
type charted struct {
	pkg   *chart.Package
	err   error
	reads tree.Trace // of the source's tree; nil for a chart that is fetched
	dir   string     // of the chart in that tree; "" for one that is fetched
}

// packed is the package of a chart that a release is made of.
type packed struct {
	name, version, digest string
	get                   func() *charted
}

// outlives reports whether source-controller keeps the package when that chart takes its place.
func (p *packed) outlives(name, version, digest string) bool {
	return p.name == name && p.version == version && p.digest != digest
}

// chart finds the chart of a release; false when that is the end of it.
//
// Source: helm-controller v1.6.4 getSource and buildHelmChartFromTemplate.
func (v *evaluator) chart(hr *helmv2.HelmRelease) (*charted, bool) {
	if hr.HasChartRef() == hr.HasChartTemplate() {
		v.fail("source", "", "set one of spec.chart and spec.chartRef", "invalid Chart reference")
		return nil, false
	}
	if t := hr.Spec.Chart; t != nil {
		return v.helmChart(t.GetNamespace(hr.Namespace), &sourcev1.HelmChartSpec{
			Chart: t.Spec.Chart, Version: t.Spec.Version,
			SourceRef:         sourcev1.LocalHelmChartSourceReference{Kind: t.Spec.SourceRef.Kind, Name: t.Spec.SourceRef.Name},
			ReconcileStrategy: t.Spec.ReconcileStrategy, ValuesFiles: t.Spec.ValuesFiles,
			IgnoreMissingValuesFiles: t.Spec.IgnoreMissingValuesFiles,
		}, hr.Namespace)
	}
	ref := hr.Spec.ChartRef
	ns := ref.Namespace
	if ns == "" {
		ns = hr.Namespace
	}
	if !v.allowed(ref.Kind, ns, ref.Name, hr.Namespace) {
		return nil, false
	}
	if ref.Kind != sourcev1.HelmChartKind {
		return v.artifactChart(ref.Kind, ns, ref.Name)
	}
	var c sourcev1.HelmChart
	if bad := v.sourceObject(sourcev1.HelmChartKind, ns, ref.Name, &c); bad != nil {
		v.unopened(ref.Kind+"/"+ns+"/"+ref.Name, *bad)
		return nil, false
	}
	return v.helmChart(ns, &c.Spec, ns)
}

// allowed reports whether the controller lets an object in namespace from refer to a
// source in ns.
func (v *evaluator) allowed(kind, ns, name, from string) bool {
	if !v.profile.NoCrossNamespaceRefs || ns == from {
		return true
	}
	const hint = "the controller runs with --no-cross-namespace-refs"
	if v.ks == nil {
		v.fail("source", "", hint, "cross-namespace references are not allowed: cannot access %s %s/%s", kind, ns, name)
	} else {
		v.fail("source", "", hint, "can't access '%s/%s/%s', cross-namespace references have been blocked", kind, ns, name)
	}
	return false
}

// unopened notes a source that could not be opened.
func (v *evaluator) unopened(name string, o opened) {
	if o.failure != "" {
		v.fail("source", "", o.hint, "%s: %s", name, o.failure)
		return
	}
	v.incomplete()
	v.unknown(UnresolvedChart, name, o.unknown, o.hint)
}

// helmChart is the chart that source-controller makes for a HelmChart in ns.
func (v *evaluator) helmChart(ns string, spec *sourcev1.HelmChartSpec, from string) (*charted, bool) {
	kind := spec.SourceRef.Kind
	name := kind + "/" + ns + "/" + spec.SourceRef.Name
	if !v.allowed(kind, ns, spec.SourceRef.Name, from) {
		return nil, false
	}
	if kind == sourcev1.HelmRepositoryKind {
		return v.repositoryChart(ns, spec)
	}
	o := v.opening(kind, ns, spec.SourceRef.Name)
	if o.tree == nil || o.failure != "" {
		v.unopened(name, o)
		return nil, false
	}
	a := v.out.applier
	a.Source, a.Pinned, a.Own, a.Prefix, a.Path = o.source, o.pinned, o.own, o.prefix, clamp(spec.Chart)
	t := folderSpec(spec, o)
	if _, digest, _ := strings.Cut(t.Revision, ":"); t.ReconcileStrategy == sourcev1.ReconcileStrategyRevision && len(digest) < 12 {
		t.Revision = "sha1:" + strings.Repeat("0", 40)
		v.out.notes = append(v.out.notes, Note{v.out.node.id.String(), "its chart's version has the commit in it, which is not made yet: zeros stand for it"})
	}
	c := v.folderChart(o.tree, t)
	a.reads, a.from, a.spec = o.traced(c.reads), o.from, *spec
	v.read(c.reads)
	v.out.single = v.out.single || v.e.opts.Fetch != nil // what it depends on may be another chart tomorrow
	if spec.ReconcileStrategy == sourcev1.ReconcileStrategyRevision {
		v.revised()
	}
	if old := v.earlier(); old != nil && c.err == nil && spec.ReconcileStrategy != sourcev1.ReconcileStrategyRevision &&
		reflect.DeepEqual(old.spec, a.spec) && old.chart.outlives(c.pkg.Name, c.pkg.Version, c.pkg.Digest) {
		a.Release.Stale, v.out.single = true, true
		c = old.chart.get()
	}
	return v.packaged(name, spec.Chart, c)
}

func folderSpec(spec *sourcev1.HelmChartSpec, o opened) chart.TreeSpec {
	return chart.TreeSpec{
		Path: spec.Chart, ValuesFiles: spec.ValuesFiles, IgnoreMissingValuesFiles: spec.IgnoreMissingValuesFiles,
		Revision: o.source.Revision, ReconcileStrategy: spec.ReconcileStrategy, Generation: 1,
	}
}

// earlier is the same release in the revision before, whose chart is in the cluster; nil
// when there is none. As long as neither the HelmChart nor the chart's version changes,
// source-controller keeps its package.
//
// Source: source-controller v1.9.5 internal/helm/chart/builder_local.go, the cached chart.
func (v *evaluator) earlier() *Applier {
	if old := v.e.previous(v.out); old != nil && old.chart != nil {
		return old
	}
	return nil
}

// packaged passes on a chart, or why there is none.
func (v *evaluator) packaged(source, name string, c *charted) (*charted, bool) {
	switch {
	case c.err == nil:
		for _, note := range c.pkg.Notes {
			v.out.notes = append(v.out.notes, Note{v.out.node.id.String(), note})
		}
		return c, true
	case errors.Is(c.err, chart.ErrDependency):
		o := unfetched(c.err)
		if o.failure != "" {
			v.fail("chart", v.out.applier.Path, o.hint, "%s: %s", source, o.failure)
			return nil, false
		}
		v.incomplete()
		v.unknown(UnresolvedChart, name, "a chart that it depends on is not at hand: "+o.unknown, o.hint)
	default:
		v.fail("chart", v.out.applier.Path, "", "%s: %s", source, clean(c.err))
	}
	return nil, false
}

// repositoryChart is a chart of a HelmRepository.
func (v *evaluator) repositoryChart(ns string, spec *sourcev1.HelmChartSpec) (*charted, bool) {
	var r sourcev1.HelmRepository
	name := sourcev1.HelmRepositoryKind + "/" + ns + "/" + spec.SourceRef.Name
	if bad := v.sourceObject(sourcev1.HelmRepositoryKind, ns, spec.SourceRef.Name, &r); bad != nil {
		v.unopened(name, *bad)
		return nil, false
	}
	if o := v.e.sources.mapped(v.ctx, r.Spec.URL); o.tree != nil || o.unknown != "" {
		v.out.single = true
		return v.mirroredChart(name, spec, o)
	}
	o := v.fetched(r.Spec.URL, func(f Fetch) (*Fetched, error) { return f.Chart(v.ctx, &r, spec.Chart, spec.Version) })
	v.out.single = v.out.single || v.e.opts.Fetch != nil
	if o.data == nil {
		v.unopened(name+" "+spec.Chart, o)
		return nil, false
	}
	v.out.applier.Source = o.source
	a := chart.ArchiveSpec{ValuesFiles: spec.ValuesFiles, IgnoreMissingValuesFiles: spec.IgnoreMissingValuesFiles, Generation: 1}
	return v.packaged(name, spec.Chart, v.archive(o, a))
}

// folderChart packages a chart folder of a source, once as long as what it reads is the same.
func (v *evaluator) folderChart(t *tree.Tree, spec chart.TreeSpec) *charted {
	return v.e.cache.charts.get(v.ctx, keyOf("tree", spec, v.e.sources.mappings), t, func() (*charted, tree.Trace) {
		rec := tree.Record(t)
		pkg, err := chart.FromTree(v.ctx, rec, spec, chartDependencies{fetch: v.e.opts.Fetch, sources: v.e.sources})
		c := &charted{pkg: pkg, err: err, dir: clamp(spec.Path)}
		c.reads = rec.Trace()
		return c, c.reads
	})
}

// archive reads a chart package, once for equal ones.
func (v *evaluator) archive(o opened, spec chart.ArchiveSpec) *charted {
	return v.e.cache.charts.get(v.ctx, keyOf("archive", spec, tree.HashBlob(o.data).String()), nil, func() (*charted, tree.Trace) {
		pkg, err := chart.FromArchive(v.ctx, o.data, spec)
		return &charted{pkg: pkg, err: err}, nil
	})
}

// artifactChart is the chart that an artifact holds.
func (v *evaluator) artifactChart(kind, ns, name string) (*charted, bool) {
	full := kind + "/" + ns + "/" + name
	o := v.opening(kind, ns, name)
	v.revised()
	if o.failure != "" || o.tree == nil && o.data == nil {
		v.unopened(full, o)
		return nil, false
	}
	v.out.applier.Source = o.source
	var c *charted
	if o.data != nil {
		c = v.archive(o, chart.ArchiveSpec{})
	} else {
		c = v.e.cache.charts.get(v.ctx, "artifact", o.tree, func() (*charted, tree.Trace) {
			rec := tree.Record(o.tree)
			pkg, err := chart.FromArtifact(v.ctx, rec)
			c := &charted{pkg: pkg, err: err}
			c.reads = rec.Trace()
			return c, c.reads
		})
	}
	if kind == sourcev1.ExternalArtifactKind && o.source.Revision == "" {
		digest, err := artifact.Digest(o.tree)
		if err != nil {
			c = &charted{err: err}
		}
		o.source.Revision = "latest@" + digest
		v.out.applier.Source = o.source
	}
	if c.err == nil && (kind == sourcev1.OCIRepositoryKind || strings.Contains(o.source.Revision, ":")) {
		with := *c
		with.pkg, with.err = chart.SetDigestVersion(c.pkg, o.source.Revision)
		c = &with
	}
	v.out.applier.reads = o.traced(c.reads)
	v.read(c.reads)
	return v.packaged(full, name, c)
}

// keyOf is plain values as a map key.
func keyOf(parts ...any) string {
	data, err := json.Marshal(parts)
	if err != nil {
		panic(err) // plain values
	}
	return string(data)
}
