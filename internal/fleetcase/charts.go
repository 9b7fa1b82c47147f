package fleetcase

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// Charts serves chart packages, by any key, in the repository at [ChartsURL] and nothing else.
func Charts(packages map[string][]byte) (*Served, error) {
	s := newServed()
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
