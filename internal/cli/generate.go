package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

func newGenerateCmd(s *streams) *cobra.Command {
	var o editOptions
	var check bool
	c := &cobra.Command{
		Use:   "generate",
		Short: "Write the files that the documents under fleet/ stand for",
		Long: `Writes, for each cluster, the file of each tenant and the variables, lists them in the cluster's kustomization
file, and deletes generated files that are no longer wanted. What was generated is listed in ` + "fleet/generated.sha256" + `.
A file that somebody edited, or that bulkhead did not make, is never written over: then nothing is written at all.

With --check nothing is written, and the exit code is 1 when something would be.`,
		Example: "  bulkhead generate\n  bulkhead generate --check    # in CI",
		Args:    none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if check {
				return runGenerateCheck(cmd.Context(), &o, s)
			}
			x, err := o.edit(cmd.Context(), s)
			if err != nil {
				return err
			}
			defer x.close(cmd.Context())
			if err := x.some(); err != nil {
				return err
			}
			return x.finish(cmd.Context())
		},
	}
	o.bind(c)
	c.Long += "\n\n" + strings.Replace(exitCodes(false, false), "  2 ", "  1  with --check: a file is not as the documents say, or was edited\n  2 ", 1)
	c.Annotations = map[string]string{codesKey: "check"}
	c.Flags().BoolVar(&check, "check", false, "write nothing; exit 1 when the files are not as the documents say")
	return c
}

func runGenerateCheck(ctx context.Context, o *editOptions, s *streams) error {
	o.dryRun, o.noImpact = true, true
	x, err := o.edit(ctx, s)
	if err != nil {
		return err
	}
	defer x.close(ctx)
	if err := x.some(); err != nil {
		return err
	}
	change, err := x.plan()
	if err != nil {
		if p := (*problemError)(nil); errors.As(err, &p) && p.code == 0 {
			p.code = codeFindings
		}
		return err
	}
	for _, note := range change.Notes {
		s.note("%s", note)
	}
	files := x.actions(change)
	if o.format == "json" {
		if err := s.json(EditDocument{SchemaVersion: editSchema, DryRun: true, Files: some(files)}); err != nil {
			return err
		}
	} else {
		for _, f := range files {
			s.printf("%-6s  %s\n", f.Action, term.Safe(f.Path))
		}
	}
	if len(files) > 0 {
		return &problemError{err: fmt.Errorf("%s not as the documents say", phrase.Count(len(files), "file")+verb(len(files))), hint: "run bulkhead generate and commit what it writes", code: codeFindings}
	}
	return nil
}

// some wants documents, or files that were generated once: where there is neither, the folder is a wrong one.
func (x *session) some() error {
	d := &x.docs
	if d.Fleet != nil || len(d.Clusters)+len(d.Tenants)+len(d.Waivers)+len(d.Rules) > 0 {
		return nil
	}
	if _, err := x.before.tree.Stat(layout.IndexFile); err == nil {
		return nil
	}
	return hinted(fmt.Errorf("there is no document under %s", filepath.Join(x.root, "fleet")), "name the fleet's repository: -C DIR, or begin one: bulkhead init hub DIR")
}

// verb is what n things do, with a space before it.
func verb(n int) string {
	if n == 1 {
		return " is"
	}
	return " are"
}
