package survey_test

import (
	"maps"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
)

// TestClusters: nothing is found in a fleet of several clusters as bulkhead makes it, but that production follows one branch.
func TestClusters(t *testing.T) {
	f := newFleet(t)
	o := scaffold.Options{Name: "acme", URL: "https://git.example.com/acme/fleet", Owner: "@acme/platform", CI: scaffold.NoCI}
	for _, name := range []string{"prod", "prod-eu-1", "staging-eu-1"} {
		env, _, _ := strings.Cut(name, "-")
		o.Clusters = append(o.Clusters, v1alpha1.Cluster{
			ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"env": env}},
			Spec:       v1alpha1.ClusterSpec{Path: "clusters/" + name, KubernetesVersion: "1.36", Variables: map[string]string{"domain": name + ".example.com"}},
		})
	}
	hub, err := scaffold.Fleet(o)
	if err != nil {
		t.Fatal(err)
	}
	base := maps.Clone(f.base)
	const components = "/flux-system/gotk-components.yaml"
	for _, c := range o.Clusters {
		base["hub/clusters/"+c.Name+components] = f.base["hub/clusters/prod"+components]
	}
	x := (&fleet{base, hub}).with(t, nil)
	if len(x.Clusters) != 3 {
		t.Errorf("%d clusters", len(x.Clusters))
	}
	found := rule.Find(x, x, "BLR-004")
	if len(found) > 0 {
		t.Errorf("found: %s", told(found))
	}
	if count(rule.Find(x, nil), "BLR-004") != 1 {
		t.Error("BLR-004 finds no single branch of production")
	}
}
