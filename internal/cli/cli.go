// Package cli is the bulkhead command line, see [Main]: flags in, core calls,
// text and an exit code out.
//
// Data goes to standard output and the rest to standard error. No command uses
// the network unless it is asked to, runs a program other than itself, or writes where
// it was not told to, but for its cache; the library of a cloud whose bucket is to be read
// does what the user's configuration of that cloud says.
package cli

//go:generate env UPDATE=1 go test -count=1 -run ^TestReference$ .

import (
	"cmp"
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/report/term"
)

// Main runs one command line, without the program's name, and returns the exit
// code of the process: 0 done, 1 findings or a failed gate, 2 could not answer,
// 3 incomplete with --strict.
//
// While it runs it silences what engines write to standard error behind our back
// and bars the network, both for the whole process; do not run two at a time.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	defer seal()()
	s := newStreams(stdout, stderr)
	root := newRootCmd(s) //nolint:contextcheck // cobra hands the context to each command
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if flushed := s.out.Flush(); err == nil {
		err = flushed
	}
	return s.exit(err)
}

// newRootCmd is the whole command line, writing to s.
func newRootCmd(s *streams) *cobra.Command {
	root := &cobra.Command{
		Use:   "bulkhead",
		Short: "What Flux applies on every cluster, and what a commit changes there",
		Long: `Bulkhead shows, before a merge, what a commit to a Flux repository will change on every cluster.

It reads a Git repository as it is: no cluster, no credentials, and no network unless you ask.`,
		Example: `  bulkhead demo                    # the incident it is there to stop, on a fleet made for it
  bulkhead impact                  # what the branch at hand changes, cluster by cluster
  bulkhead render -o name          # every object that Flux would apply`,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return usage("unknown command "+term.Quote(args[0]), near(args[0], names))
	}
	root.SetOut(s.out)
	root.SetErr(s.err)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(err.Error(), cmd.CommandPath()+" --help lists the flags")
	})
	root.AddCommand(
		newRenderCmd(s), newImpactCmd(s), newReachCmd(s), newAssessCmd(s), newCheckCmd(s), newRulesCmd(s), newInitCmd(s), newClusterCmd(s), newTenantCmd(s), newGenerateCmd(s), newDemoCmd(s), newCacheCmd(s),
		newVersionCmd(s),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		finish(c)
	}
	finish(root)
	return root
}

// finish completes the help of a command and of those below it: each states its
// exit codes, and cobra's own get an example.
func finish(c *cobra.Command) {
	if c.Annotations[codesKey] == "" {
		c.Long = strings.TrimRight(cmp.Or(c.Long, c.Short), "\n") + "\n\n" + exitCodes(false, false)
	}
	if c.Example == "" {
		c.Example = "  " + c.CommandPath() + " --help"
		if p := c.Parent(); p != nil && p.Name() == "completion" {
			c.Example = "  " + c.CommandPath() + " > FILE"
		}
	}
	if c.HasParent() {
		for _, sub := range c.Commands() {
			finish(sub)
		}
	}
}

// codesKey marks a command whose help says its exit codes already.
const codesKey = "bulkhead.dev/exit-codes"

// exitCodes is the part of a command's help about its exit codes.
func exitCodes(strict, gates bool) string {
	text := `Exit codes:
  0  done, and nothing to object to
`
	if gates {
		text += `  1  a gate failed, or a waiver that is needed has expired; the output is printed all the same
`
	}
	text += `  2  could not answer: a flag, a revision, a file or the repository is wrong`
	if strict {
		text += `
  3  incomplete, with --strict: something failed or is unresolved; the output is printed all the same`
	}
	return text
}

// withCodes finishes the help of a command that knows --strict, and gates or not.
func withCodes(c *cobra.Command, gates bool) *cobra.Command {
	c.Long = strings.TrimRight(c.Long, "\n") + "\n\n" + exitCodes(true, gates)
	c.Annotations = map[string]string{codesKey: "strict"}
	return c
}
