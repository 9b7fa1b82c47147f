package rule

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// versionFloats reports whether a version of a chart or an artifact is a range of them. Of one with a variable that nobody sets it is not known.
//
// Source: Masterminds/semver v3, constraints: what has all three numbers, and no operator but =, is one version.
func versionFloats(version string) bool {
	return !strings.Contains(version, "$") && !oneVersion.MatchString(strings.TrimSpace(version))
}

var oneVersion = regexp.MustCompile(`^=?\s*v?[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)

// floatingChart finds charts whose version is decided when they are fetched.
func floatingChart(_ *Context, a *estate.Applier) []Found {
	h := a.HelmRelease
	if h == nil || !a.Target.Production {
		return nil
	}
	if h.Spec.Chart != nil {
		s := &h.Spec.Chart.Spec
		if s.SourceRef.Kind != sourcev1.HelmRepositoryKind || !versionFloats(s.Version) {
			return nil
		}
		return one(Found{Message: fmt.Sprintf("%s takes %s of chart %s", a, floating(s.Version), clipped(s.Chart)), Field: "spec.chart.spec.version"})
	}
	ref := h.Spec.ChartRef
	if ref == nil {
		return nil
	}
	o := sourceOf(a)
	switch {
	case o == nil:
		return nil
	case ref.Kind == sourcev1.HelmChartKind:
		if version := o.Text("spec", "version"); o.Text("spec", "sourceRef", "kind") == sourcev1.HelmRepositoryKind && versionFloats(version) {
			return one(Found{Message: fmt.Sprintf("%s takes %s of the chart of %s", a, floating(version), o.ID), Object: o, Tenant: o.Tenant, Field: "spec.version"})
		}
	case ref.Kind == sourcev1.OCIRepositoryKind:
		if moving := movingArtifact(o); moving != "" {
			return one(Found{Message: fmt.Sprintf("%s takes its chart from %s, which follows %s", a, o.ID, moving), Object: o, Tenant: o.Tenant, Field: "spec.ref"})
		}
	}
	return nil
}

func floating(version string) string {
	if version == "" || version == "*" {
		return "the newest version"
	}
	return "the newest version within " + clipped(version)
}

// movingArtifact says what an OCIRepository follows that may be something else tomorrow; "" for a digest or a version.
func movingArtifact(o *estate.Object) string {
	tag, semver := o.Text("spec", "ref", "tag"), o.Text("spec", "ref", "semver")
	switch {
	case o.Text("spec", "ref", "digest") != "":
		return ""
	case semver != "":
		if !versionFloats(semver) {
			return ""
		}
		return "the versions " + clipped(semver)
	case tag == "":
		return "the tag latest"
	case !versionFloats(tag):
		return ""
	}
	return "the tag " + clipped(tag)
}

// sourceOf is the object of an applier's source; nil when Git does not show it.
func sourceOf(a *estate.Applier) *estate.Object {
	return pickOne(a.Home.Get(object.ID{Group: estate.SourceGroup, Kind: a.Source.Kind, Namespace: a.Source.Namespace, Name: a.Source.Name}))
}

func pickOne(list []*estate.Object) *estate.Object {
	if len(list) == 0 {
		return nil
	}
	return list[0]
}

// sourceFiles are the files of the source of an applier of any kind; nil when they are not at hand. A release's are those of a Kustomization over
// the same source, or of the repository under review.
func sourceFiles(x *Context, a *estate.Applier) *tree.Tree {
	if a.Files != nil {
		return a.Files
	}
	type key struct{ repository, revision string }
	all := once(x, "source files", func() map[key]*tree.Tree {
		out := map[key]*tree.Tree{}
		for _, c := range x.Clusters {
			for _, b := range c.Appliers {
				if b.Files != nil {
					out[key{b.Source.Repository, b.Source.Revision}] = b.Files
				}
			}
		}
		return out
	})
	if files := all[key{a.Source.Repository, a.Source.Revision}]; files != nil || !a.Own || a.Pinned || x.Files == nil {
		return files
	}
	files, err := x.Files.Sub(path.Clean("./" + a.Prefix))
	if err != nil {
		return nil
	}
	return files
}

// chartFile is what the rules read of a Chart.yaml.
type chartFile struct {
	Dependencies []struct {
		Name       string `json:"name"`
		Repository string `json:"repository"`
	} `json:"dependencies"`
}

// remoteDependencies finds charts that source-controller fetches for a chart of a Git repository or a bucket.
func remoteDependencies(x *Context, a *estate.Applier) []Found {
	names, file := chartDependencies(x, a)
	if len(names) == 0 {
		return nil
	}
	var steps []finding.Step
	var addresses []string
	for _, d := range names {
		addresses = append(addresses, shown(d[1]))
		steps = append(steps, finding.Step{Message: fmt.Sprintf("%s depends on %s of %s", file, clipped(d[0]), shown(d[1])), File: fileOfSource(a, file)})
	}
	return one(Found{Message: fmt.Sprintf("the chart of %s depends on charts of %s", a, phrase.List(addresses, 3)), Field: "spec.chart.spec.chart", Steps: steps, File: steps[0].File})
}

// chartDependencies are the names and repositories of charts that are fetched for that of a release in a folder, and its Chart.yaml.
func chartDependencies(x *Context, a *estate.Applier) (out [][2]string, file string) {
	h := a.HelmRelease
	if h == nil || h.Spec.Chart == nil || h.Spec.Chart.Spec.SourceRef.Kind == sourcev1.HelmRepositoryKind {
		return nil, ""
	}
	files := sourceFiles(x, a)
	folder := path.Clean("./" + h.Spec.Chart.Spec.Chart)
	if files == nil || strings.HasPrefix(folder, "../") || folder == ".." {
		return nil, ""
	}
	file = path.Join(folder, "Chart.yaml")
	data, err := files.ReadFile(file)
	if err != nil || len(data) > maxParsed {
		return nil, ""
	}
	var c chartFile
	if yaml.Unmarshal(data, &c) != nil {
		return nil, ""
	}
	for _, d := range c.Dependencies {
		if !strings.Contains(d.Repository, "://") || strings.HasPrefix(d.Repository, "file://") || vendored(files, folder, d.Name) {
			continue
		}
		out = append(out, [2]string{d.Name, d.Repository})
	}
	return out, file
}

// vendored reports whether a dependency is in charts/, packed or as a folder.
func vendored(files *tree.Tree, folder, name string) bool {
	entries, err := files.ReadDir(path.Join(folder, "charts"))
	if err != nil {
		return false
	}
	for _, e := range entries {
		if e.Name == name && e.IsDir() || strings.HasPrefix(e.Name, name+"-") && strings.HasSuffix(e.Name, ".tgz") {
			return true
		}
	}
	return false
}
