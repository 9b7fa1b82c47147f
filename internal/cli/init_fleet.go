package cli

import (
	"cmp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// initFleetOptions are those of a hub and of a monorepo.
type initFleetOptions struct {
	initOptions
	layout   v1alpha1.Layout
	url      string
	branch   string
	flux     string
	clusters []string // NAME,env=ENV,...
}

func newInitFleetCmd(s *streams, layout v1alpha1.Layout) *cobra.Command {
	o := initFleetOptions{layout: layout}
	c := &cobra.Command{
		Use:   "hub [DIR]",
		Short: "The platform's repository, where each tenant has one of its own",
		Long: `Writes the files of a hub into DIR, or into the working directory: the fleet's documents, an entry folder
for each cluster with Flux locked down, a small platform with an overlay for each environment, CODEOWNERS, a
review of changes, and a README. Tenants are added later, each with a repository of its own.`,
		Args: oneFolder,
	}
	if layout == v1alpha1.Monorepo {
		c.Use, c.Short = "monorepo [DIR]", "One repository with the platform, the apps and all clusters"
		c.Long = `Writes the files of a monorepo into DIR, or into the working directory: the fleet's documents, an entry
folder for each cluster with Flux locked down, a small platform and an app with an overlay for each
environment, CODEOWNERS, a review of changes, and a README.`
	}
	command := strings.Fields(c.Use)[0]
	c.Long += `

A folder that is in no Git repository becomes one. Nothing is overwritten: if a file is there and differs,
none is written. Nothing is committed. What is not given is asked for on a terminal.

Clusters refuse what a tenant may not do: the Fleet document has guards: Enforce, or Off when a cluster has a
Kubernetes below 1.30.`
	c.Example = "  bulkhead init " + command + ` fleet --url ssh://git@github.com/acme/fleet --owner @acme/platform \
    --cluster staging-eu-1,env=staging,region=eu-1 --cluster prod-us-east-1,env=prod,region=us-east-1
  bulkhead init ` + command + " --dry-run     # asks, and lists the files"
	o.bind(c, "the fleet", "the platform")
	f := c.Flags()
	f.StringVar(&o.url, "url", "", "`URL` that Flux clones the repository from, such as ssh://git@github.com/acme/fleet (default: that of the remote origin)")
	f.StringVar(&o.branch, "branch", "", "`NAME` of the branch that all clusters follow (default: the repository's, else main)")
	f.StringArrayVar(&o.clusters, "cluster", nil, "a cluster, `NAME,env=ENV`, and if need be region=REGION, domain=DOMAIN and kubernetes=VERSION, each after a comma; repeatable")
	f.StringVar(&o.flux, "flux", "bootstrap", "how Flux gets onto a cluster, `WAY`: bootstrap, instance (of Flux Operator) or none")
	_ = c.RegisterFlagCompletionFunc("flux", cobra.FixedCompletions([]string{"bootstrap", "instance", "none"}, cobra.ShellCompDirectiveNoFileComp))
	asJSON := formatFlag(c)
	c.RunE = func(_ *cobra.Command, args []string) (err error) {
		if o.document, err = asJSON(); err != nil {
			return err
		}
		return runInitFleet(o, args, s)
	}
	return c
}

func runInitFleet(o initFleetOptions, args []string, s *streams) error {
	if err := o.start(args, s); err != nil {
		return err
	}
	all, err := o.options()
	if err != nil {
		return err
	}
	files, err := scaffold.Fleet(all)
	if err != nil {
		return problemOf(err, "")
	}
	first := all.Clusters[0].Name
	next := []string{
		"git add -A && git commit, and push branch " + all.Branch + " to " + all.URL,
		"install Flux on each cluster and let it follow clusters/NAME; README.md says what it needs",
		"bulkhead render shows what each cluster gets",
	}
	switch all.Flux {
	case scaffold.Bootstrap:
		next[1] = "flux bootstrap git --url=" + all.URL + " --branch=" + all.Branch + " --path=clusters/" + first + ", and so on for each cluster"
	case scaffold.Instance:
		next[1] = "on each cluster install Flux Operator and apply clusters/NAME/flux-instance.yaml; README.md says how"
	case scaffold.NoFlux:
	}
	if all.Layout == v1alpha1.HubAndSpoke {
		next[2] = "bulkhead tenant add NAME for the first tenant; bulkhead render shows what each cluster gets"
	}
	return o.finish(files, all.Branch, next, s)
}

// options are the flags, and what is asked for.
func (o *initFleetOptions) options() (scaffold.Options, error) {
	all := scaffold.Options{
		Name: o.name, Layout: o.layout, URL: cmp.Or(o.url, o.place.url), Branch: cmp.Or(o.branch, o.place.branch, "main"), Owner: o.owner,
		Flux: scaffold.Flux(o.flux),
	}
	if err := cmp.Or(scaffold.CheckFlux(all.Flux), scaffold.CheckBranch(all.Branch)); err != nil {
		return all, problemOf(err, "")
	}
	if err := o.missing(all); err != nil {
		return all, err
	}
	err := o.ask.line(&all.URL, "--url", "URL that Flux clones the repository from", exampleURL, scaffold.CheckURL)
	if err != nil {
		return all, err
	}
	all.CI = o.forge(all.URL)
	if err := o.ask.line(&all.Owner, "--owner", "Owner of the platform in CODEOWNERS", exampleOwner, scaffold.CheckOwner); err != nil {
		return all, err
	}
	add := func(text string) error {
		c, err := parseCluster(text)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(all.Clusters, func(d v1alpha1.Cluster) bool { return d.Name == c.Name }) {
			return usage("there are two clusters "+term.Quote(c.Name), "give each a name of its own")
		}
		if err := scaffold.CheckCluster(all, c); err != nil {
			return problemOf(err, "")
		}
		all.Clusters = append(all.Clusters, c)
		return nil
	}
	for _, text := range o.clusters {
		if err := add(text); err != nil {
			return all, err
		}
	}
	if len(all.Clusters) == 0 {
		err = o.ask.lines("--cluster", "Clusters, one a line", exampleCluster, add)
	}
	return all, err
}

// What questions and hints show.
const (
	exampleURL     = "ssh://git@github.com/acme/fleet"
	exampleOwner   = "@acme/platform"
	exampleCluster = "prod-us-east-1,env=prod,region=us-east-1"
)

// missing names all flags at once that have to be given when there is nobody to ask.
func (o *initFleetOptions) missing(all scaffold.Options) error {
	var flags, example []string
	need := func(lacking bool, flag, value string) {
		if lacking {
			flags, example = append(flags, flag), append(example, flag+" "+value)
		}
	}
	need(all.URL == "", "--url", exampleURL)
	need(all.Owner == "", "--owner", exampleOwner)
	need(len(o.clusters) == 0, "--cluster", exampleCluster)
	if o.ask != nil || len(flags) == 0 {
		return nil
	}
	return missing("for instance "+strings.Join(example, " "), flags...)
}

// parseCluster reads what --cluster says.
func parseCluster(text string) (v1alpha1.Cluster, error) {
	name, rest, _ := strings.Cut(text, ",")
	c := v1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}, Spec: v1alpha1.ClusterSpec{Path: "clusters/" + name}}
	known := []string{"env", "region", "domain", "kubernetes"}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(rest, ",") {
		if rest == "" {
			break
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok || value == "" {
			return c, usage("--cluster "+term.Quote(text)+": "+term.Quote(part)+" is not KEY=VALUE", "for instance "+exampleCluster)
		}
		if !slices.Contains(known, key) {
			return c, usage("--cluster "+term.Quote(text)+": unknown key "+term.Quote(key), near(key, known))
		}
		if seen[key] {
			return c, usage("--cluster "+term.Quote(text)+": "+key+" is there twice", "")
		}
		seen[key] = true
		var err error
		switch key {
		case "domain":
			err = scaffold.CheckDomain(value)
			c.Spec.Variables = map[string]string{"domain": value}
		case "kubernetes":
			err = scaffold.CheckVersion(value)
			c.Spec.KubernetesVersion = value
		default:
			err = scaffold.CheckName("the "+key+" of cluster "+name, value)
			c.Labels[key] = value
		}
		if err != nil {
			return c, problemOf(err, "")
		}
	}
	return c, problemOf(scaffold.CheckName("a cluster", name), "")
}
