package tree_test

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/tree"
)

func Example() {
	hub := tree.FromMap(map[string]string{
		"README.md":        "# Hub",
		"apps/api.yaml":    "kind: Deployment",
		"clusters/eu.yaml": "kind: Kustomization",
	})
	yaml := hub.Filter(func(path string, _ tree.Entry) bool { return strings.HasSuffix(path, ".yaml") })
	spoke := tree.FromMap(map[string]string{"web.yaml": "kind: Service"})
	both, err := yaml.Mount("apps/billing", spoke)
	if err != nil {
		fmt.Println(err)
		return
	}

	rec := tree.Record(both)
	_, _ = rec.ReadFile("apps/billing/web.yaml")
	_ = both.Walk(".", func(path string, e tree.Entry) error {
		fmt.Println(e.Mode, path)
		return nil
	})
	fmt.Println("reads the same in the hub alone:", rec.Trace().Holds(hub))
	// Output:
	// 40000 apps
	// 100644 apps/api.yaml
	// 40000 apps/billing
	// 100644 apps/billing/web.yaml
	// 40000 clusters
	// 100644 clusters/eu.yaml
	// reads the same in the hub alone: false
}
