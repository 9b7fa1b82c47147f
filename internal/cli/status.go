package cli

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/internal/kube"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// statusOptions say where to look at what is on the clusters.
type statusOptions struct {
	files, contexts, gone []string
	kubeconfig            string
}

func (o *statusOptions) bind(c *cobra.Command) {
	f := c.Flags()
	f.StringArrayVar(&o.files, "status", nil, "the Kustomizations of a cluster, `CLUSTER=FILE`, as kubectl get -A -o yaml prints them; repeatable")
	f.StringArrayVar(&o.contexts, "context", nil, "look at a live cluster, `CLUSTER=CONTEXT` of the kubeconfig; repeatable")
	f.StringVar(&o.kubeconfig, "kubeconfig", "", "the `FILE` with those contexts (default: $KUBECONFIG, else ~/.kube/config)")
	f.StringArrayVar(&o.gone, "gone", nil, "a `CLUSTER` that is gone for good, and need not be looked at; repeatable")
}

// open reads what is told of the clusters.
func (o *statusOptions) open(ctx context.Context, known []string) (map[string]layout.Status, error) {
	out := map[string]layout.Status{}
	for _, name := range o.gone {
		if !slices.Contains(known, name) {
			return nil, usage("--gone "+term.Quote(name)+" is no cluster of the tenant", near(name, known))
		}
	}
	for _, source := range []struct {
		flag string
		list []string
		read func(string) ([]byte, error)
	}{
		{"status", o.files, os.ReadFile},
		{"context", o.contexts, func(name string) ([]byte, error) { return kube.Kustomizations(ctx, o.kubeconfig, name) }},
	} {
		for _, text := range source.list {
			cluster, where, ok := strings.Cut(text, "=")
			switch _, twice := out[cluster]; {
			case !ok || where == "":
				return nil, usage("--"+source.flag+" "+term.Quote(text)+" is not CLUSTER=...", "as in --"+source.flag+" "+known[0]+"="+source.flag+"-of-"+known[0])
			case !slices.Contains(known, cluster):
				return nil, usage("--"+source.flag+": "+term.Quote(cluster)+" is no cluster of the tenant", near(cluster, known))
			case twice:
				return nil, usage("cluster "+cluster+" is told of twice", "leave one of them out")
			}
			data, err := source.read(where)
			if err != nil {
				return nil, fmt.Errorf("--%s %s: %w", source.flag, text, err)
			}
			if out[cluster], err = layout.ReadStatus(data); err != nil {
				return nil, fmt.Errorf("--%s %s: %w", source.flag, text, err)
			}
		}
	}
	return out, nil
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
