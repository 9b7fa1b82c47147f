package concern

import (
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// tenantFolders hold a folder or a file for each tenant.
var tenantFolders = []string{"tenants", "teams"} //nolint:gochecknoglobals // a constant list

// genericNames are those of folders, files and accounts that name no tenant.
var genericNames = map[string]bool{ //nolint:gochecknoglobals // a constant set
	"": true, "base": true, "bases": true, "overlay": true, "overlays": true, "common": true, "shared": true, "all": true, "default": true,
	"component": true, "components": true, "env": true, "envs": true, "environments": true, "clusters": true, "templates": true, "flux-system": true, "flux": true,
	"kustomization": true, "namespace": true, "namespaces": true, "rbac": true, "sync": true, "source": true, "sources": true, "quota": true, "quotas": true,
	"readme": true, "tenant": true, "tenants": true, "team": true, "teams": true, "apps": true, "reconciler": true,
	"platform": true, "infra": true, "infrastructure": true,
}

func generic(name string) bool { return genericNames[strings.ToLower(name)] }

// byFolder asks the file of the object, then the folders that the appliers on the way to it are
// built from, the nearest first. The entry point's own folder is not asked.
func (j *Judge) byFolder(s *subject) verdict {
	if v := j.tenantFile(s.file); v.given() {
		return v
	}
	for i := len(s.chain) - 1; i > 0; i-- {
		if a := s.chain[i]; a.Own && a.Path != "" {
			if v := j.tenantFolder(folderOf(a), a.String()+" applies folder"); v.given() {
				return v
			}
		}
	}
	if self := s.self(); self != nil && self.Own && len(self.Chain) > 0 && self.Path != "" {
		return j.tenantFolder(folderOf(self), "it applies folder")
	}
	return verdict{}
}

func (j *Judge) tenantFile(file string) verdict { return j.tenantFolder(file, "file") }

func folderOf(a *render.Applier) string { return path.Join(a.Prefix, a.Path) + "/" }

// tenantFolder finds a tenant in a path: tenants/NAME/ or teams/NAME/, where folders that name no
// tenant may lie between, a file tenants/NAME.yaml, and apps/NAME/ for a tenant that has a document. A
// path that ends in a slash is a folder's.
func (j *Judge) tenantFolder(file, what string) verdict {
	if file == "" {
		return verdict{}
	}
	parts := strings.Split(file, "/")
	for i := len(parts) - 2; i >= 0; i-- {
		known := parts[i] == "apps"
		if !known && !slices.Contains(tenantFolders, parts[i]) {
			continue
		}
		name := j.tenantBelow(parts[i+1:])
		if name == "" || known && !j.tenants.names[name] {
			continue
		}
		return verdict{concern: Tenant(name), why: what + " " + strings.TrimSuffix(file, "/") + " is in folder " + parts[i] + " of tenant " + name}
	}
	return verdict{}
}

// tenantBelow is the name of the tenant that the rest of a path is of, or "".
func (j *Judge) tenantBelow(parts []string) string {
	for _, dir := range parts[:len(parts)-1] {
		if j.tenants.names[dir] || !generic(dir) && !isEnvironment(dir) && !j.view.known[dir] {
			return dir
		}
	}
	stem := parts[len(parts)-1]
	stem = strings.TrimSuffix(stem, path.Ext(stem))
	if j.tenants.names[stem] {
		return stem
	}
	for name := stem; strings.Contains(name, "-"); { // dev-team-patch.yaml
		if name = name[:strings.LastIndexByte(name, '-')]; j.folders()[name] {
			return name
		}
	}
	if len(parts) == 1 && stem != "" && !generic(stem) && !isEnvironment(stem) && !j.view.known[stem] {
		return stem
	}
	return ""
}

// folders are the names of the folders that lie in a tenants' folder, on either side.
func (j *Judge) folders() map[string]bool {
	if j.known != nil {
		return j.known
	}
	j.known = map[string]bool{}
	for _, t := range j.fleet.Trees {
		_ = t.Walk(".", func(p string, e tree.Entry) error { // what cannot be read names nobody
			if !e.IsDir() {
				return nil
			}
			parts := strings.Split(p, "/")
			i := slices.IndexFunc(parts, func(p string) bool { return slices.Contains(tenantFolders, p) })
			for i >= 0 && i+1 < len(parts) {
				if i++; !generic(parts[i]) && !isEnvironment(parts[i]) && !j.view.known[parts[i]] {
					j.known[parts[i]] = true
					break
				}
			}
			return nil
		})
	}
	return j.known
}

// byCluster asks whether the object is of one cluster alone.
func (j *Judge) byCluster(s *subject) verdict {
	if s.file == "" || s.foreign { // what another repository holds is not one cluster's
		return verdict{}
	}
	return j.ofCluster(s.cluster, s.file)
}

// ofCluster says whether a file is one cluster's: it lies in the folder where the cluster starts, or in one
// named like the cluster, and no other cluster reads it. What lies in flux-system there is Flux itself.
func (j *Judge) ofCluster(cluster, file string) verdict {
	c := j.view.cluster(cluster)
	if c == nil {
		return verdict{}
	}
	if r := j.reader(file); r.many || r.cluster != "" && r.cluster != cluster && r.home != cluster {
		return verdict{}
	}
	for _, folder := range j.view.entries(cluster) {
		if inside, ok := cutFolder(file, folder); ok && folder != "." {
			if strings.HasPrefix(inside, "flux-system/") {
				return verdict{concern: Platform, why: "file " + file + " is part of Flux itself", alone: file}
			}
			return verdict{concern: Cluster, why: "file " + file + " is in folder " + folder + " of cluster " + cluster, alone: file}
		}
	}
	parts := strings.Split(file, "/")
	last := len(parts) - 1
	parts[last] = strings.TrimSuffix(parts[last], path.Ext(parts[last]))
	if i := slices.Index(parts, cluster); i >= 0 && cluster != "root" {
		if i == last {
			return verdict{concern: Cluster, why: "file " + file + " is named like cluster " + cluster, alone: file}
		}
		return verdict{concern: Cluster, why: "file " + file + " is in a folder named like cluster " + cluster, alone: file}
	}
	return verdict{}
}

// entries are the folders, from the repository's root, where a cluster starts.
func (v *view) entries(cluster string) []string {
	var out []string
	for _, s := range []*side{v.after, v.before} {
		c := s.clusters[cluster]
		if c == nil {
			continue
		}
		if c.Entry != nil {
			out = append(out, path.Join(c.Entry.Prefix, c.Entry.Path))
		}
		for _, a := range c.Appliers { // a cluster may start at several
			if len(a.Chain) == 0 && a.Own && a.Path != "" {
				out = append(out, path.Join(a.Prefix, a.Path))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func cutFolder(file, folder string) (string, bool) {
	if folder == "." {
		return file, true
	}
	return strings.CutPrefix(file, folder+"/")
}

// reader is which cluster reads a file: "" for none, and whether there are several.
type reader struct {
	cluster, home string
	many          bool
}

func (j *Judge) reader(file string) reader {
	if r, ok := j.readers[file]; ok {
		return r
	}
	r := reader{}
	for _, t := range j.view.traces {
		if !t.read(file) {
			continue
		}
		if t.many || r.cluster != "" && r.cluster != t.cluster {
			r.many = true
			break
		}
		r.cluster, r.home = t.cluster, t.appliers[0].Home
	}
	j.readers[file] = r
	return r
}
