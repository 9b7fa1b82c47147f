package v1alpha1

import (
	"slices"
	"testing"
)

// TestAPIVersions reads the forms that Helm writes, and keeps their order.
func TestAPIVersions(t *testing.T) {
	const text = "apiVersion: bulkhead.dev/v1alpha1\nkind: Cluster\nmetadata: {name: a}\nspec:\n  path: c\n" +
		"  apiVersions: [monitoring.coreos.com/v1, cert-manager.io/v1/Certificate, example.com/v1beta1, v1, v1/Pod]\n"
	docs, err := Decode("fleet.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"monitoring.coreos.com/v1", "cert-manager.io/v1/Certificate", "example.com/v1beta1", "v1", "v1/Pod"}
	if got := docs.Clusters[0].Spec.APIVersions; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
