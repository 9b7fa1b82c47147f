package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/report/text"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// EditDocument is what a command that edits the repository prints with -o json.
type EditDocument struct {
	// SchemaVersion is "bulkhead.dev/edit/v1".
	SchemaVersion string `json:"schemaVersion"`
	// DryRun is true when nothing was written.
	DryRun bool `json:"dryRun"`
	// Files that were written, sorted by path.
	Files []EditedFile `json:"files"`
	// Impact is what that changes on the clusters, as bulkhead impact -o json gives it; absent when no file changes, or with --no-impact.
	Impact json.RawMessage `json:"impact,omitempty"`
}

// EditedFile is one file that a command wrote.
type EditedFile struct {
	// Path is slash-separated, from the root of the repository.
	Path string `json:"path"`
	// Action is "create", "change" or "delete".
	Action string `json:"action" jsonschema:"enum=create,enum=change,enum=delete"`
}

// editOptions are the flags of commands that edit the repository.
type editOptions struct {
	fleetOptions
	dryRun, noImpact bool
	overwrite        []string
}

func (o *editOptions) bind(c *cobra.Command) {
	o.bindDocuments(c, "text", "json")
	f := c.Flags()
	f.StringArrayVar(&o.sources, "source", nil, "say where the repository behind a source's URL is, `URL=PATH[@REV]`: a clone or a folder as it is, or one commit of it; repeatable")
	f.BoolVar(&o.stats, "stats", false, "tell on standard error how much work was done")
	o.store.bind(c)
	f.BoolVar(&o.dryRun, "dry-run", false, "write nothing; tell what would be written, and what it would change")
	f.BoolVar(&o.noImpact, "no-impact", false, "do not work out what the clusters would make of it")
	f.StringArrayVar(&o.overwrite, "overwrite", nil, "write over the `FILE` whatever is in it, when a generated file has to be there; repeatable")
}

// session is a repository that a command edits.
type session struct {
	*fleet
	o      *editOptions
	before *snapshot
	docs   v1alpha1.Documents // as they are before
	files  map[string]string  // edits of documents, and of what a command makes once
	remove []string
}

// edit opens the repository of a command that edits it.
func (o *editOptions) edit(ctx context.Context, s *streams) (*session, error) {
	f, err := o.open(s)
	if err != nil {
		return nil, err
	}
	x := &session{fleet: f, o: o, files: map[string]string{}}
	if x.before, err = f.files(ctx); err != nil {
		return nil, err
	}
	if x.docs, err = render.Documents(x.before.tree); err != nil {
		return nil, err
	}
	return x, nil
}

// plan is what has to be written for the edits.
func (x *session) plan() (*layout.Change, error) {
	t := x.before.tree.With(x.files, x.remove...)
	docs, err := render.Documents(t)
	if err != nil {
		return nil, err
	}
	for i, p := range x.o.overwrite {
		x.o.overwrite[i] = path.Clean(filepath.ToSlash(p))
	}
	change, err := layout.Plan(t, docs, x.o.overwrite...)
	if err != nil {
		return nil, err
	}
	if len(change.Foreign) > 0 {
		return nil, x.foreign(change.Foreign)
	}
	for p, content := range x.files {
		if _, made := change.Write[p]; !made {
			change.Write[p] = content
		}
	}
	notes, err := packed(change.Tree(t), docs)
	if err != nil {
		return nil, err
	}
	change.Notes = append(change.Notes, notes...)
	change.Delete = append(change.Delete, x.remove...)
	slices.Sort(change.Delete)
	return change, nil
}

