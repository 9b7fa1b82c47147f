package contract

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/yaml"
	sigsyaml "sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// Bundle is a contract that was read.
type Bundle struct {
	// Tenant of the contract.
	Tenant *v1alpha1.Tenant
	// Documents are those of the contract: one tenant, its clusters.
	Documents v1alpha1.Documents
	// Hub is a repository that stands for the platform's: it brings the tenant to its clusters as the platform does, and nobody else.
	Hub *tree.Tree
}

// maxBundle bounds a contract, in bytes.
const maxBundle = 16 << 20

// Hub reads a contract. File is its name, for errors, which wrap a [*v1alpha1.DocumentError] where a document is wrong.
func Hub(file string, data []byte) (*Bundle, error) {
	if len(data) > maxBundle {
		return nil, fmt.Errorf("%s is larger than %d MiB: it is no contract", file, maxBundle>>20)
	}
	docs, err := v1alpha1.Decode(file, data)
	if err != nil {
		return nil, err
	}
	if docs, err = v1alpha1.Merge(docs); err != nil {
		return nil, err
	}
	if len(docs.Tenants) != 1 || len(docs.Clusters) == 0 {
		return nil, fmt.Errorf("%s is no contract: it has %d Tenant and %d Cluster documents, and needs one and one at least: bulkhead contract export makes it", file, len(docs.Tenants), len(docs.Clusters))
	}
	files, err := objects(file, data, docs.Clusters)
	if err != nil {
		return nil, err
	}
	files["fleet/contract.yaml"] = string(data)
	hub := tree.FromMap(files)
	plan, err := layout.Plan(hub, docs)
	if err != nil {
		return nil, err
	}
	return &Bundle{Tenant: &docs.Tenants[0], Documents: docs, Hub: plan.Tree(hub)}, nil
}

// objects are the files of what the clusters have beside what the documents stand for.
func objects(file string, data []byte, clusters []v1alpha1.Cluster) (map[string]string, error) {
	known := map[string]bool{}
	text := map[string]*strings.Builder{}
	for i := range clusters {
		name := clusters[i].Name
		known[name] = true
		text[name] = &strings.Builder{}
		fmt.Fprintf(text[name], "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: flux-system\n")
	}
	reader := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		doc, err := reader.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		var o struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Metadata   struct {
				Annotations map[string]string `json:"annotations"`
			} `json:"metadata"`
		}
		if err := sigsyaml.Unmarshal(doc, &o); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		if o.Kind == "" || o.APIVersion == v1alpha1.APIVersion {
			continue
		}
		if !slices.Contains([]string{"Deployment", "CustomResourceDefinition", "ClusterRole", "ConfigMap"}, o.Kind) {
			return nil, fmt.Errorf("%s is no contract: it holds a %s", file, o.Kind)
		}
		for name := range strings.SplitSeq(o.Metadata.Annotations[AnnotationClusters], ",") {
			if known[name] {
				fmt.Fprintf(text[name], "---\n%s\n", bytes.TrimPrefix(bytes.TrimSpace(doc), []byte("---\n")))
			}
		}
	}
	out := map[string]string{}
	for i := range clusters {
		dir := clusters[i].Spec.EntryPaths()[0]
		out[dir+"/platform.yaml"] = text[clusters[i].Name].String()
		out[dir+"/kustomization.yaml"] = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- platform.yaml\n"
	}
	return out, nil
}
