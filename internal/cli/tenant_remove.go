package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/layout/edit"
	"github.com/bulkhead-dev/bulkhead/tenant"
)

// tenantRemove are the flags of tenant remove.
type tenantRemove struct {
	editOptions
	statusOptions
	keepData bool
}

func newTenantRemoveCmd(s *streams) *cobra.Command {
	var o tenantRemove
	c := &cobra.Command{
		Use:   "remove NAME",
		Short: "Take a tenant away, in three steps that lose nothing",
		Long: `Each run takes the tenant one phase further, and each phase is a commit of its own:

  1  Suspended  Flux takes nothing new from the tenant's repository; what runs goes on
  2  Draining   its Kustomizations go and take with them what they applied; the account that they need for
                that, its rights and the namespaces stay
  3  removed    the document, the account, the rights and the namespaces go

In one commit the account would go before the Kustomization has used it, and Flux would leave behind what no namespace takes along.
So a phase begins when the one before is visible on every cluster of the tenant. Tell where: --status with what
"kubectl get kustomizations.kustomize.toolkit.fluxcd.io -A -o yaml" prints on each cluster, or --context
with the contexts of a kubeconfig. A cluster that is gone for good is named by --gone.

With --keep-data the tenant's PersistentVolumeClaims and namespaces stay. They are marked in the first phase, in which
Flux still applies the tenant's files.`,
		Example: `  bulkhead tenant remove billing
  bulkhead tenant remove billing --status prod-us-east-1=prod.yaml --status staging=staging.yaml
  bulkhead tenant remove billing --context prod-us-east-1=prod-admin --context staging=staging-admin
  bulkhead tenant remove billing --keep-data`,
		Args: named("tenant"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runTenantRemove(cmd.Context(), &o, args[0], s)
		},
	}
	o.editOptions.bind(c)
	o.statusOptions.bind(c)
	c.Flags().BoolVar(&o.keepData, "keep-data", false, "leave the tenant's PersistentVolumeClaims and namespaces on the clusters")
	return c
}

func runTenantRemove(ctx context.Context, o *tenantRemove, name string, s *streams) error {
	x, err := o.edit(ctx, s)
	if err != nil {
		return err
	}
	defer x.close(ctx)
	t, err := tenantNamed(x.docs, name)
	if err != nil {
		return err
	}
	if err := x.clean(ctx, "each phase is a commit of its own"); err != nil {
		return err
	}
	all, err := tenant.Compartments(x.docs)
	if err != nil {
		return err
	}
	all = slices.DeleteFunc(all, func(c *tenant.Compartment) bool { return c.Tenant.Name != name })
	now := cmp.Or(t.Spec.Lifecycle.Phase, v1alpha1.Active)
	if o.keepData && now != v1alpha1.Active && !t.Spec.Lifecycle.KeepData {
		return hinted(fmt.Errorf("tenant %s is %s without keepData", name, now), "resume it first: remove spec.lifecycle from its document, run bulkhead generate, and begin again with --keep-data")
	}
	var next string
	switch now {
	case v1alpha1.Active:
		err = x.phase(t, v1alpha1.Suspended, o.keepData)
		next = "git add -A && git commit -m \"Suspend tenant " + name + "\""
	case v1alpha1.Suspended:
		if err = o.visible(ctx, all, layout.SuspendedOn); err == nil {
			err = x.phase(t, v1alpha1.Draining, false)
		}
		next = "git add -A && git commit -m \"Drain tenant " + name + "\""
	default:
		if err = o.visible(ctx, all, layout.DrainedOn); err == nil {
			err = x.drop(t.Place)
		}
		if file := ownCredentials(x.docs, t); file != "" && err == nil {
			x.remove = append(x.remove, file)
		}
		next = "git add -A && git commit -m \"Remove tenant " + name + "\""
	}
	if err != nil {
		return err
	}
	again := "bulkhead tenant remove " + name + "   # when every cluster has it: --status or --context tells"
	if now == v1alpha1.Draining {
		return x.finish(ctx, next)
	}
	return x.finish(ctx, next, again)
}

// ownCredentials is the file with the credentials of a tenant, unless others use it, too; "" for none.
func ownCredentials(docs v1alpha1.Documents, t *v1alpha1.Tenant) string {
	_, file := tenant.SecretName(t)
	for i := range docs.Tenants {
		if _, other := tenant.SecretName(&docs.Tenants[i]); other == file && docs.Tenants[i].Name != t.Name {
			return ""
		}
	}
	return file
}

// phase edits the document of a tenant.
func (x *session) phase(t *v1alpha1.Tenant, to v1alpha1.Phase, keep bool) error {
	data, err := x.before.tree.ReadFile(t.Place.File)
	if err != nil {
		return err
	}
	if keep {
		data, err = edit.Set(data, t.Place.Line, "true", "spec", "lifecycle", "keepData")
	}
	if err == nil {
		data, err = edit.Set(data, t.Place.Line, string(to), "spec", "lifecycle", "phase")
	}
	if err != nil {
		return hinted(fmt.Errorf("%s:%d: set spec.lifecycle.phase: %w", t.Place.File, t.Place.Line, err),
			fmt.Sprintf("write it by hand: lifecycle: {phase: %s, keepData: %v}, then run bulkhead generate", to, keep || t.Spec.Lifecycle.KeepData))
	}
	x.files[t.Place.File] = string(data)
	return nil
}

// visible wants a phase to be seen on every cluster of a tenant.
func (o *statusOptions) visible(ctx context.Context, all []*tenant.Compartment, seen func(layout.Status, *tenant.Compartment) error) error {
	byCluster := map[string][]*tenant.Compartment{}
	for _, c := range all {
		byCluster[c.Cluster.Name] = append(byCluster[c.Cluster.Name], c)
	}
	names := sortedNames(byCluster)
	found, err := o.open(ctx, names)
	if err != nil {
		return err
	}
	var unseen []string
	for _, name := range names {
		if slices.Contains(o.gone, name) {
			continue
		}
		status, ok := found[name]
		if !ok {
			unseen = append(unseen, name+": nothing is known of it")
			continue
		}
		for _, c := range byCluster[name] {
			if err := seen(status, c); err != nil {
				unseen = append(unseen, fmt.Sprintf("%s: %v", name, err))
			}
		}
	}
	if len(unseen) > 0 {
		return hinted(fmt.Errorf("the phase before is not visible on every cluster: %s", strings.Join(unseen, "; ")),
			"commit and push it, wait for Flux, and tell what is there: --status CLUSTER=FILE or --context CLUSTER=CONTEXT")
	}
	return nil
}
