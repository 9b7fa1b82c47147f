package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/impact/concern"
	"github.com/bulkhead-dev/bulkhead/impact/gate"
	"github.com/bulkhead-dev/bulkhead/isolation/contract"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/isolation/survey"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// contractOptions are the flags of contract export.
type contractOptions struct {
	fleetOptions
	tenant string
	rev    string
	file   string // "" for standard output
}

func newContractCmd(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "contract",
		Short: "What a tenant may know of its own compartment",
		Args:  none,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newContractExportCmd(s))
	return c
}

func newContractExportCmd(s *streams) *cobra.Command {
	var o contractOptions
	c := &cobra.Command{
		Use:   "export",
		Short: "Write the contract of a tenant, for its own repository",
		Long: `Writes what the hub says of one tenant as a YAML stream: its document, the clusters that it is on as far as they concern it, Flux's
controllers there with their flags, the kinds of their CustomResourceDefinitions, and digests of the hosts that are others'. It says
nothing of other tenants. In the tenant's repository, "bulkhead check --contract FILE" asks the same rules as the hub does.
Write it again when the documents of the tenant or of its clusters change, or Flux on them. With --file, a file that says the
same is left alone.`,
		Example: `  bulkhead contract export --tenant billing --file ../billing/` + scaffold.ContractFile + `
  bulkhead check --contract ` + scaffold.ContractFile + `      # in the repository of billing`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return runContractExport(cmd.Context(), &o, s) },
	}
	o.bind(c, "yaml")
	f := c.Flags()
	f.StringVar(&o.tenant, "tenant", "", "the tenant `NAME`; needed")
	f.StringVar(&o.file, "file", "", "write it to `FILE`, in whose folder it makes what is missing (default: standard output)")
	f.StringVar(&o.rev, "rev", "", "of the commit `REV` (default: of the files on disk)")
	return withCodes(c, false)
}

func runContractExport(ctx context.Context, o *contractOptions, s *streams) error {
	if o.tenant == "" {
		return usage("no tenant is named", "bulkhead contract export --tenant NAME; bulkhead tenant list has the names")
	}
	f, err := o.open(s)
	if err != nil {
		return err
	}
	defer f.close(ctx)
	x, err := f.survey(ctx, &checkOptions{fleetOptions: o.fleetOptions, rev: o.rev})
	if err != nil {
		return err
	}
	var names []string
	for _, t := range x.head.Tenants {
		if !t.Inferred {
			names = append(names, t.Name)
		}
	}
	data, err := contract.Export(x.head.Estate, x.docs, o.tenant)
	if err != nil {
		return hinted(err, near(o.tenant, names))
	}
	f.tellStats()
	if err := o.write(data, s); err != nil {
		return err
	}
	if failures, unresolved := totals(x.rendered.Clusters); o.strict && failures+unresolved > 0 {
		return incomplete(failures, unresolved)
	}
	return nil
}

// write writes the contract where it is wanted.
func (o *contractOptions) write(data []byte, s *streams) error {
	if o.file == "" {
		s.printf("%s", data)
		return nil
	}
	if old, err := os.ReadFile(o.file); err == nil && bytes.Equal(old, data) {
		s.note("%s is up to date", o.file)
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(o.file), 0o755); err != nil { //nolint:gosec // G301: a folder of a repository, as Git makes them
		return fmt.Errorf("write %s: %w", o.file, cause(err))
	}
	if err := replaceFile(o.file, data); err != nil {
		return err
	}
	s.note("%s written: commit it in the repository of tenant %s", o.file, o.tenant)
	return nil
}

// contractURL stands for the hub that a contract is of. Nothing is fetched from it.
const contractURL = "https://contract.invalid/hub"

// whatever is a repository that is looked at as it is: every ref of it is what is at hand.
type whatever struct{ tree *tree.Tree }

// Resolve gives what is at hand.
func (w whatever) Resolve(context.Context, sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	return w.tree, "at hand", nil
}

// spoke surveys the repository of a tenant with the contract that its platform gave it.
func (f *fleet) spoke(ctx context.Context, o *checkOptions) (*surveyed, error) {
	x := &surveyed{}
	data, err := os.ReadFile(o.contract)
	if err != nil {
		return nil, hinted(fmt.Errorf("open %s: %w", o.contract, cause(err)), "the platform writes it in its hub: bulkhead contract export --tenant NAME --file FILE")
	}
	if o.base != "" {
		if x.base, err = f.workspace.at(ctx, o.base); err != nil {
			return nil, err
		}
		data = f.contractOf(x.base, o.contract, data)
	}
	b, err := contract.Hub(o.contract, data)
	if err != nil {
		return nil, err
	}
	x.docs, x.earlier, x.tenant = b.Documents, b.Documents, b.Tenant.Name
	if x.at, err = f.workspace.at(ctx, o.rev); err != nil {
		return nil, err
	}
	spokes, err := f.ready(ctx, b.Hub, b.Hub)
	if err != nil {
		return nil, err
	}
	f.render.Sources = spokes.after
	if x.rendered, x.head, err = f.under(ctx, b, x.at); err != nil {
		return nil, err
	}
	if x.base != nil {
		if _, x.before, err = f.under(ctx, b, x.base); err != nil {
			return nil, err
		}
	}
	f.tellNotes(x.rendered)
	return x, nil
}

// contractOf is the contract that the revision before a change has, as no change widens its own; the one at hand when it has none, or the file is
// not in the repository.
func (f *fleet) contractOf(base *snapshot, file string, data []byte) []byte {
	name, within := f.slash(file)
	if !within {
		return data
	}
	old, err := base.tree.ReadFile(name)
	if err != nil || bytes.Equal(old, data) {
		return data
	}
	f.s.note("%s changes, and the one of %s is asked: a new contract counts once merged", file, base.label())
	return old
}

// under renders a revision of a tenant's repository as the platform's hub applies it, by its contract.
func (f *fleet) under(ctx context.Context, b *contract.Bundle, at *snapshot) (*render.Result, *rule.Context, error) {
	opts := f.render
	url := b.Tenant.Spec.URL()
	opts.Sources = append([]render.Repository{{URL: url, Tree: at.tree, Refs: whatever{at.tree}}}, opts.Sources...)
	r, err := render.Fleet(ctx, render.Repository{URL: contractURL, Tree: b.Hub}, opts)
	f.erase()
	if err != nil {
		return nil, nil, err
	}
	f.stats = f.stats.Plus(r.Stats)
	judge := concern.New(concern.FleetOf(b.Documents, b.Hub), nil, r)
	e, err := survey.Estate(r, survey.Options{
		Documents: b.Documents, Hub: []string{render.RepositoryName(contractURL)}, Spoke: render.RepositoryName(url), SpokeFiles: at.tree,
		Environment: func(cluster string) (string, bool) {
			name, _ := judge.Environment(cluster)
			return name, gate.Production(name)
		},
	})
	if err != nil {
		return nil, nil, err
	}
	return r, rule.NewContext(e), nil
}
