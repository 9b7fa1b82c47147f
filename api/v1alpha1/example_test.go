package v1alpha1_test

import (
	"errors"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

func ExampleDecode() {
	docs, err := v1alpha1.Decode("fleet/clusters.yaml", []byte(`
apiVersion: bulkhead.dev/v1alpha1
kind: Cluster
metadata: {name: prod-us-east-1, labels: {env: prod}}
spec:
  path: ./clusters/prod-us-east-1/
  variables: {domain: us.acme.example}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	c := docs.Clusters[0]
	fmt.Println(c.Name, c.Spec.EntryPaths(), c.Place)
	// Output: prod-us-east-1 [clusters/prod-us-east-1] {fleet/clusters.yaml 2}
}

func ExampleDecode_mistake() {
	_, err := v1alpha1.Decode("fleet/clusters.yaml", []byte(`
apiVersion: bulkhead.dev/v1alpha1
kind: Cluster
metadata: {name: prod-us-east-1}
spec:
  pth: clusters/prod-us-east-1
`))
	if fault, ok := errors.AsType[*v1alpha1.DocumentError](err); ok {
		fmt.Println(fault)
		fmt.Println(fault.Hint)
	}
	// Output:
	// fleet/clusters.yaml:6: unknown field spec.pth
	// did you mean path?
}
