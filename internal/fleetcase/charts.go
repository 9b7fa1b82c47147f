package fleetcase

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
	repo "helm.sh/helm/v4/pkg/repo/v1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Charts serves chart packages, by any key, in the repository at [ChartsURL] and nothing else.
func Charts(packages map[string][]byte) (*Served, error) {
	s := &Served{
		charts: map[string][]byte{}, index: repo.NewIndexFile(),
		images: map[string]map[string]*image{}, blobs: map[string][]byte{},
		buckets: map[string]map[string]tree.Blob{}, answers: map[string]*Answer{},
	}
	s.index.Generated = made
	for _, key := range slices.Sorted(maps.Keys(packages)) {
		c, err := loader.LoadArchive(bytes.NewReader(packages[key]))
		if err != nil {
			return nil, fmt.Errorf("load chart %s: %w", key, err)
		}
		if err := s.serveChart(c.Metadata, packages[key]); err != nil {
			return nil, fmt.Errorf("serve chart %s: %w", key, err)
		}
	}
	s.index.SortEntries()
	return s, nil
}
