// Roles writes 1.N.json into the folder that it is given: the roles and bindings that Kubernetes 1.N makes when it starts, from its own module.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

// versions whose roles are kept: the newest patch of each minor version.
var versions = []string{"v1.30.14", "v1.31.14", "v1.32.13", "v1.33.13", "v1.34.4", "v1.35.4", "v1.36.3"}

var files = []string{
	"cluster-roles.yaml", "cluster-role-bindings.yaml", "controller-roles.yaml", "controller-role-bindings.yaml", "namespace-roles.yaml", "namespace-role-bindings.yaml",
}

func main() {
	dir := os.Args[1]
	for _, v := range versions {
		if err := generate(dir, v); err != nil {
			fmt.Fprintln(os.Stderr, "generate:", err)
			os.Exit(1)
		}
	}
}

func generate(dir, version string) error {
	out, err := exec.Command("go", "mod", "download", "-json", "k8s.io/kubernetes@"+version).Output()
	if err != nil {
		return fmt.Errorf("download Kubernetes %s: %w", version, err)
	}
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		return err
	}
	var items []any
	for _, name := range files {
		data, err := os.ReadFile(filepath.Join(module.Dir, "plugin/pkg/auth/authorizer/rbac/bootstrappolicy/testdata", name))
		if err != nil {
			return err
		}
		var list struct {
			Items []map[string]any `json:"items"`
		}
		if err := yaml.Unmarshal(data, &list); err != nil {
			return fmt.Errorf("parse %s of %s: %w", name, version, err)
		}
		for _, item := range list.Items {
			delete(item["metadata"].(map[string]any), "annotations")
			if item["rules"] == nil {
				delete(item, "rules")
			}
			if item["kind"] == "List" { // those of namespaces are lists of lists
				for _, inner := range item["items"].([]any) {
					items = append(items, inner)
				}
				continue
			}
			items = append(items, item)
		}
	}
	data, err := json.MarshalIndent(items, "", " ")
	if err != nil {
		return err
	}
	minor := strings.Join(strings.Split(strings.TrimPrefix(version, "v"), ".")[:2], ".")
	return os.WriteFile(filepath.Join(dir, minor+".json"), append(data, '\n'), 0o600)
}
