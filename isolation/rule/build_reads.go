package rule

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// landRegister says whose the folders of repositories are: those that an appliers' path names.
type landRegister map[string]map[string][]*estate.Tenant // repository, folder; nil is the platform

// land of the fleet. The root of a repository is in it only for what is applied from there.
func land(x *Context) landRegister {
	return once(x, "land", func() landRegister {
		out := landRegister{}
		for _, c := range x.Clusters {
			for _, a := range c.Appliers {
				if a.Kind != estate.KustomizationKind || a.Source.Repository == "" {
					continue
				}
				of := out[a.Source.Repository]
				if of == nil {
					of = map[string][]*estate.Tenant{}
					out[a.Source.Repository] = of
				}
				folder := path.Clean("./" + a.Path)
				if !slices.Contains(of[folder], a.Tenant) {
					of[folder] = append(of[folder], a.Tenant)
				}
			}
		}
		return out
	})
}

// owners are those of the nearest folder around a file; none when no applier has one below the root.
func (l landRegister) owners(repository, file string) []*estate.Tenant {
	of := l[repository]
	for dir := file; dir != "." && dir != "/"; dir = path.Dir(dir) {
		if list := of[dir]; list != nil {
			return list
		}
	}
	return nil
}

// foreignReads finds files of others in a tenant's build. A repository of its own is its own.
func foreignReads(x *Context, a *estate.Applier) []Found {
	if a.Tenant == nil || a.Kind != estate.KustomizationKind || a.Source.Repository == "" {
		return nil
	}
	register := land(x)
	mine := path.Clean("./" + a.Path)
	var steps []finding.Step
	var files []string
	for _, r := range a.Reads {
		if r.Kind != tree.Content || r.Hash.IsZero() || r.Path == mine || strings.HasPrefix(r.Path, mine+"/") || !isFile(a, r.Path) {
			continue
		}
		owners := register.owners(a.Source.Repository, r.Path)
		if len(owners) == 0 || slices.Contains(owners, a.Tenant) {
			continue
		}
		files = append(files, r.Path)
		steps = append(steps, finding.Step{
			Message: fmt.Sprintf("%s of %s reads %s, which is %s", a, who(a.Tenant), r.Path, whose(owners[0])), File: fileOfSource(a, r.Path),
		})
	}
	if len(steps) == 0 {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s builds with %s, beside the folder %s that is its own", a, phrase.List(files, 3), mine), Field: "spec.path", Steps: steps})
}

func isFile(a *estate.Applier, file string) bool {
	if a.Files == nil {
		return false
	}
	e, err := a.Files.Stat(file)
	return err == nil && !e.IsDir()
}

// who names a tenant, or the platform.
func who(t *estate.Tenant) string {
	if t == nil {
		return "the platform"
	}
	return "tenant " + t.Name
}

// whose names what is somebody's.
func whose(t *estate.Tenant) string {
	if t == nil {
		return "the platform's"
	}
	return "tenant " + t.Name + "'s"
}

// unreviewed finds what puts files into a source that its commits do not show.
func unreviewed(_ *Context, o *estate.Object) []Found {
	if !o.Is(estate.SourceGroup, "GitRepository") {
		return nil
	}
	if on, _ := o.At("spec", "recurseSubmodules").(bool); !on {
		return nil
	}
	return one(Found{
		Field:   "spec.recurseSubmodules",
		Message: fmt.Sprintf("%s takes in the submodules of its repository: its commits name them, and do not show their files", o.ID),
	})
}

func applierID(a *estate.Applier) *object.ID {
	id := a.ID()
	return &id
}

// sweep finds folders that are applied without a kustomization file.
func sweep(x *Context, a *estate.Applier) []Found {
	if a.Kind != estate.KustomizationKind || a.Files == nil || len(a.Chain) == 0 || a.State == estate.Unresolved {
		return nil
	}
	folder := path.Clean("./" + a.Path)
	if e, err := a.Files.Stat(folder); err != nil || e.Mode != tree.Directory {
		return nil
	}
	for _, name := range kustomizationNames {
		if _, err := a.Files.Stat(path.Join(folder, name)); err == nil {
			return nil
		}
	}
	if folder != "." {
		if a.Own && ownSync(a) {
			return nil
		}
		return one(Found{
			Level: finding.Low, Field: "spec.path", File: fileOfSource(a, folder),
			Message: fmt.Sprintf("%s applies every YAML file below %s, as no kustomization file says which", a, folder),
		})
	}
	if len(land(x)[a.Source.Repository]) < 2 {
		return nil // one purpose
	}
	return one(Found{
		Field:   "spec.path",
		Message: fmt.Sprintf("%s applies every YAML file of its source, folders of other appliers too, as no kustomization file says which", a),
	})
}

// ownSync reports whether an applier is its cluster's entry point.
func ownSync(a *estate.Applier) bool {
	return a.Namespace == a.Home.FluxNamespace && a.Name == a.Home.FluxNamespace
}
