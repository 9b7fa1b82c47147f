package render

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/phrase"
)

// Coverage tells how much of the question could be answered.
type Coverage struct {
	Appliers  int `json:"appliers"`  // found
	Built     int `json:"built"`     // whose objects are known
	Failures  int `json:"failures"`  // that the controllers would report
	Sources   int `json:"sources"`   // unresolved ones
	Remotes   int `json:"remotes"`   // remote bases and files, which are not fetched
	Variables int `json:"variables"` // unknown ones, by cluster
	Encrypted int `json:"encrypted"` // appliers with SOPS ciphertext
	Charts    int `json:"charts"`    // releases whose chart is not at hand
	Values    int `json:"values"`    // references to values of charts that are not in Git
	Other     int `json:"other"`     // unresolved for another reason
}

// CoverageOf sums up the clusters. A source, base or variable that several appliers need counts once.
func CoverageOf(clusters []*Cluster) Coverage {
	var c Coverage
	seen := map[[3]string]bool{}
	for _, cluster := range clusters {
		n := cluster.Counts()
		c.Appliers += n.Appliers
		c.Built += n.Built
		c.Failures += n.Failures
		for _, u := range cluster.Unresolved {
			if k := sameAs(u); !seen[k] {
				seen[k] = true
				*c.of(u.Kind)++
			}
		}
	}
	return c
}

// sameAs is equal for what counts once.
func sameAs(u Unresolved) [3]string {
	key := [3]string{u.Kind, u.Subject}
	if u.Kind != UnresolvedSource && u.Kind != UnresolvedRemote {
		key[2] = u.Cluster
	}
	if u.Kind == UnresolvedEncrypted || u.Kind == UnresolvedPath || u.Kind == UnresolvedChart {
		key[1] = u.Applier.String()
	}
	return key
}

func (c *Coverage) of(kind string) *int {
	switch kind {
	case UnresolvedSource:
		return &c.Sources
	case UnresolvedRemote:
		return &c.Remotes
	case UnresolvedVariable:
		return &c.Variables
	case UnresolvedEncrypted:
		return &c.Encrypted
	case UnresolvedChart:
		return &c.Charts
	case UnresolvedValues:
		return &c.Values
	default:
		return &c.Other
	}
}

// String is one line: "coverage: appliers 14/14 built, 2 failures".
func (c Coverage) String() string {
	parts := []string{fmt.Sprintf("appliers %d/%d built", c.Built, c.Appliers)}
	for _, p := range []struct {
		n          int
		noun, more string
	}{
		{c.Failures, "failure", ""},
		{c.Charts, "release", " whose chart is not at hand"},
		{c.Values, "reference", " to values of charts that are not in Git"},
		{c.Sources, "source", " unresolved"},
		{c.Remotes, "remote reference", " not fetched"},
		{c.Variables, "variable", " unknown"},
		{c.Encrypted, "applier", " with encrypted values"},
		{c.Other, "other part", " unresolved"},
	} {
		if p.n > 0 {
			parts = append(parts, phrase.Count(p.n, p.noun)+p.more)
		}
	}
	return "coverage: " + strings.Join(parts, ", ")
}
