package rule

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// advisory is what is published of a vulnerability: a record in the form of OSV, reduced to what the rule needs.
type advisory struct {
	ID      string        `json:"id"`
	Aliases []string      `json:"aliases"`
	Summary string        `json:"summary"`
	Level   finding.Level `json:"level"`
	// Affected are half-open ranges of versions: "0" is before all of them.
	Affected []struct {
		Component  string `json:"component"`
		Introduced string `json:"introduced"`
		Fixed      string `json:"fixed"`
	} `json:"affected"`
}

//go:embed advisories.json
var advisoriesJSON []byte

// advisories are those that bulkhead knows without a network. TestAdvisories reads them: a fault in them is one of the build.
var advisories = sync.OnceValue(func() (out []advisory) { //nolint:gochecknoglobals // a constant table
	_ = json.Unmarshal(advisoriesJSON, &out)
	return out
})

// name by which most know it.
func (a *advisory) name() string {
	if len(a.Aliases) > 0 {
		return a.Aliases[0]
	}
	return a.ID
}

// hits reports whether a version of a component is affected.
func (a *advisory) hits(component string, version []int) bool {
	for _, r := range a.Affected {
		if r.Component == component && slices.Compare(version, release(r.Introduced)) >= 0 && slices.Compare(version, release(r.Fixed)) < 0 {
			return true
		}
	}
	return false
}

// release is a version in numbers.
func release(version string) (out []int) {
	for part := range strings.SplitSeq(version, ".") {
		n, _ := strconv.Atoi(part)
		out = append(out, n)
	}
	return out
}

// advised looks at the versions of a cluster's controllers.
func advised(_ *Context, c *estate.Cluster) (out []Found) {
	for _, k := range c.Controllers {
		if k.Object.Is(estate.OperatorGroup, "FluxInstance") {
			continue // it names Flux's version, and its operator that of each controller
		}
		version, known := k.Release()
		if !known {
			if !strings.Contains(k.Image, "@") {
				level := finding.Medium
				if len(served(c)) == 0 {
					level = finding.Low
				}
				out = append(out, Found{Level: level, Message: fmt.Sprintf("%s has an image without a version", k.Name), Object: k.Object, Field: startField(k.Object)})
			}
			continue
		}
		f := Found{Level: finding.Info, Object: k.Object, Field: startField(k.Object)}
		var names []string
		for i := range advisories() {
			a := &advisories()[i]
			if !a.hits(k.Name, version) {
				continue
			}
			names = append(names, a.name())
			f.Steps = append(f.Steps, finding.Step{Message: fmt.Sprintf("%s (%s): %s", a.name(), a.ID, a.Summary)})
			if a.Level.Rank() < f.Level.Rank() {
				f.Level = a.Level
			}
		}
		if len(names) > 0 {
			f.Message = fmt.Sprintf("%s %s has %s", k.Name, k.Version, strings.Join(names, ", "))
			out = append(out, f)
		}
	}
	return out
}
