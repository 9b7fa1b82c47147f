package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/layout/adopt"
	"github.com/bulkhead-dev/bulkhead/render"
)

// tenantImport are the flags of tenant import.
type tenantImport struct {
	editOptions
	tenants []string
	write   bool
}

func newTenantImportCmd(s *streams) *cobra.Command {
	var o tenantImport
	c := &cobra.Command{
		Use:   "import",
		Short: "Make documents of tenants that were onboarded by hand",
		Long: `Finds the tenants that the repository onboards without a document: those of "flux create tenant", by their label, and Kustomizations whose
source is another repository than the hub's. Shows the Tenant document of each, and the Cluster documents that are missing, and how what they
stand for differs from what is there, object by object:

  equal    the same, but for what Flux and Kubernetes take for the same
  differs  other fields
  renamed  another name or namespace; Flux deletes the one and makes the other
  only     there, and no document says it: cluster-admin, Secrets, what else was put into the tenant's namespaces
  new      what a document stands for and is not there

Nothing is written without --write, and then only documents; files that are there are never changed.`,
		Example: `  bulkhead tenant import
  bulkhead tenant import --tenant billing -o json
  bulkhead tenant import --write
  bulkhead tenant import --cluster prod=clusters/prod    # a fleet whose entry points are not in Git`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return runTenantImport(cmd.Context(), &o, s) },
	}
	o.fleetOptions.bind(c, "text", "json")
	f := c.Flags()
	f.StringArrayVar(&o.tenants, "tenant", nil, "take over this tenant only, by `NAME`, also when what it applies may be a third party's; repeatable")
	f.BoolVar(&o.write, "write", false, "write the documents to fleet/tenants and fleet/clusters")
	return withCodes(c, false)
}

func runTenantImport(ctx context.Context, o *tenantImport, s *streams) error {
	x, err := o.edit(ctx, s)
	if err != nil {
		return err
	}
	defer x.close(ctx)
	if err := x.reach(x.before.tree); err != nil {
		return err
	}
	if x.render.Sources, err = o.mapped(ctx, x.workspace, x.before.tree); err != nil {
		return err
	}
	r, err := x.first(ctx, x.before, "")
	if err != nil {
		return err
	}
	x.tellNotes(r)
	found, err := adopt.Tenants(x.adoptable(r), adopt.Options{Documents: x.docs, Only: o.tenants, Hub: x.hubNames(r), Repository: render.RepositoryName})
	if err != nil {
		return err
	}
	files, err := x.imported(found)
	if err != nil {
		return err
	}
	if o.write {
		if err := writeAll(x.root, x.files, nil); err != nil {
			return err
		}
	}
	x.tellStats()
	d := importDocument(found, files, o.write && len(files) > 0)
	if o.format == "json" {
		err = s.json(d)
	} else {
		s.imported(d)
	}
	if failures, unresolved := totals(r.Clusters); err == nil && o.strict && failures+unresolved > 0 {
		return incomplete(failures, unresolved)
	}
	return err
}

// adoptable is what is known of each cluster.
func (x *session) adoptable(r *render.Result) []adopt.Cluster {
	from := concern.Fleet{Clusters: x.docs.Clusters}
	if x.docs.Fleet != nil {
		from.EnvironmentLabel = x.docs.Fleet.Spec.EnvironmentLabel
	}
	judge := concern.New(from, nil, r)
	var out []adopt.Cluster
	for _, c := range r.Clusters {
		environment, _ := judge.Environment(c.Name)
		a := adopt.Cluster{Name: c.Name, Environment: environment, Objects: slices.Collect(c.Objects.All())}
		for _, e := range r.Entries {
			if e.Cluster == c.Name {
				a.Paths, a.FluxNamespace = append(a.Paths, entryPath(e)), cmp.Or(a.FluxNamespace, e.Namespace)
			}
		}
		out = append(out, a)
	}
	return out
}

func tenantFile(name string) string { return "fleet/tenants/" + name + ".yaml" }

// imported are the documents as files that are not there yet. All of them together are what the command would read next.
func (x *session) imported(r *adopt.Result) (files []ImportedFile, err error) {
	put := func(p, kind string, of interface {
		GetName() string
		GetLabels() map[string]string
	}, spec any,
	) error {
		if _, err := x.before.tree.Stat(p); err == nil {
			return hinted(fmt.Errorf("%s exists, and holds no document of %s %s; nothing is written", p, strings.ToLower(kind), of.GetName()), "move it away")
		}
		text, err := document(kind, of, spec)
		x.files[p], files = text, append(files, ImportedFile{Path: p, Content: text})
		return err
	}
	for i := range r.Clusters {
		if err := put("fleet/clusters/"+r.Clusters[i].Name+".yaml", v1alpha1.KindCluster, &r.Clusters[i], r.Clusters[i].Spec); err != nil {
			return nil, err
		}
	}
	for i := range r.Tenants {
		t := &r.Tenants[i].Document
		if err := put(tenantFile(t.Name), v1alpha1.KindTenant, t, t.Spec); err != nil {
			return nil, err
		}
	}
	docs, err := render.Documents(x.before.tree.With(x.files, x.remove...))
	if err != nil {
		return nil, err
	}
	_, err = listTenants(docs)
	return files, err
}
