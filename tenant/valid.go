package tenant

import (
	"fmt"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// valid applies Kubernetes' rules for metadata. The rules for specs are those of the documents' own types, and of the
// schema that goes with them.
func valid(content map[string]any) error {
	u := &unstructured.Unstructured{Object: content}
	name := apivalidation.NameIsDNSSubdomain
	switch u.GetKind() {
	case "Namespace":
		name = apivalidation.ValidateNamespaceName
	case "ServiceAccount":
		name = apivalidation.ValidateServiceAccountName
	case "ClusterRole", "RoleBinding": // path segments: checked with the documents
		name = func(string, bool) []string { return nil }
	case "GitRepository", "OCIRepository", "Kustomization": // their names become values of labels
		name = func(name string, _ bool) []string { return validation.IsDNS1123Label(name) }
	}
	namespaced := u.GetKind() != "Namespace" && u.GetKind() != "ClusterRole"
	if errs := apivalidation.ValidateObjectMetaAccessor(u, namespaced, name, field.NewPath("metadata")); len(errs) > 0 {
		return fmt.Errorf("%s %s: %w", u.GetKind(), u.GetName(), errs.ToAggregate())
	}
	return nil
}