// foreign is the error of files that are not as they were generated. The differences go to standard error.
func (x *session) foreign(list []layout.Foreign) error {
	for _, f := range list {
		for line := range strings.Lines(udiff.Unified(f.Path, f.Path+" as generated", f.Have, f.Want)) {
			_, _ = fmt.Fprintln(x.s.err, term.Safe(strings.TrimRight(line, "\n")))
		}
	}
	f := list[0]
	what := "is not one that bulkhead generated"
	hint := "move it away, or give it up: --overwrite " + f.Path
	if f.Edited {
		what = "was edited since it was generated"
		hint = "say it in the document instead, or give the edit up: --overwrite " + f.Path
	}
	more := ""
	if len(list) > 1 {
		more = fmt.Sprintf(", and so are %d more", len(list)-1)
	}
	return hinted(fmt.Errorf("%s %s%s; nothing is written", f.Path, what, more), hint)
}

// actions are what becomes of each file, sorted by path.
func (x *session) actions(change *layout.Change) (out []EditedFile) {
	for _, p := range slices.Sorted(maps.Keys(change.Write)) {
		switch data, err := x.before.tree.ReadFile(p); {
		case err != nil:
			out = append(out, EditedFile{p, "create"})
		case string(data) != change.Write[p]:
			out = append(out, EditedFile{p, "change"})
		}
	}
	for _, p := range change.Delete {
		out = append(out, EditedFile{p, "delete"})
	}
	slices.SortFunc(out, func(a, b EditedFile) int { return cmp.Compare(a.Path, b.Path) })
	return out
}

// finish writes the edits and what follows from them, unless it is a dry run, and tells what they change on the clusters. Next is what the user does
// now.
func (x *session) finish(ctx context.Context, next ...string) error {
	change, err := x.plan()
	if err != nil {
		return err
	}
	for _, note := range change.Notes {
		x.s.note("%s", note)
	}
	files := x.actions(change)
	for _, f := range files { // before what is behind a link is rendered
		if err := inside(x.root, f.Path); err != nil {
			return err
		}
	}
	var r *review.Review
	if len(files) > 0 && !x.o.noImpact {
		if r, err = x.review(ctx, change.Tree(x.before.tree)); err != nil {
			return hinted(fmt.Errorf("what it changes: %w; nothing is written", err), cmp.Or(hintOf(err), "write it all the same: --no-impact"))
		}
	}
	if !x.o.dryRun {
		if err := writeAll(x.root, change.Write, change.Delete); err != nil {
			return err
		}
	}
	x.tellStats()
	if x.o.format == "json" {
		doc := EditDocument{SchemaVersion: editSchema, DryRun: x.o.dryRun, Files: some(files)}
		if r != nil {
			var b bytes.Buffer
			if err := writeJSON(&b, r); err != nil {
				return err
			}
			doc.Impact = b.Bytes()
		}
		return x.s.json(doc)
	}
	return x.tell(files, r, next)
}

// tell is finish for people.
func (x *session) tell(files []EditedFile, r *review.Review, next []string) error {
	done := map[string]string{"create": "new", "change": "changed", "delete": "deleted"}
	if x.o.dryRun && len(files) > 0 {
		x.s.printf("%s\n", x.s.look(term.Bold, "Nothing is written. This would be:"))
	}
	for _, f := range files {
		x.s.printf("  %-8s  %s\n", done[f.Action], term.Safe(f.Path))
	}
	if len(files) == 0 {
		x.s.printf("nothing to do: the files are as the documents say\n")
		return nil
	}
	if r != nil {
		x.s.printf("\n")
		if err := text.Write(x.s.out, r, text.Options{Colour: x.s.colour, Stat: x.o.stats, Fold: ofGuards}); err != nil {
			return err
		}
	}
	if len(next) > 0 && !x.o.dryRun {
		x.s.printf("\nNext:\n")
		for _, n := range next {
			x.s.printf("  %s\n", n)
		}
	}
	return nil
}

// ofGuards names changes of guards, of which a tenant makes dozens that say the same.
func ofGuards(g *review.Group) string {
	for _, c := range g.Causes {
		if file := c.Name(); !strings.HasPrefix(file, layout.GuardsDir+"/") && !strings.Contains(file, "/"+layout.TenantsDir+"/"+layout.GuardsDir+"/") {
			return ""
		}
	}
	if len(g.Causes) == 0 {
		return ""
	}
	return "guards"
}

