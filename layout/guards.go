package layout

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/fluxcd/pkg/apis/kustomize"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// GuardsDir is the folder with the guards of all clusters. A cluster has a folder of that name among its tenants, with what makes them its own.
const GuardsDir = "guards"

// guardsFile in [GuardsDir] has the objects.
const guardsFile = "guards.yaml"

// guardBase is what the clusters with guards share.
func guardBase(f *v1alpha1.Fleet) ([]File, error) {
	_, opts := guard.Mode(f)
	objects, err := guard.Base(opts)
	if err != nil {
		return nil, err
	}
	text, err := manifests("the fleet's documents", objects)
	if err != nil {
		return nil, err
	}
	return []File{
		{path.Join(GuardsDir, guardsFile), text},
		{path.Join(GuardsDir, kustomizationFile), kustomization(guardsFile)},
	}, nil
}

// guards of a cluster are a kustomization file in a folder: the base with patches. There is none when the fleet asks for no guards, or the cluster has no tenants.
//
// The error is a [*v1alpha1.DocumentError] for a cluster that is too old.
func guards(f *v1alpha1.Fleet, c *v1alpha1.Cluster, dir string, all []*tenant.Compartment) ([]File, error) {
	if wanted, _ := guard.Mode(f); !wanted || len(all) == 0 {
		return nil, nil
	}
	if !Guardable(c.Spec.KubernetesVersion) {
		return nil, &v1alpha1.DocumentError{
			File: c.Place.File, Line: c.Place.Line, Message: fmt.Sprintf("cluster %s has Kubernetes %s, and guards need 1.%d", c.Name, c.Spec.KubernetesVersion, guard.MinMinor),
			Hint: "upgrade the cluster, or set spec.guards of the Fleet document to Off",
		}
	}
	root := strings.Repeat("../", strings.Count(dir, "/")+1)
	return []File{{path.Join(dir, kustomizationFile), kustomization(root+GuardsDir) + patches(guard.Patches(all))}}, nil
}

// patches are those of a kustomization file, with a line for each line: who adds a tenant adds lines and changes none.
func patches(all []kustomize.Patch) string {
	var b strings.Builder
	_, _ = b.WriteString("patches:\n")
	for _, p := range all {
		_, _ = fmt.Fprintf(&b, "- target:\n    kind: %s\n    annotationSelector: %s\n  patch: |\n", p.Target.Kind, p.Target.AnnotationSelector)
		for line := range strings.Lines(p.Patch) {
			_, _ = b.WriteString("    " + line)
		}
	}
	return b.String()
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
