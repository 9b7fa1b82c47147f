package rule

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// tangleRules are about files that reach clusters that they are not for.
func tangleRules() []Rule {
	source := "kustomize API v0.21.1: the files that a build asks for"
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "LAY-001", Level: finding.High, Title: "One file reaches production and other clusters at once",
				Why:  "A new version that is meant for a test arrives in production with the same commit: no environment is there to find the mistake first.",
				Hint: "say the version, the image or the number of replicas in the overlay of each environment, or give production another tag of the repository",
			},
			Unless: "Overlays say what differs, or the file holds nothing that is promoted: namespaces, network policies, limits, settings.",
			Static: ofFiles, Source: source, fleet: sharedBase,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-002", Level: finding.Medium, Title: "A shared file names one cluster",
				Why:  "The other clusters that read the file get the name, the domain or the account of that one.",
				Hint: "write a variable in its place, or move it to the overlay of the cluster",
			},
			Unless: "The name is in a comment.",
			Static: ofFiles, Source: source, fleet: literals,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-004", Level: finding.High, Title: "A cluster borrows another one's overlay, or has none",
				Why:  "A change that is meant for one cluster or environment changes this one, too; or what the overlays set is not set here.",
				Hint: "give the cluster or its environment an overlay of its own, be it one that only names the base",
			},
			Unless: "The component is the same everywhere.",
			Static: ofFiles, Source: source, fleet: borrowed,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-005", Level: finding.High, Title: "Files reach a cluster that they are not declared for",
				Why:  "Who changes a folder that is named for one environment, or a tenant's files, expects nothing to happen on other clusters.",
				Hint: "declare the cluster, or cut the reference",
			},
			Unless: "The cluster is new and not declared yet.",
			Static: ofFiles, Source: source, fleet: reachesUndeclared,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-009", Level: finding.High, Title: "A cluster reads the folder of another cluster",
				Why:  "Who changes the folder of one cluster changes the other without knowing.",
				Hint: "move what both need to a folder that belongs to neither",
			},
			Unless: "Both clusters start at that folder.",
			Static: ofFiles, Source: source, fleet: reachesOver,
		},
		{
			Rule: finding.Rule{
				ID: "LAY-010", Level: finding.Low, Title: "Overlays are copies of each other",
				Why:  "A change has to be made in each copy, and one day one is forgotten.",
				Hint: "move what they have in common to a base",
			},
			Unless: "The copies are to be independent on purpose.",
			Static: ofFiles, Source: source, fleet: copies,
		},
	}
}

// overlay is a folder that says by its name which cluster or environment it is for.
type overlay struct {
	component string // the folder that holds the overlays: "apps/overlays"
	key       string
	kind      overlayKind
}

type overlayKind uint8

const (
	plainFolder  overlayKind = iota
	namedOverlay             // one of several beside a base, or under "overlays"
	namedFolder              // some other folder with the name of an environment or of a cluster
)

// overlayOf is the outermost folder on the way to a file that is named after a cluster or an environment.
func overlayOf(x *Context, file string) overlay {
	dir := path.Dir(file)
	if dir == "." {
		return overlay{}
	}
	parts := strings.Split(dir, "/")
	for i, part := range parts {
		if !clusterKeys(x)[part] && environmentWords[strings.ToLower(part)] == "" {
			continue
		}
		o := overlay{component: path.Join(parts[:i]...), key: part, kind: namedFolder}
		if i > 0 && (overlaysFolder(parts[i-1]) || hasBase(x, o.component)) {
			o.kind = namedOverlay
		}
		return o
	}
	return overlay{}
}

func overlaysFolder(name string) bool {
	switch name {
	case "overlays", "overlay", "envs", "environments", "variants":
		return true
	}
	return false
}

// hasBase says whether a folder holds a folder base.
func hasBase(x *Context, dir string) bool {
	return once(x, "base "+dir, func() bool {
		e, err := x.Files.Stat(path.Join(dir, "base"))
		return err == nil && e.IsDir()
	})
}

// clusterKeys are the names of clusters and environments by which folders may be called. A name without a dash may mean anything, unless it is a common name of
// an environment.
func clusterKeys(x *Context) map[string]bool {
	return once(x, "cluster keys", func() map[string]bool {
		out := map[string]bool{}
		for _, c := range x.Clusters {
			for _, name := range []string{c.Name, c.Environment} {
				if strings.Contains(name, "-") || environmentWords[strings.ToLower(name)] != "" {
					out[name] = true
				}
			}
		}
		return out
	})
}

