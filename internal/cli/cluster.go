package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/layout/edit"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tenant"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// ClustersDocument is the output of cluster list -o json.
type ClustersDocument struct {
	// SchemaVersion is "bulkhead.dev/clusters/v1".
	SchemaVersion string `json:"schemaVersion"`
	// Clusters that have a document, sorted by name.
	Clusters []ListedCluster `json:"clusters"`
}

// ListedCluster is one Cluster document.
type ListedCluster struct {
	// Name of the cluster.
	Name string `json:"name"`
	// Paths that Flux starts at.
	Paths []string `json:"paths"`
	// Labels by which tenants select it.
	Labels map[string]string `json:"labels,omitempty"`
	// KubernetesVersion as it is declared.
	KubernetesVersion string `json:"kubernetesVersion,omitempty"`
	// Tenants on it, sorted.
	Tenants []string `json:"tenants"`
	// File that holds the document.
	File string `json:"file"`
}

func newClusterCmd(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:     "cluster",
		Short:   "The clusters of the fleet: add one, list them, remove one",
		Long:    "Edits the Cluster documents under fleet/, and writes the files that follow from them.",
		Example: "  bulkhead cluster add prod-us-east-1 --label env=prod --label region=us-east-1\n  bulkhead cluster list",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.Args = subcommand("cluster", "add", "list", "remove")
	c.AddCommand(newClusterAddCmd(s), newClusterListCmd(s), newClusterRemoveCmd(s))
	return c
}

// subcommand refuses what is no command below another.
func subcommand(parent string, known ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usage("unknown command "+term.Quote(parent+" "+args[0]), near(args[0], known))
	}
}

// named wants one argument, a name.
func named(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 && cmd.Name() == "add" {
			return usage(cmd.CommandPath()+" needs a name for the "+what, "as in "+firstLine(strings.TrimSpace(cmd.Example)))
		}
		return oneName(cmd.CommandPath(), what, args)
	}
}

// oneName wants the name of one tenant or cluster.
func oneName(command, what string, args []string) error {
	longest := validation.DNS1123LabelMaxLength
	if what == "tenant" {
		longest = v1alpha1.MaxTenantName
	}
	switch {
	case len(args) == 0:
		return usage(command+" needs the name of a "+what, "bulkhead "+what+" list tells the names")
	case len(args) > 1:
		return usage(command+" takes one name, not "+term.Quote(strings.Join(args, " ")), "")
	case len(validation.IsDNS1123Label(args[0])) > 0:
		return usage(term.Quote(args[0])+" is no name of a "+what, fmt.Sprintf("lower case letters, digits and '-', at most %d, with a letter or digit at both ends", longest))
	}
	return nil
}

// firstLine of a text.
func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

// pairs reads flags of the form NAME=VALUE.
func pairs(flag string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usage("--"+flag+" "+term.Quote(text)+" is not NAME=VALUE", "as in --"+flag+" env=prod")
		}
		if _, twice := out[name]; twice {
			return nil, usage("--"+flag+" "+term.Quote(name)+" is given twice", "leave one of them out")
		}
		out[name] = value
	}
	return out, nil
}

// clusterAdd are the flags of cluster add.
type clusterAdd struct {
	editOptions
	labels, variables []string
	path, kubernetes  string
}

func newClusterAddCmd(s *streams) *cobra.Command {
	var o clusterAdd
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a cluster to the fleet",
		Long: `Writes a Cluster document, the folder that Flux starts at, and the file of each tenant whose environments select the
cluster by its labels. Then tells what that would apply there.`,
		Example: `  bulkhead cluster add prod-us-east-1 --label env=prod --label region=us-east-1 --variable domain=us.acme.example
  bulkhead cluster add dev-1 --label env=dev --dry-run`,
		Args: named("cluster"),
		RunE: func(cmd *cobra.Command, args []string) error { return runClusterAdd(cmd.Context(), &o, args[0], s) },
	}
	o.bind(c)
	f := c.Flags()
	f.StringArrayVarP(&o.labels, "label", "l", nil, "a label of the cluster, `NAME=VALUE`, by which tenants select it; repeatable")
	f.StringArrayVar(&o.variables, "variable", nil, "a variable for the cluster's files, `NAME=VALUE`; repeatable")
	f.StringVar(&o.path, "path", "", "the `FOLDER` that Flux starts at (default: clusters/NAME)")
	f.StringVar(&o.kubernetes, "kubernetes-version", "", "the `VERSION` of Kubernetes, such as 1.35")
	return c
}

