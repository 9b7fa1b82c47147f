package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

func newDemoCmd(s *streams) *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "The incident that bulkhead is there to stop, on a fleet made for it",
		Long: `Makes a small fleet in a temporary folder, a Git repository with two commits, and shows what the last
one does: to the files, and to the clusters. No cluster, no network.`,
		Example: `  bulkhead demo
  bulkhead demo --keep     # leave the repository behind, to look around in`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDemo(cmd.Context(), keep, s) },
	}
	c.Flags().BoolVar(&keep, "keep", false, "do not remove the repository; say where it is")
	return c
}

// none refuses arguments.
func none(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(cmd.CommandPath()+" takes no argument, not "+term.Quote(args[0]), "")
	}
	return nil
}

func runDemo(ctx context.Context, keep bool, s *streams) (err error) {
	dir, err := os.MkdirTemp("", "bulkhead-demo-")
	if err != nil {
		return fmt.Errorf("make a folder for the demo: %w", err)
	}
	if !keep {
		defer func() {
			if gone := os.RemoveAll(dir); err == nil {
				err = gone
			}
		}()
	}
	story := fleetgen.Demo()
	if err := commitStory(dir, story); err != nil {
		return fmt.Errorf("make the demo's repository: %w", err)
	}
	s.prologue(story)
	o := &impactOptions{fleetOptions: fleetOptions{dir: dir, format: "text", store: storeOptions{dir: off}}, base: "HEAD~1", head: "HEAD"}
	f, err := o.open(s)
	if err != nil {
		return err
	}
	defer f.close(ctx)
	x, err := f.compare(ctx, o.base, o.head)
	if err != nil {
		return err
	}
	p, err := x.part(o, render.Shard{})
	if err != nil {
		return err
	}
	r := review.Of(ctx, []*part.Part{p}, review.Options{Now: time.Now().UTC()})
	if err := write(s.out, "text", r, s.colour, false); err != nil {
		return err
	}
	s.epilogue(story, r)
	if keep {
		s.printf("\nThe repository is in %s\n", term.Safe(dir))
	}
	return nil
}

// prologue tells what happened, with the commands it stands for.
func (s *streams) prologue(story fleetgen.Story) {
	subject, body, _ := strings.Cut(strings.TrimSpace(story.Message), "\n")
	s.printf("One repository, %s: %s.\n", phrase.Count(len(story.Clusters), "cluster"), term.Safe(phrase.List(story.Clusters, 8)))
	s.printf("Somebody wants to change %s and commits this:\n\n", term.Safe(phrase.List(story.Meant, 8)))
	s.printf("%s\n", s.look(term.Cyan, "$ git show"))
	s.printf("    %s\n", subject)
	for line := range strings.Lines(body) {
		s.printf("%s\n", strings.TrimRight("    "+line, " \n"))
	}
	s.printf("\n  %s\n", story.File)
	for _, l := range part.Lines(story.Before[story.File], story.After[story.File], 1) {
		code := term.Code("")
		switch l.Op {
		case "-":
			code = term.Red
		case "+":
			code = term.Green
		default:
		}
		s.printf("  %s\n", s.look(code, l.Op+l.Text))
	}
	s.printf("\nThe review sees one line in one file, and says yes. What do the clusters say?\n\n")
	s.printf("%s\n", s.look(term.Cyan, "$ bulkhead impact HEAD~1 HEAD"))
}

// epilogue says what it is all about.
func (s *streams) epilogue(story fleetgen.Story, r *review.Review) {
	var hit, surprised []string
	objects := 0
	for _, c := range r.Clusters {
		if c.Total() == 0 {
			continue
		}
		hit, objects = append(hit, c.Name), objects+c.Total()
		if !slices.Contains(story.Meant, c.Name) {
			surprised = append(surprised, c.Name)
		}
	}
	s.printf("\n%s\n", s.look(term.Bold, "The point"))
	s.printf("  files say     1 line in %s\n", phrase.Count(len(r.Files), "file"))
	s.printf("  author meant  %s\n", term.Safe(phrase.List(story.Meant, 8)))
	s.printf("  clusters say  %s change on %s\n", phrase.Count(objects, "object"), term.Safe(phrase.List(hit, 8)))
	if len(surprised) > 0 {
		s.printf("  %s\n", s.look(term.Red, term.Safe(phrase.List(surprised, 8))+" was never meant: stop the merge"))
	}
}

// commitStory makes a repository with a commit before and one after. Author and
// dates are fixed, so that the hashes are, too.
func commitStory(dir string, story fleetgen.Story) error {
	r, err := gogit.PlainInitWithOptions(dir, &gogit.PlainInitOptions{InitOptions: gogit.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName("main")}})
	if err != nil {
		return err
	}
	w, err := r.Worktree()
	if err != nil {
		return err
	}
	for i, step := range []struct {
		files   map[string]string
		message string
	}{{story.Before, "The fleet\n"}, {story.After, story.Message}} {
		for p, content := range step.files {
			if i > 0 && story.Before[p] == content {
				continue
			}
			full := filepath.Join(dir, filepath.FromSlash(p))
			if err := os.MkdirAll(filepath.Dir(full), 0o750); err != nil {
				return err
			}
			if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
				return err
			}
		}
		if err := w.AddWithOptions(&gogit.AddOptions{All: true}); err != nil {
			return err
		}
		who := &object.Signature{
			Name: "Demo", Email: "demo@acme.example",
			When: time.Date(2025, time.March, 3, 9+i, 0, 0, 0, time.UTC),
		}
		if _, err := w.Commit(step.message, &gogit.CommitOptions{Author: who, Committer: who}); err != nil {
			return err
		}
	}
	return nil
}
