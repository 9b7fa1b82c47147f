package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// InitDocument is what "bulkhead init -o json" writes: the files of a new repository.
type InitDocument struct {
	// SchemaVersion is "bulkhead.dev/init/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/init/v1"`
	// Folder is the absolute path of the repository.
	Folder string `json:"folder"`
	// DryRun is true when nothing was written.
	DryRun bool `json:"dryRun"`
	// Repository is true when the folder was made a Git repository, or with dryRun would be.
	Repository bool `json:"repository"`
	// Files sorted by path.
	Files []InitFile `json:"files"`
}

// InitFile is a file of a new repository.
type InitFile struct {
	// Path from the repository's root, with slashes.
	Path string `json:"path"`
	// State is New for a file that was written, Same for one that was there already.
	State string `json:"state" jsonschema:"enum=New,enum=Same"`
}

func newInitCmd(s *streams) *cobra.Command {
	c := &cobra.Command{
		Use:   "init",
		Short: "A new repository that renders: monorepo, hub or spoke",
		Long: `Writes the files of a new Flux repository: one for everything (monorepo), one for the platform (hub), or
one for a tenant (spoke). It overwrites no file and commits nothing.`,
		Example: "  bulkhead init monorepo fleet\n  bulkhead init hub fleet\n  bulkhead init spoke billing",
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.Args = func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return usage("unknown command "+term.Quote("init "+args[0]), near(args[0], []string{"monorepo", "hub", "spoke"}))
	}
	c.AddCommand(newInitFleetCmd(s, v1alpha1.Monorepo), newInitFleetCmd(s, v1alpha1.HubAndSpoke), newInitSpokeCmd(s))
	return c
}

// initOptions are those of all kinds of repository.
type initOptions struct {
	dryRun bool
	name   string
	owner  string
	ci     string

	place    *place
	ask      *asker // nil: nobody to ask
	document bool   // the answer is one of JSON
}

func (o *initOptions) bind(c *cobra.Command, name, owner string) {
	f := c.Flags()
	f.StringVar(&o.name, "name", "", "`NAME` of "+name+" (default: that of the folder)")
	f.StringVar(&o.owner, "owner", "", "`OWNER` of "+owner+" in CODEOWNERS: @user, @org/team or an address")
	f.StringVar(&o.ci, "ci", "", "where changes are reviewed, `FORGE`: github, gitlab or none (default: gitlab if its name is in the host of the URL, else github)")
	f.BoolVar(&o.dryRun, "dry-run", false, "list the files, and write nothing")
	_ = c.RegisterFlagCompletionFunc("ci", cobra.FixedCompletions([]string{"github", "gitlab", "none"}, cobra.ShellCompDirectiveNoFileComp))
}

// start takes the argument of the command, and finds out what is there.
func (o *initOptions) start(args []string, s *streams) (err error) {
	o.ask = newAsker(s)
	dir := "."
	if len(args) > 0 {
		dir = args[0]
	}
	if o.place, err = findPlace(dir); err != nil {
		return err
	}
	o.name = cmp.Or(o.name, filepath.Base(o.place.dir))
	if err := scaffold.CheckName("the repository", o.name); err != nil {
		return problemOf(err, "give it a name: --name NAME; lower-case letters, digits and '-'")
	}
	if o.ci != "" {
		err = scaffold.CheckCI(scaffold.CI(o.ci))
	}
	return problemOf(err, "")
}

// forge is where changes are reviewed, if a flag does not say.
func (o *initOptions) forge(raw string) scaffold.CI {
	if u, err := url.Parse(raw); o.ci == "" && err == nil && strings.Contains(u.Hostname(), "gitlab") {
		return scaffold.GitLab
	}
	return scaffold.CI(o.ci)
}

// oneFolder refuses more than one argument.
func oneFolder(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage(cmd.CommandPath()+" takes one folder, not "+phrase.Count(len(args), "argument"), "")
	}
	return nil
}

// problemOf is an error of package scaffold as the door tells it, with another hint if that is not "".
func problemOf(err error, hint string) error {
	if p := (*scaffold.ProblemError)(nil); errors.As(err, &p) {
		return usage(p.Message, cmp.Or(hint, p.Hint))
	}
	return err
}

// finish writes the files, makes the repository, and tells.
func (o *initOptions) finish(files map[string]string, branch string, next []string, s *streams) error {
	p := o.place
	d := &InitDocument{SchemaVersion: initSchema, Folder: p.dir, DryRun: o.dryRun, Repository: !p.repository, Files: []InitFile{}}
	fresh, err := p.compare(files)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		state := "Same"
		if _, ok := fresh[name]; ok {
			state = "New"
		}
		d.Files = append(d.Files, InitFile{Path: name, State: state})
	}
	if !o.dryRun {
		if err := p.write(fresh); err != nil {
			return err
		}
		if err := p.makeRepository(branch); err != nil {
			return err
		}
	}
	if o.document {
		return s.json(d)
	}
	for _, f := range d.Files {
		if f.State == "New" {
			s.printf("%s\n", f.Path)
		}
	}
	if len(fresh) == 0 {
		s.note("nothing to write: %s there already", phrase.Count(len(files), "file"))
		return nil
	}
	if o.dryRun {
		s.note("%s to write into %s; nothing was written", phrase.Count(len(fresh), "file"), p.dir)
		return nil
	}
	s.note("%s written into %s; nothing is committed", phrase.Count(len(fresh), "file"), p.dir)
	for i, line := range next {
		_, _ = io.WriteString(s.err, fmt.Sprintf("  %d. %s\n", i+1, term.Safe(line)))
	}
	return nil
}
