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
	reachSchema   = "bulkhead.dev/reach/v1"
	assessSchema  = "bulkhead.dev/assess/v1"
	checkSchema   = "bulkhead.dev/check/v1"
	rulesSchema   = "bulkhead.dev/rules/v1"
	ruleSchema    = "bulkhead.dev/rule/v1"
	versionSchema = "bulkhead.dev/version/v1"

	cacheStatSchema  = "bulkhead.dev/cache-stat/v1"
	cacheClearSchema = "bulkhead.dev/cache-clear/v1"

	editSchema     = "bulkhead.dev/edit/v1"
	clustersSchema = "bulkhead.dev/clusters/v1"
	tenantsSchema  = "bulkhead.dev/tenants/v1"
	initSchema     = "bulkhead.dev/init/v1"
	importSchema   = "bulkhead.dev/tenant-import/v1"
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

// totals are the failures and unresolved entries of the clusters.
func totals(clusters []*render.Cluster) (failures, unresolved int) {
	for _, c := range clusters {
		failures += len(c.Failures)
		unresolved += len(c.Unresolved)
	}
	return failures, unresolved
}
