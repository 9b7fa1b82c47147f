package cli

import (
	"encoding/json"
	"os"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// The versions of the JSON documents. A field may be added within a version;
// none changes its meaning or goes.
const (
	renderSchema  = "bulkhead.dev/render/v1"
	impactSchema  = "bulkhead.dev/impact/v1"
	reachSchema   = "bulkhead.dev/reach/v1"
	versionSchema = "bulkhead.dev/version/v1"
)

// newRedactor makes the redactor of a run. With BULKHEAD_SALT set, equal secrets
// get equal marks in every run.
func newRedactor() *object.Redactor { return object.NewRedactor([]byte(os.Getenv("BULKHEAD_SALT"))) }

// some is list, or an empty list for nil: JSON has no null lists.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// Manifest is the content of an object, with secret values replaced by
// "[redacted hmac:...]".
type Manifest struct {
	body   *object.Body
	redact *object.Redactor
}

// MarshalJSON redacts the content only when it is written, so that a large fleet
// is not held twice.
func (m Manifest) MarshalJSON() ([]byte, error) { return json.Marshal(m.redact.Body(m.body)) }

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

// coverage sums up the clusters. A source, base or variable that several
// appliers need counts once.
func coverage(clusters []*render.Cluster) Coverage {
	var c Coverage
	seen := map[[3]string]bool{}
	for _, cluster := range clusters {
		n := cluster.Counts()
		c.Appliers += n.Appliers
		c.Built += n.Built
		c.Failures += n.Failures
		for _, u := range cluster.Unresolved {
			key := [3]string{u.Kind, u.Subject}
			if u.Kind != render.UnresolvedSource && u.Kind != render.UnresolvedRemote {
				key[2] = cluster.Name
			}
			if u.Kind == render.UnresolvedEncrypted || u.Kind == render.UnresolvedPath || u.Kind == render.UnresolvedChart {
				key[1] = u.Applier.String()
			}
			if seen[key] {
				continue
			}
			seen[key] = true
			switch u.Kind {
			case render.UnresolvedSource:
				c.Sources++
			case render.UnresolvedRemote:
				c.Remotes++
			case render.UnresolvedVariable:
				c.Variables++
			case render.UnresolvedEncrypted:
				c.Encrypted++
			case render.UnresolvedChart:
				c.Charts++
			case render.UnresolvedValues:
				c.Values++
			default:
				c.Other++
			}
		}
	}
	return c
}

// totals are the failures and unresolved entries of the clusters.
func totals(clusters []*render.Cluster) (failures, unresolved int) {
	for _, c := range clusters {
		failures += len(c.Failures)
		unresolved += len(c.Unresolved)
	}
	return failures, unresolved
}
