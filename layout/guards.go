package layout

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// Guards are what holds the tenants of a cluster at run time, as the fleet asks for it: none when it does not. All compartments are of that
// cluster.
//
// The error is a [*v1alpha1.DocumentError] for a cluster that is too old.
func Guards(f *v1alpha1.Fleet, c *v1alpha1.Cluster, all []*tenant.Compartment) ([]*object.Object, error) {
	wanted, opts := guard.Mode(f)
	if !wanted || len(all) == 0 {
		return nil, nil
	}
	if !Guardable(c.Spec.KubernetesVersion) {
		return nil, &v1alpha1.DocumentError{
			File: c.Place.File, Line: c.Place.Line, Message: fmt.Sprintf("cluster %s has Kubernetes %s, and guards need 1.%d", c.Name, c.Spec.KubernetesVersion, guard.MinMinor),
			Hint: "upgrade the cluster, or set spec.guards of the Fleet document to Off",
		}
	}
	return guard.Objects(c.Name, all, opts)
}

// Guardable reports whether clusters of a version of Kubernetes, or one that is not said, can have guards.
func Guardable(version string) bool {
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	if len(parts) < 2 || parts[0] != "1" {
		return true
	}
	minor, err := strconv.Atoi(parts[1])
	return err != nil || minor >= guard.MinMinor
}
