// Package history says how far commits of the past reached.
//
// It turns the renders of a commit and of the one before it into a [Commit], and many of those into figures. Its
// invariant: what it calls a changed cluster, environment or tenant is what gates call so, in
// impact.clusters, impact.environments and impact.tenants. Start at [Of].
package history

import (
	"maps"
	"slices"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/extent"
	"github.com/bulkhead-dev/bulkhead/impact/gate"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Version is the repository at one commit.
type Version struct {
	// Rendered is what Flux applies; nil for a repository without clusters.
	Rendered *render.Result
	Tree     *tree.Tree
}

// Commit is how far one commit reached.
type Commit struct {
	// Clusters that changed, or of which something is not known any more; sorted.
	Clusters []string `json:"clusters"`
	// Environments of those clusters, sorted; a cluster may have none.
	Environments []string `json:"environments"`
	// Tenants whose objects changed, sorted.
	Tenants []string `json:"tenants"`
	// Objects that changed, counted on each cluster.
	Objects int `json:"objects"`
	// Files that the commit changed.
	Files int `json:"files"`
	// Shared are those of the files that clusters of production read and clusters of another environment too, before or
	// after; sorted.
	Shared []string `json:"shared"`
}

// Together reports whether the commit reached production and another environment.
func (c *Commit) Together() bool {
	return len(c.Environments) > 1 && slices.ContainsFunc(c.Environments, gate.Production)
}

// Of finds how far a commit reached. Files are those that differ, from the repository's root; docs are those after the commit.
func Of(before, after Version, files []string, docs v1alpha1.Documents) Commit {
	report := impact.Between(before.Rendered, after.Rendered, impact.Options{Files: files})
	c := Commit{Clusters: []string{}, Environments: []string{}, Tenants: []string{}, Files: len(files), Shared: []string{}}
	judge := concern.New(concern.FleetOf(docs, before.Tree, after.Tree), before.Rendered, after.Rendered)
	environments, tenants := map[string]bool{}, map[string]bool{}
	for _, cl := range report.Clusters {
		c.Objects += cl.Counts.Total()
		if cl.Counts.Total()+len(cl.Withheld)+len(cl.OneSided()) == 0 {
			continue
		}
		c.Clusters = append(c.Clusters, cl.Name)
		if env, _ := judge.Environment(cl.Name); env != "" {
			environments[env] = true
		}
		for _, ch := range cl.Changes {
			whose, _ := judge.Of(ch)
			if name, ok := whose.TenantName(); ok {
				tenants[name] = true
			}
		}
	}
	c.Environments = append(c.Environments, slices.Sorted(maps.Keys(environments))...)
	c.Tenants = append(c.Tenants, slices.Sorted(maps.Keys(tenants))...)
	if c.Together() {
		c.Shared = append(c.Shared, shared(judge, files, before.Rendered, after.Rendered)...)
	}
	return c
}

// shared are the files that production and another environment read.
func shared(judge *concern.Judge, files []string, sides ...*render.Result) []string {
	wanted, readers := map[string]bool{}, map[string]map[string]bool{}
	for _, f := range files {
		wanted[f] = true
	}
	for _, r := range sides {
		if r == nil {
			continue
		}
		for _, c := range r.Clusters {
			env, _ := judge.Environment(c.Name)
			if env == "" {
				continue
			}
			extent.Reads(c, func(file string) {
				if wanted[file] {
					if readers[file] == nil {
						readers[file] = map[string]bool{}
					}
					readers[file][env] = true
				}
			})
		}
	}
	var out []string
	for _, f := range files {
		c := Commit{Environments: slices.Collect(maps.Keys(readers[f]))}
		if c.Together() {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}
