package cli

import (
	"cmp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
)

func newInitSpokeCmd(s *streams) *cobra.Command {
	var o initOptions
	var environments []string
	c := &cobra.Command{
		Use:   "spoke [DIR]",
		Short: "A tenant's repository",
		Long: `Writes the files of a tenant's repository into DIR, or into the working directory: one app with a folder for
each environment, CODEOWNERS, a review of changes, and a README. The app is a stand-in that the Pod
Security Standard "restricted" admits.

A folder that is in no Git repository becomes one. Nothing is overwritten: if a file is there and differs,
none is written. Nothing is committed. What is not given is asked for on a terminal.`,
		Example: "  bulkhead init spoke billing --owner @acme/billing\n  bulkhead init spoke --name billing --environment dev --environment prod --owner @acme/billing",
		Args:    oneFolder,
	}
	o.bind(c, "the tenant, and of its first app", "the repository")
	c.Flags().StringArrayVar(&environments, "environment", []string{"staging", "prod"}, "an environment, `NAME`, in the order in which a version goes through them; repeatable")
	asJSON := formatFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) (err error) {
		if o.document, err = asJSON(); err != nil {
			return err
		}
		return runInitSpoke(o, environments, args, s)
	}
	return c
}

func runInitSpoke(o initOptions, environments, args []string, s *streams) error {
	if err := o.start(args, s); err != nil {
		return err
	}
	if err := o.ask.line(&o.owner, "--owner", "Owner of the repository in CODEOWNERS", "@acme/billing", scaffold.CheckOwner); err != nil {
		return err
	}
	files, err := scaffold.Spoke(scaffold.SpokeOptions{Name: o.name, Environments: environments, Owner: o.owner, CI: o.forge(o.place.url)})
	if err != nil {
		return problemOf(err, "")
	}
	show := []string{"bulkhead render"}
	for _, env := range environments {
		show = append(show, "--cluster "+env+"=deploy/"+env)
	}
	return o.finish(files, cmp.Or(o.place.branch, "main"), []string{
		"put the image of your own into deploy/" + environments[0] + "/kustomization.yaml",
		strings.Join(show, " ") + " shows what each environment gets",
		"git add -A && git commit, and push; in the hub: bulkhead tenant add " + o.name,
	}, s)
}
