package cli

import (
	"context"
	"encoding/json"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// shardOf reads I/N; zero for "".
func shardOf(text string) (render.Shard, error) {
	if text == "" {
		return render.Shard{}, nil
	}
	a, b, ok := strings.Cut(text, "/")
	i, errI := strconv.Atoi(a)
	n, errN := strconv.Atoi(b)
	if !ok || errI != nil || errN != nil || i < 1 || i > n || n > part.MaxShards {
		return render.Shard{}, usage("--shard "+term.Quote(text)+" is not I/N", "for instance --shard 2/8, the second of eight; I counts from 1 to N, and N goes to "+strconv.Itoa(part.MaxShards))
	}
	return render.Shard{Index: i, Of: n}, nil
}

// share is the shard that the flags ask for. Marks of secrets must be comparable from shard to shard.
func (o *impactOptions) share() (render.Shard, error) {
	shard, err := shardOf(o.shard)
	if err == nil && shard.Of > 0 && os.Getenv("BULKHEAD_SALT") == "" {
		return shard, usage("--shard needs BULKHEAD_SALT: without it no other part could tell whether a secret changes in the same way",
			"set BULKHEAD_SALT to one long random secret for all shards; bulkhead impact merge needs none")
	}
	return shard, err
}

// forMerge refuses the flags that say something about the review, which the parts together give.
func forMerge(c *cobra.Command) error {
	var given []string
	for _, name := range []string{"report", "only", "explain", "fail-on", "stat", "label", "waivers", "now", "strict", "output"} {
		if c.Flags().Changed(name) {
			given = append(given, "--"+name)
		}
	}
	switch {
	case slices.Equal(given, []string{"--explain"}):
		return usage("--explain is about a review, and --shard writes a part of one", "leave --shard out: bulkhead impact --explain CLUSTER/KIND/NAMESPACE/NAME")
	case len(given) > 0:
		return usage(strings.Join(given, ", ")+" is about the review, and --shard writes a part of one", "give it to bulkhead impact merge")
	}
	return nil
}

// rendered are the flags that say what is rendered: the same for all parts of a comparison.
func (o *impactOptions) rendered() string {
	f := &o.fetch
	data, _ := json.Marshal([]any{
		o.clusters, o.vars, o.sources, o.branch, f.all, f.hosts, f.private, o.decrypt.on || len(o.decrypt.files) > 0,
	})
	return string(data)
}

// share leaves out the clusters of other shards. The trees are all revisions that are looked at, the sources those
// that are mapped.
func (f *fleet) share(ctx context.Context, shard render.Shard, hub []*tree.Tree, sources ...[]render.Repository) error {
	if shard.Of == 0 {
		return nil
	}
	var others []*tree.Tree
	for _, r := range slices.Concat(sources...) {
		if r.Tree != nil {
			others = append(others, r.Tree)
		}
	}
	linked, err := render.Linked(ctx, f.render.Clusters, hub, others...)
	if err != nil {
		return err
	}
	f.render.Skip = shard.Skip(linked)
	return nil
}