func runClusterAdd(ctx context.Context, o *clusterAdd, name string, s *streams) error {
	x, err := o.edit(ctx, s)
	if err != nil {
		return err
	}
	defer x.close(ctx)
	for i := range x.docs.Clusters {
		if c := &x.docs.Clusters[i]; c.Name == name {
			return hinted(fmt.Errorf("cluster %s exists: %s:%d", name, c.Place.File, c.Place.Line), "edit its document and run bulkhead generate, or choose another name")
		}
	}
	c := v1alpha1.Cluster{}
	c.Name, c.Spec.Path, c.Spec.KubernetesVersion = name, o.path, o.kubernetes
	if c.Spec.Path == "" {
		c.Spec.Path = "clusters/" + name
	}
	if c.Labels, err = pairs("label", o.labels); err != nil {
		return err
	}
	if c.Spec.Variables, err = pairs("variable", o.variables); err != nil {
		return err
	}
	for _, e := range x.docs.Clusters {
		if e.Spec.EntryPaths()[0] == c.Spec.Path {
			return hinted(fmt.Errorf("cluster %s starts at %s: %s:%d", e.Name, c.Spec.Path, e.Place.File, e.Place.Line), "give the new one a folder of its own: --path FOLDER")
		}
	}
	made, err := x.start(&c)
	if err != nil {
		return err
	}
	at := "fleet/clusters/" + name + ".yaml"
	if made[at] == "" {
		if made[at], err = document(v1alpha1.KindCluster, &c, c.Spec); err != nil {
			return err
		}
	}
	for _, p := range slices.Sorted(maps.Keys(made)) {
		_, err := x.before.tree.Stat(p)
		switch {
		case err != nil:
			x.files[p] = made[p]
		case p == at:
			return x.create(p, made[p])
		}
	}
	next := []string{"git add -A && git commit -m \"Add cluster " + name + "\""}
	if dir := c.Spec.Path; !x.flux(dir) {
		next = append(next, "flux bootstrap git --path "+dir+" ...   # then add flux-system to the resources in "+dir+"/kustomization.yaml")
	}
	return x.finish(ctx, next...)
}

// document is the text of a new document: fields in the order in which people write them.
func document(kind string, of interface {
	GetName() string
	GetLabels() map[string]string
}, spec any,
) (string, error) {
	data, err := ordered(spec)
	if err != nil {
		return "", fmt.Errorf("write the document: %w", err)
	}
	var b strings.Builder
	_, _ = fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n", v1alpha1.APIVersion, kind, of.GetName())
	if labels := of.GetLabels(); len(labels) > 0 {
		_, _ = b.WriteString("  labels:\n")
		for _, k := range slices.Sorted(maps.Keys(labels)) {
			_, _ = fmt.Fprintf(&b, "    %s: %s\n", k, quoted(labels[k]))
		}
	}
	_, _ = b.WriteString("spec:\n")
	for line := range strings.Lines(string(data)) {
		_, _ = b.WriteString("  " + line)
	}
	return b.String(), nil
}

// ordered is a value as YAML, with fields in the order of their types.
func ordered(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var n yamlv3.Node // JSON is YAML, and keeps its order
	if err := yamlv3.Unmarshal(data, &n); err != nil {
		return nil, err
	}
	var block func(n *yamlv3.Node)
	block = func(n *yamlv3.Node) {
		n.Style = 0
		for _, c := range n.Content {
			block(c)
		}
	}
	block(&n)
	var b bytes.Buffer
	enc := yamlv3.NewEncoder(&b)
	enc.SetIndent(2)
	err = enc.Encode(&n)
	return b.Bytes(), err
}

// quoted is a string as a value of YAML.
func quoted(text string) string {
	data, err := yaml.Marshal(text)
	if err != nil {
		return `""`
	}
	return strings.TrimSuffix(string(data), "\n")
}

// create adds a file that is not there yet.
func (x *session) create(p, content string) error {
	if _, err := x.before.tree.Stat(p); err == nil && !slices.Contains(x.o.overwrite, p) {
		return hinted(fmt.Errorf("%s exists; nothing is written", p), "add the document to it by hand, or write over it: --overwrite "+p)
	}
	x.files[p] = content
	return nil
}

func newClusterListCmd(s *streams) *cobra.Command {
	var o fleetOptions
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the clusters that have a document",
		Long:    "Lists the Cluster documents under fleet/, and the tenants that select each of them.",
		Example: "  bulkhead cluster list\n  bulkhead cluster list -o json",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			docs, err := o.documents(cmd.Context())
			if err != nil {
				return err
			}
			d, err := listClusters(docs)
			if err != nil {
				return err
			}
			if o.format == "json" {
				return s.json(d)
			}
			s.clusters(d, o.under())
			return nil
		},
	}
	o.bindDocuments(c, "table", "json")
	return c
}

