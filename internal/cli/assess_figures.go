package cli

import (
	"maps"
	"path"
	"slices"

	"github.com/bulkhead-dev/bulkhead/impact/extent"
	"github.com/bulkhead-dev/bulkhead/layout/shape"
)

func folderOf(file string) string { return path.Dir(file) }

// figures fills in what is counted.
func (m *measured) figures() {
	n := &m.d.Figures
	environments := map[string]bool{}
	for _, c := range m.extent.Clusters {
		m.d.Clusters = append(m.d.Clusters, AssessedCluster{
			Name: c.Name, Environment: c.Environment, Inferred: c.Inferred, Folder: c.Folder, Appliers: c.Appliers, Objects: c.Objects,
		})
		n.Appliers += c.Appliers
		if c.Environment != "" {
			environments[c.Environment] = true
		}
	}
	n.Clusters, n.Environments, n.Tenants = len(m.extent.Clusters), len(environments), len(m.tenants)
	n.Objects, n.Files, n.Read = m.extent.Objects, m.extent.Total, len(m.extent.Files)
	m.reaches()
	repositories, files, clusters := map[string]bool{}, []int{}, []int{}
	for _, name := range slices.Sorted(maps.Keys(m.tenants)) {
		t := m.tenants[name]
		maps.Copy(repositories, t.repositories)
		m.d.Tenants = append(m.d.Tenants, AssessedTenant{
			Name: name, Repositories: t.Repositories, Clusters: append([]string{}, slices.Sorted(maps.Keys(t.clusters))...), Files: t.files, Workloads: t.Workloads,
		})
		files, clusters = append(files, t.files), append(clusters, len(t.clusters))
	}
	n.Repositories, n.TenantFiles, n.TenantClusters = 1+len(repositories), median(files), median(clusters)
	m.isolation()
}

// reaches counts files by how far they reach, and finds folders that mix concerns.
func (m *measured) reaches() {
	n := &m.d.Figures
	var files []shape.File
	for i := range m.extent.Files {
		f := &m.extent.Files[i]
		if len(f.Clusters) > 1 {
			n.SeveralClusters++
		}
		if len(f.Tenants) > 1 {
			n.SeveralTenants++
		}
		if f.Together() {
			n.Together++
		}
		objects := map[string]int{}
		for of, count := range f.Objects {
			objects[string(of)] = count
		}
		files = append(files, shape.File{Path: f.Path, Concern: string(f.Concern), Objects: objects})
	}
	m.d.MixedFolders = shape.MixedFolders(files)
	n.MixedFolders = len(m.d.MixedFolders)
}

// isolation counts what keeps tenants apart.
func (m *measured) isolation() {
	n := &m.d.Isolation
	for _, a := range m.extent.Appliers {
		if _, tenant := a.Concern.TenantName(); !tenant || !applies(a) {
			continue
		}
		n.Appliers++
		if a.Account == "" {
			n.WithoutAccount++
		}
		if a.Namespace == "flux-system" {
			n.InFluxSystem++
		}
		if a.Kind == "Kustomization" && !a.Own && a.Repository != "" {
			n.OwnSource++
		}
	}
}

func applies(a extent.Applier) bool { return a.Kind == "Kustomization" || a.Kind == "HelmRelease" }

// median of numbers, the lower one of two; 0 for none.
func median(n []int) int {
	if len(n) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(n))
	return sorted[(len(sorted)-1)/2]
}
