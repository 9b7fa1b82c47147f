package cli

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/isolation/contract"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
)

func newInitSpokeCmd(s *streams) *cobra.Command {
	var o initOptions
	var environments []string
	var contractOf string
	c := &cobra.Command{
		Use:   "spoke [DIR]",
		Short: "A tenant's repository",
		Long: `Writes the files of a tenant's repository into DIR, or into the working directory: one app with a folder for
each environment, CODEOWNERS, a review of changes, and a README. The app is a stand-in that the Pod
Security Standard "restricted" admits. The review checks isolation by the contract that the platform writes with
"bulkhead contract export", in ` + scaffold.ContractFile + `: take one in with --contract, or have it written later.

A folder that is in no Git repository becomes one. Nothing is overwritten: if a file is there and differs,
none is written. Nothing is committed. What is not given is asked for on a terminal.`,
		Example: "  bulkhead init spoke billing --owner @acme/billing\n  bulkhead init spoke --name billing --environment dev --environment prod --owner @acme/billing",
		Args:    oneFolder,
	}
	o.bind(c, "the tenant, and of its first app", "the repository")
	c.Flags().StringArrayVar(&environments, "environment", []string{"staging", "prod"}, "an environment, `NAME`, in the order in which a version goes through them; repeatable")
	c.Flags().StringVar(&contractOf, "contract", "", "take in the contract in `FILE`, which bulkhead contract export wrote in the hub")
	asJSON := formatFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) (err error) {
		if o.document, err = asJSON(); err != nil {
			return err
		}
		return runInitSpoke(o, environments, contractOf, args, s)
	}
	return c
}

func runInitSpoke(o initOptions, environments []string, contractOf string, args []string, s *streams) error {
	if err := o.start(args, s); err != nil {
		return err
	}
	text, err := o.contract(contractOf)
	if err != nil {
		return err
	}
	if err := o.ask.line(&o.owner, "--owner", "Owner of the repository in CODEOWNERS", "@acme/billing", scaffold.CheckOwner); err != nil {
		return err
	}
	files, err := scaffold.Spoke(scaffold.SpokeOptions{Name: o.name, Environments: environments, Owner: o.owner, CI: o.forge(o.place.url), Contract: text})
	if err != nil {
		return problemOf(err, "")
	}
	show := []string{"bulkhead render"}
	for _, env := range environments {
		show = append(show, "--cluster "+env+"=deploy/"+env)
	}
	next := []string{
		"put the image of your own into deploy/" + environments[0] + "/kustomization.yaml",
		strings.Join(show, " ") + " shows what each environment gets",
		"git add -A && git commit, and push; in the hub: bulkhead tenant add " + o.name,
	}
	if text == "" {
		next = append(next, "in the hub: bulkhead contract export --tenant "+o.name+" --file "+filepath.Join(o.place.dir, scaffold.ContractFile)+", so that the review checks isolation")
	}
	return o.finish(files, cmp.Or(o.place.branch, "main"), next, s)
}

// contract is the text of a contract, which has to be that of the tenant; "" without a file.
func (o *initOptions) contract(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	data, err := os.ReadFile(file) //nolint:gosec // G304: the user names the file
	if err != nil {
		return "", fmt.Errorf("open %s: %w", file, cause(err))
	}
	b, err := contract.Hub(file, data)
	if err != nil {
		return "", err
	}
	if b.Tenant.Name != o.name {
		return "", usage(fmt.Sprintf("%s is the contract of tenant %s, and the spoke is called %s", file, b.Tenant.Name, o.name), "give it the tenant's name: --name "+b.Tenant.Name)
	}
	return string(data), nil
}
