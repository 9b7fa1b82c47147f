// Package kube reads objects of live clusters, see [Kustomizations]. It changes nothing on them.
package kube

import (
	"context"
	"fmt"
	"time"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"
)

// timeout of one request.
const timeout = 30 * time.Second

// Kustomizations of a cluster in all namespaces, as a list in YAML. The cluster is a context of a kubeconfig: that of the given file, else of
// KUBECONFIG and the user's own.
func Kustomizations(ctx context.Context, kubeconfig, name string) ([]byte, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("read context %s of the kubeconfig: %w", name, err)
	}
	config.Timeout = timeout
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", name, err)
	}
	list, err := client.Resource(kustomizev1.GroupVersion.WithResource("kustomizations")).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list the Kustomizations of %s: %w", name, err)
	}
	return yaml.Marshal(list.UnstructuredContent())
}
