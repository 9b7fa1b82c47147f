package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// fleetOptions say which fleet is looked at, and how its answer is given.
type fleetOptions struct {
	dir      string
	clusters []string // NAME=PATH
	vars     []string // CLUSTER:NAME=VALUE
	sources  []string // URL=PATH[@REV]
	branch   string
	strict   bool
	parallel int
	memory   string // a size; "" for what the environment and the container allow
	format   string
	stats    bool
	fetch    fetchOptions
	store    storeOptions
	decrypt  decryptOptions
}

// bind adds the flags that all commands on a fleet have. The first format is the
// default.
func (o *fleetOptions) bind(c *cobra.Command, formats ...string) {
	f := c.Flags()
	f.StringVarP(&o.dir, "chdir", "C", ".", "`DIR` with the fleet: a Git repository, or for render, reach, check and assess a plain folder")
	f.StringArrayVar(&o.clusters, "cluster", nil, "declare a cluster by its entry folder, `NAME=PATH`; again for more of them, the same NAME for several folders; ROOT//PATH if the source's root is a folder")
	f.StringArrayVar(&o.vars, "var", nil, "give a variable that substituteFrom reads and Git does not hold, `CLUSTER:NAME=VALUE`; repeatable")
	f.StringArrayVar(&o.sources, "source", nil, "say where the repository behind a source's URL is, `URL=PATH[@REV]`: a clone or a folder as it is, or one commit of it; for impact also PATH@BASE..REV, a change of its own; repeatable")
	f.StringVar(&o.branch, "branch", "", "`NAME` of the branch that the files looked at stand for (default: the base's, if a cluster follows it, else the repository's default branch)")
	f.BoolVar(&o.strict, "strict", false, "exit 3 when anything failed or is unresolved")
	f.IntVar(&o.parallel, "parallel", 0, "run at most `N` builds at once (default: BULKHEAD_PARALLEL, else one per processor)")
	f.StringVar(&o.memory, "memory", "", "keep to about `SIZE` of memory, such as 512MiB or 2Gi; a fleet that needs more gets it, and takes longer (default: BULKHEAD_MEMORY, else what the container has)")
	f.StringVarP(&o.format, "output", "o", formats[0], "`FORMAT` of the output: "+strings.Join(formats, ", "))
	f.BoolVar(&o.stats, "stats", false, "tell on standard error how much work was done")
	f.BoolVar(&o.fetch.all, "fetch", false, "fetch charts, OCI artifacts, buckets and repositories that are not at hand, from any public host")
	f.StringArrayVar(&o.fetch.hosts, "fetch-host", nil, "fetch from `HOST` only, such as ghcr.io, *.example.com or localhost:5000; repeatable")
	f.StringArrayVar(&o.fetch.private, "fetch-private", nil, "let a `HOST` or CIDR that may be fetched from have a private or local address; repeatable")
	f.BoolVar(&o.fetch.offline, "offline", false, "take what would be fetched from the cache of earlier runs only")
	f.BoolVar(&o.decrypt.on, "decrypt", false, "open SOPS ciphertext in memory, with the keys that sops finds: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, sops/age/keys.txt")
	f.StringArrayVar(&o.decrypt.files, "decrypt-key", nil, "open SOPS ciphertext with the age, SSH or armored PGP key in `FILE`, too; repeatable")
	o.store.bind(c)
	_ = c.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	_ = c.MarkFlagDirname("chdir")
	c.PreRunE = func(*cobra.Command, []string) error { return o.check(formats) }
}

func (o *fleetOptions) check(formats []string) error {
	if err := o.checkResources(); err != nil {
		return err
	}
	if o.format == "text" && formats[0] == "table" {
		o.format = "table" // the text of these commands is a table
	}
	return checkFormat(o.format, formats)
}

func checkFormat(format string, formats []string) error {
	if !slices.Contains(formats, format) {
		return usage("unknown output format "+term.Quote(format), "use -o "+strings.Join(formats, ", -o "))
	}
	return nil
}

// declared are the clusters of --cluster, in the order of their names' first use.
func (o *fleetOptions) declared() ([]render.Declared, error) {
	var out []render.Declared
	for _, text := range o.clusters {
		name, dir, ok := strings.Cut(text, "=")
		if !ok || name == "" || dir == "" {
			return nil, usage("--cluster "+term.Quote(text)+" is not NAME=PATH", "for instance --cluster prod=clusters/prod")
		}
		i := slices.IndexFunc(out, func(d render.Declared) bool { return d.Name == name })
		if i < 0 {
			i, out = len(out), append(out, render.Declared{Name: name})
		}
		out[i].Paths = append(out[i].Paths, dir)
	}
	return out, nil
}

// variables are those of --var, by cluster. The error does not hold the value.
func (o *fleetOptions) variables() (map[string]map[string]string, error) {
	out := map[string]map[string]string{}
	for _, text := range o.vars {
		cluster, rest, ok := strings.Cut(text, ":")
		name, value, set := strings.Cut(rest, "=")
		if !ok || !set || cluster == "" || name == "" {
			return nil, usage("a --var is not CLUSTER:NAME=VALUE", "for instance --var prod:domain=acme.example")
		}
		if out[cluster] == nil {
			out[cluster] = map[string]string{}
		}
		out[cluster][name] = value
	}
	return out, nil
}