func listClusters(docs v1alpha1.Documents) (*ClustersDocument, error) {
	all, err := tenant.Compartments(docs)
	if err != nil {
		return nil, err
	}
	d := &ClustersDocument{SchemaVersion: clustersSchema, Clusters: []ListedCluster{}}
	for i := range docs.Clusters {
		c := &docs.Clusters[i]
		l := ListedCluster{Name: c.Name, Paths: c.Spec.EntryPaths(), Labels: c.Labels, KubernetesVersion: c.Spec.KubernetesVersion, Tenants: []string{}, File: c.Place.File}
		for _, k := range all {
			if k.Cluster.Name == c.Name && !slices.Contains(l.Tenants, k.Tenant.Name) {
				l.Tenants = append(l.Tenants, k.Tenant.Name)
			}
		}
		d.Clusters = append(d.Clusters, l)
	}
	slices.SortFunc(d.Clusters, func(a, b ListedCluster) int { return strings.Compare(a.Name, b.Name) })
	return d, nil
}

func (s *streams) clusters(d *ClustersDocument, under string) {
	if len(d.Clusters) == 0 {
		s.printf("no Cluster document under %s\n", term.Safe(under))
		return
	}
	t := term.Table{{"CLUSTER", "PATH", "LABELS", "TENANTS"}}
	for _, c := range d.Clusters {
		var labels []string
		for _, k := range slices.Sorted(maps.Keys(c.Labels)) {
			labels = append(labels, k+"="+c.Labels[k])
		}
		t = append(t, []string{c.Name, strings.Join(c.Paths, ","), strings.Join(labels, ","), shortList(c.Tenants)})
	}
	t.Write(s.out, s.colour, nil)
}

// shortList is a list that fits into a cell.
func shortList(list []string) string {
	switch {
	case len(list) == 0:
		return "-"
	case len(list) > 4:
		return fmt.Sprintf("%s and %d more", strings.Join(list[:3], ","), len(list)-3)
	}
	return strings.Join(list, ",")
}

func newClusterRemoveCmd(s *streams) *cobra.Command {
	var o editOptions
	var gone bool
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a cluster out of the fleet",
		Long: `Removes the Cluster document and the files that were generated for the cluster. Files in its folder that people wrote stay. Nothing on the
cluster itself is deleted: its Flux no longer finds what it follows, and goes on with what it has. Where Flux takes all files of the folder, because
there is no kustomization file, it would delete every tenant: that is refused, unless --gone says that the cluster no longer exists.`,
		Example: "  bulkhead cluster remove dev-1",
		Args:    named("cluster"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runClusterRemove(cmd.Context(), &o, args[0], gone, s)
		},
	}
	o.bind(c)
	c.Flags().BoolVar(&gone, "gone", false, "the cluster no longer exists")
	return c
}

func runClusterRemove(ctx context.Context, o *editOptions, name string, gone bool, s *streams) error {
	x, err := o.edit(ctx, s)
	if err != nil {
		return err
	}
	defer x.close(ctx)
	i := slices.IndexFunc(x.docs.Clusters, func(c v1alpha1.Cluster) bool { return c.Name == name })
	if i < 0 {
		var names []string
		for k := range x.docs.Clusters {
			names = append(names, x.docs.Clusters[k].Name)
		}
		return hinted(fmt.Errorf("there is no cluster %s", name), near(name, names))
	}
	c := &x.docs.Clusters[i]
	if err := x.drop(c.Place); err != nil {
		return err
	}
	var left []string
	dir := c.Spec.EntryPaths()[0]
	if _, err := x.before.tree.Stat(path.Join(dir, layout.TenantsDir)); err == nil && !gone && layout.KustomizationFile(x.before.tree, dir) == "" {
		return hinted(fmt.Errorf("%s has no kustomization file, so that Flux takes all that is in it: without the files of the tenants it would delete them on %s", dir, name),
			"write a kustomization file that lists what is there; or, if the cluster no longer exists: --gone")
	}
	if err := x.before.tree.Walk(dir, func(p string, e tree.Entry) error {
		if !e.IsDir() {
			left = append(left, p)
		}
		return nil
	}); err == nil && len(left) > 0 {
		return x.finish(ctx, "git rm -r "+dir+"   # when the cluster is gone", "git add -A && git commit -m \"Remove cluster "+name+"\"")
	}
	return x.finish(ctx)
}

// drop takes a document out of its file.
func (x *session) drop(at v1alpha1.Place) error {
	data, err := x.before.tree.ReadFile(at.File)
	if err != nil {
		return err
	}
	text, others, err := edit.Remove(data, at.Line)
	switch {
	case err != nil:
		return hinted(fmt.Errorf("remove the document at %s:%d: %w", at.File, at.Line, err), "take it out by hand, then run bulkhead generate")
	case !others:
		x.remove = append(x.remove, at.File)
	default:
		x.files[at.File] = string(text)
	}
	return nil
}