// review compares the files on disk with what they will be.
func (x *session) review(ctx context.Context, after *tree.Tree) (*review.Review, error) {
	c := &comparison{base: x.before, head: &snapshot{tree: after, name: "the files with this edit"}}
	err := x.between(ctx, c, "")
	if errors.Is(err, render.ErrNoClusters) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	p, err := c.part(&impactOptions{fleetOptions: x.o.fleetOptions}, render.Shard{})
	if err != nil {
		return nil, err
	}
	return review.Of(ctx, []*part.Part{p}, review.Options{Now: time.Now().UTC()}), nil
}

// writeAll writes and removes files below root: all of them, or none if one cannot be written. Folders that are left empty go.
func writeAll(root string, write map[string]string, remove []string) (err error) {
	type moved struct{ tmp, to string }
	var ready []moved
	defer func() {
		for _, m := range ready { // what has not been moved
			_ = os.Remove(m.tmp)
		}
	}()
	for _, p := range slices.Sorted(maps.Keys(write)) {
		to := filepath.Join(root, filepath.FromSlash(p))
		if err := inside(root, p); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil { //nolint:gosec // files that Git keeps for everybody
			return fmt.Errorf("write %s: %w; nothing is written", p, cause(err))
		}
		tmp, err := os.CreateTemp(filepath.Dir(to), ".bulkhead-*")
		if err != nil {
			return fmt.Errorf("write %s: %w; nothing is written", p, cause(err))
		}
		ready = append(ready, moved{tmp.Name(), to})
		_, err = tmp.WriteString(write[p])
		if err == nil {
			err = tmp.Chmod(0o644)
		}
		if err = errors.Join(err, tmp.Close()); err != nil {
			return fmt.Errorf("write %s: %w; nothing is written", p, cause(err))
		}
	}
	for len(ready) > 0 {
		if err := os.Rename(ready[0].tmp, ready[0].to); err != nil {
			return fmt.Errorf("write %s: %w", ready[0].to, cause(err))
		}
		ready = ready[1:]
	}
	for _, p := range remove {
		if err := inside(root, p); err != nil {
			return err
		}
		at := filepath.Join(root, filepath.FromSlash(p))
		if err := os.Remove(at); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("remove %s: %w", p, cause(err))
		}
		for dir := filepath.Dir(at); len(dir) > len(root) && os.Remove(dir) == nil; dir = filepath.Dir(dir) { // until one is not empty
		}
	}
	return nil
}

// inside refuses a path that leads through a symbolic link: what is behind it may be anywhere.
func inside(root, p string) error {
	at := root
	for part := range strings.SplitSeq(p, "/") {
		at = filepath.Join(at, part)
		info, err := os.Lstat(at)
		if os.IsNotExist(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("write %s: %w", p, cause(err))
		}
		if info.Mode()&os.ModeSymlink != 0 {
			return hinted(fmt.Errorf("write %s: %s is a symbolic link", p, at), "what is generated needs files and folders of its own")
		}
	}
	return nil
}

// clean refuses a work tree with changes that are not committed.
func (x *session) clean(ctx context.Context, why string) error {
	if x.repo == nil {
		return hinted(fmt.Errorf("%s is not a Git repository, and %s", x.dir, why), "git init, then commit what is there")
	}
	head, err := x.workspace.at(ctx, "HEAD")
	if err != nil {
		return err
	}
	files, err := changedFiles(head.tree, x.before.tree)
	if err != nil {
		return err
	}
	if len(files) > 0 {
		return hinted(fmt.Errorf("there are changes that are not committed, and %s: %s", why, phrase.List(files, 5)), "git add -A; git commit, or git stash")
	}
	return nil
}
