package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// TenantsDocument is the output of tenant list and tenant show with -o json.
type TenantsDocument struct {
	// SchemaVersion is "bulkhead.dev/tenants/v1".
	SchemaVersion string `json:"schemaVersion"`
	// Tenants, sorted by name.
	Tenants []ListedTenant `json:"tenants"`
}

// ListedTenant is one Tenant document.
type ListedTenant struct {
	// Name of the tenant.
	Name string `json:"name"`
	// URL of its repository or artifact.
	URL string `json:"url"`
	// Phase is Active, Suspended or Draining.
	Phase v1alpha1.Phase `json:"phase"`
	// Environments, in the order of the document.
	Environments []ListedEnvironment `json:"environments"`
	// File that holds the document.
	File string `json:"file"`
}

// ListedEnvironment is where one environment of a tenant is.
type ListedEnvironment struct {
	// Name of the environment.
	Name string `json:"name"`
	// Clusters it is on, sorted.
	Clusters []string `json:"clusters"`
	// Namespaces of the tenant there.
	Namespaces []string `json:"namespaces"`
	// Path of the folder in the tenant's source.
	Path string `json:"path"`
}

func newTenantCmd(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:     "tenant",
		Short:   "The tenants of the fleet: add one, look at them, take one away",
		Long:    "Edits the Tenant documents under fleet/, and writes the files that follow from them.",
		Example: "  bulkhead tenant add billing --repo ssh://git@github.com/acme/billing-apps --environment prod\n  bulkhead tenant list",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.Args = subcommand("tenant", "add", "import", "list", "show", "remove")
	c.AddCommand(newTenantAddCmd(s), newTenantImportCmd(s), newTenantListCmd(s), newTenantShowCmd(s), newTenantRemoveCmd(s))
	return c
}

// bindDocuments adds the flags of a command that reads nothing but documents.
func (o *fleetOptions) bindDocuments(c *cobra.Command, formats ...string) {
	f := c.Flags()
	f.StringVarP(&o.dir, "chdir", "C", ".", "`DIR` with the fleet: a Git repository or a plain folder")
	f.StringVarP(&o.format, "output", "o", formats[0], "`FORMAT` of the output: "+strings.Join(formats, ", "))
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("chdir")
	c.PreRunE = func(*cobra.Command, []string) error { return o.check(formats) }
}

// documents are those of the files on disk.
func (o *fleetOptions) documents(ctx context.Context) (v1alpha1.Documents, error) {
	w, err := openWorkspace(o.dir)
	if err != nil {
		return v1alpha1.Documents{}, err
	}
	at, err := w.files(ctx)
	if err != nil {
		return v1alpha1.Documents{}, err
	}
	return render.Documents(at.tree)
}

// under is the folder that documents are looked for in.
func (o *fleetOptions) under() string {
	w, err := openWorkspace(o.dir)
	if err != nil {
		return "fleet/"
	}
	return filepath.Join(w.root, "fleet")
}

func newTenantListCmd(s *streams) *cobra.Command {
	var o fleetOptions
	c := &cobra.Command{
		Use:     "list",
		Short:   "List the tenants",
		Long:    "Lists the Tenant documents under fleet/, and the clusters that they select.",
		Example: "  bulkhead tenant list\n  bulkhead tenant list -o json",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			docs, err := o.documents(cmd.Context())
			if err != nil {
				return err
			}
			list, err := listTenants(docs)
			if err != nil {
				return err
			}
			if o.format == "json" {
				return s.json(TenantsDocument{SchemaVersion: tenantsSchema, Tenants: list})
			}
			s.tenants(list, o.under())
			return nil
		},
	}
	o.bindDocuments(c, "table", "json")
	return c
}

