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

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
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
		return usage(cmd.CommandPath()+" takes no argument, not "+quote(args[0]), "")
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
	o := &impactOptions{fleetOptions: fleetOptions{dir: dir, format: "text"}, base: "HEAD~1", head: "HEAD"}
	f, err := o.open(s)
	if err != nil {
		return err
	}
	defer f.close()
	x, err := f.compare(ctx, o.base, o.head)
	if err != nil {
		return err
	}
	s.impact(x, false)
	s.epilogue(story, x)
	if keep {
		s.printf("\nThe repository is in %s\n", safe(dir))
	}
	return nil
}

// prologue tells what happened, with the commands it stands for.
func (s *streams) prologue(story fleetgen.Story) {
	subject, body, _ := strings.Cut(strings.TrimSpace(story.Message), "\n")
	s.printf("One repository, %s: %s.\n", count(len(story.Clusters), "cluster"), names(story.Clusters, 8))
	s.printf("Somebody wants to change %s and commits this:\n\n", names(story.Meant, 8))
	s.printf("%s\n", s.look(cyan, "$ git show"))
	s.printf("    %s\n", subject)
	for line := range strings.Lines(body) {
		s.printf("%s\n", strings.TrimRight("    "+line, " \n"))
	}
	s.printf("\n  %s\n", story.File)
	for _, l := range unified(story.Before[story.File], story.After[story.File]) {
		look := ""
		switch l[0] {
		case '-':
			look = red
		case '+':
			look = green
		default:
		}
		if look != "" {
			l = s.look(look, l)
		}
		s.printf("  %s\n", l)
	}
	s.printf("\nThe review sees one line in one file, and says yes. What do the clusters say?\n\n")
	s.printf("%s\n", s.look(cyan, "$ bulkhead impact HEAD~1 HEAD"))
}

// epilogue says what it is all about.
func (s *streams) epilogue(story fleetgen.Story, x *comparison) {
	hit := x.changing()
	s.printf("\n%s\n", s.look(bold, "The point"))
	s.printf("  files say     1 line in %s\n", count(len(x.files), "file"))
	s.printf("  author meant  %s\n", names(story.Meant, 8))
	s.printf("  clusters say  %s change on %s\n", count(changes(x), "object"), names(hit, 8))
	var surprised []string
	for _, c := range hit {
		if !slices.Contains(story.Meant, c) {
			surprised = append(surprised, c)
		}
	}
	if len(surprised) > 0 {
		s.printf("  %s\n", s.look(red, names(surprised, 8)+" was never meant: stop the merge"))
	}
}

// changes counts those of all clusters.
func changes(x *comparison) (n int) {
	for _, c := range x.report.Clusters {
		n += c.Counts.Total()
	}
	return n
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