// fits says whether a folder of that name is for a cluster, and whether that can be told.
func fits(c *estate.Cluster, key string) (fits, known bool) {
	if key == c.Name || key == c.Environment {
		return true, true
	}
	for _, v := range c.Labels {
		if v == key {
			return true, true
		}
	}
	mine, theirs := environmentWords[strings.ToLower(c.Environment)], environmentWords[strings.ToLower(key)]
	switch {
	case theirs == "": // the name of another cluster, or of an environment that is another
		return false, true
	case mine == "":
		return false, c.Production && theirs != "prod"
	case theirs == "nonprod":
		return !c.Production, true
	}
	return mine == theirs, true
}

// astray tells of each cluster that reads an overlay that is not for it, of one kind.
func astray(x *Context, kind overlayKind, say func(c *estate.Cluster, o overlay, file string, a *estate.Applier) Found) (out []Found) {
	type at struct {
		c *estate.Cluster
		o overlay
	}
	seen := map[at]bool{}
	r := readsOf(x)
	for _, file := range r.paths {
		if entryOf(x, file) != "" {
			continue // LAY-009
		}
		o := overlayOf(x, file)
		if o.kind != kind {
			continue
		}
		for _, a := range r.files[file] {
			if ok, known := fits(a.Target, o.key); ok || !known || seen[at{a.Target, o}] {
				continue
			}
			seen[at{a.Target, o}] = true
			out = append(out, say(a.Target, o, file, a))
		}
	}
	return out
}

// borrowed looks for clusters that read another one's overlay, or the base of a component for which others have overlays.
func borrowed(x *Context) []Found {
	if x.Files == nil {
		return nil
	}
	out := astray(x, namedOverlay, func(c *estate.Cluster, o overlay, file string, a *estate.Applier) Found {
		return Found{Message: fmt.Sprintf("cluster %s takes %s, by %s", c.Name, path.Join(o.component, o.key), a), Cluster: c, File: file}
	})
	return append(out, withoutOverlay(x)...)
}

// withoutOverlay looks for appliers whose folder is a base, where other clusters have overlays of it.
func withoutOverlay(x *Context) (out []Found) {
	overlays := map[string]bool{} // by the base that they are of
	for file := range readsOf(x).files {
		if o := overlayOf(x, file); o.kind == namedOverlay && entryOf(x, file) == "" {
			overlays[path.Join(o.component, "base")] = true
			overlays[path.Join(path.Dir(o.component), "base")] = true
		}
	}
	for _, c := range x.Clusters {
		for _, a := range c.Appliers {
			if !a.Own || a.Kind != estate.KustomizationKind || a.State != estate.Built {
				continue
			}
			if dir := path.Join(a.Prefix, a.Path); overlays[dir] {
				out = append(out, Found{
					Message: fmt.Sprintf("cluster %s takes %s, which is a base: other clusters have an overlay of it", c.Name, dir), Cluster: c, Object: a.Object, Field: "spec.path",
				})
			}
		}
	}
	return out
}

// reachesUndeclared looks for folders named after another environment or cluster, and for tenants on clusters where their document gives them nothing.
func reachesUndeclared(x *Context) (out []Found) {
	for _, c := range x.Clusters {
		for _, p := range c.Compartments {
			if p.Tenant.Inferred || len(p.Namespaces) > 0 || len(p.Appliers) == 0 {
				continue
			}
			a := p.Appliers[0]
			out = append(out, Found{
				Message: fmt.Sprintf("%s applies files of tenant %s on cluster %s, where its document gives it nothing", a, p.Tenant.Name, c.Name), Cluster: c, Tenant: p.Tenant, Object: a.Object,
			})
		}
	}
	if x.Files == nil {
		return out
	}
	return append(out, astray(x, namedFolder, func(c *estate.Cluster, o overlay, file string, a *estate.Applier) Found {
		return Found{Message: fmt.Sprintf("cluster %s reads %s, by %s", c.Name, path.Join(o.component, o.key), a), Cluster: c, File: file}
	})...)
}

// reachesOver looks for clusters that read files below where another one starts. What a cluster applies to another one is its own.
func reachesOver(x *Context) (out []Found) {
	type at struct {
		home *estate.Cluster
		dir  string
	}
	folders, r := entryFolders(x), readsOf(x)
	seen := map[at]bool{}
	for _, file := range r.paths {
		dir := entryOf(x, file)
		if dir == "" {
			continue
		}
		for _, a := range r.files[file] {
			if slices.Contains(folders[dir], a.Home) || slices.Contains(folders[dir], a.Target) || seen[at{a.Home, dir}] {
				continue
			}
			seen[at{a.Home, dir}] = true
			out = append(out, Found{
				Message: fmt.Sprintf("cluster %s reads %s, where cluster %s starts", a.Home.Name, file, phrase.List(clusterNames(folders[dir]), 3)), Cluster: a.Home, File: file,
			})
		}
	}
	return out
}