func listTenants(docs v1alpha1.Documents) ([]ListedTenant, error) {
	all, err := tenant.Compartments(docs)
	if err != nil {
		return nil, err
	}
	out := []ListedTenant{}
	for i := range docs.Tenants {
		t := &docs.Tenants[i]
		l := ListedTenant{Name: t.Name, URL: t.Spec.URL(), Phase: cmp.Or(t.Spec.Lifecycle.Phase, v1alpha1.Active), File: t.Place.File}
		for k := range t.Spec.Environments {
			e := ListedEnvironment{Name: t.Spec.Environments[k].Name}
			for _, c := range all {
				if c.Tenant.Name == t.Name && c.Environment.Name == e.Name {
					e.Clusters, e.Namespaces, e.Path = append(e.Clusters, c.Cluster.Name), c.Namespaces, c.Path
				}
			}
			l.Environments = append(l.Environments, e)
		}
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b ListedTenant) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (s *streams) tenants(list []ListedTenant, under string) {
	if len(list) == 0 {
		s.printf("no Tenant document under %s\n", term.Safe(under))
		return
	}
	t := term.Table{{"TENANT", "ENVIRONMENT", "CLUSTERS", "NAMESPACES", "PHASE", "SOURCE"}}
	for _, l := range list {
		for i, e := range l.Environments {
			name, phase, url := l.Name, string(l.Phase), l.URL
			if i > 0 {
				name, phase, url = "", "", ""
			}
			t = append(t, []string{name, e.Name, shortList(e.Clusters), shortList(e.Namespaces), phase, url})
		}
	}
	t.Write(s.out, s.colour, nil)
}

func newTenantShowCmd(s *streams) *cobra.Command {
	var o fleetOptions
	var cluster string
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "What a tenant stands for: its objects on each cluster",
		Long: `Shows the objects that the platform makes for a tenant. They are the same for clusters that differ in nothing that the tenant
asks for. With -o yaml, for one cluster, as they are written into the repository.`,
		Example: "  bulkhead tenant show billing\n  bulkhead tenant show billing --on prod-us-east-1 -o yaml",
		Args:    named("tenant"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTenantShow(cmd.Context(), &o, args[0], cluster, s)
		},
	}
	o.bindDocuments(c, "text", "yaml", "json")
	c.Flags().StringVar(&cluster, "on", "", "the `CLUSTER` whose objects are shown (default: the first)")
	return c
}

func runTenantShow(ctx context.Context, o *fleetOptions, name, cluster string, s *streams) error {
	docs, err := o.documents(ctx)
	if err != nil {
		return err
	}
	if _, err := tenantNamed(docs, name); err != nil {
		return err
	}
	all, err := tenant.Compartments(docs)
	if err != nil {
		return err
	}
	list, err := listTenants(docs)
	if err != nil {
		return err
	}
	of := list[slices.IndexFunc(list, func(l ListedTenant) bool { return l.Name == name })]
	if o.format == "json" {
		return s.json(TenantsDocument{SchemaVersion: tenantsSchema, Tenants: []ListedTenant{of}})
	}
	here, cluster, err := compartmentsOn(all, name, cluster)
	if err != nil {
		return err
	}
	objects, err := tenant.Objects(here)
	if err != nil {
		return err
	}
	if o.format == "yaml" {
		for i, ob := range objects {
			data, err := yaml.Marshal(ob.Body().Map())
			if err != nil {
				return err
			}
			if i > 0 {
				s.printf("---\n")
			}
			s.printf("%s", data)
		}
		return nil
	}
	s.tenants([]ListedTenant{of}, "")
	s.printf("\nOn %s it is %s:\n", cluster, phrase.Count(len(objects), "object"))
	s.objects(objects)
	return nil
}

// objects lists objects by namespace.
func (s *streams) objects(list []*object.Object) {
	t := term.Table{{"NAMESPACE", "KIND", "NAME"}}
	for _, o := range list {
		ns := o.ID.Namespace
		if o.ID.Kind == "Namespace" {
			ns = o.ID.Name
		}
		t = append(t, []string{ns, o.ID.Kind, o.ID.Name})
	}
	slices.SortStableFunc(t[1:], func(a, b []string) int { return strings.Compare(a[0], b[0]) })
	t.Write(s.out, s.colour, nil)
}

// tenantNamed is a tenant's document.
func tenantNamed(docs v1alpha1.Documents, name string) (*v1alpha1.Tenant, error) {
	var names []string
	for i := range docs.Tenants {
		if docs.Tenants[i].Name == name {
			return &docs.Tenants[i], nil
		}
		names = append(names, docs.Tenants[i].Name)
	}
	return nil, hinted(fmt.Errorf("there is no tenant %s", name), cmp.Or(near(name, names), "bulkhead tenant add "+name))
}

// compartmentsOn are those of a tenant on a cluster, the first one for "".
func compartmentsOn(all []*tenant.Compartment, name, cluster string) (out []*tenant.Compartment, on string, err error) {
	var known []string
	for _, c := range all {
		if c.Tenant.Name != name {
			continue
		}
		known = append(known, c.Cluster.Name)
		cluster = cmp.Or(cluster, c.Cluster.Name)
		if c.Cluster.Name == cluster {
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, "", hinted(fmt.Errorf("tenant %s is not on cluster %s", name, cluster), near(cluster, known))
	}
	return out, cluster, nil
}
