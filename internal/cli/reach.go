package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/report/term"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// reachOptions are the flags of reach.
type reachOptions struct {
	fleetOptions
	rev   string
	files []string
}

func newReachCmd(s *streams) *cobra.Command {
	var o reachOptions
	c := &cobra.Command{
		Use:   "reach FILE...",
		Short: "Which clusters a file reaches",
		Long: `Tells which clusters read a file, and through which applier, from what their builds really read: not
from the names of folders. A folder stands for every file below it. A file that is not there is
answered too: who looks for it, and whose folder it would be in.`,
		Example: `  bulkhead reach infrastructure/base/logging/kustomization.yaml
  bulkhead reach apps/base -o json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("no file is named", "bulkhead reach FILE...")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.files = args
			return runReach(cmd.Context(), &o, s)
		},
	}
	o.bind(c, "table", "json")
	c.Flags().StringVar(&o.rev, "rev", "", "look at the commit `REV` (default: the files on disk)")
	return withCodes(c, false)
}

func runReach(ctx context.Context, o *reachOptions, s *streams) error {
	f, err := o.open(s)
	if err != nil {
		return err
	}
	defer f.close(ctx)
	at, err := f.workspace.at(ctx, o.rev)
	if err != nil {
		return err
	}
	asked, err := f.asked(at.tree, o.files)
	if err != nil {
		return err
	}
	if err := f.reach(at.tree); err != nil {
		return err
	}
	if f.render.Sources, err = o.mapped(ctx, f.workspace, at.tree); err != nil {
		return err
	}
	r, err := f.first(ctx, at, o.rev)
	if err != nil {
		return err
	}
	f.tellNotes(r)
	f.tellStats()
	doc := reachDocument(r, asked)
	for _, file := range doc.Files {
		if !file.Exists {
			s.note("%s: there is no such file; shown is who would notice it", file.File)
		}
	}
	if o.format == "json" {
		err = s.json(doc)
	} else {
		s.reach(doc)
	}
	if failures, unresolved := totals(r.Clusters); err == nil && o.strict && failures+unresolved > 0 {
		return incomplete(failures, unresolved)
	}
	return err
}

// asked turns arguments into files of the tree, folders into the files below.
func (f *fleet) asked(t *tree.Tree, args []string) ([]ReachedFile, error) {
	var out []ReachedFile
	seen := map[string]bool{}
	add := func(p string, exists bool) {
		if !seen[p] {
			seen[p] = true
			out = append(out, ReachedFile{File: p, Exists: exists, Readers: []Reader{}})
		}
	}
	for _, arg := range args {
		p, err := f.fromRoot(t, arg)
		if err != nil {
			return nil, err
		}
		e, err := t.Stat(p)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			add(p, false)
		case err != nil:
			return nil, err
		case e.Mode != tree.Directory:
			add(p, true)
		default:
			err := t.Walk(p, func(q string, e tree.Entry) error {
				if e.Mode != tree.Directory {
					add(q, true)
				}
				return nil
			})
			if err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// fromRoot is the slash path from the root that an argument names: a path from
// the folder at hand, or if there is nothing of that name, from the root.
func (f *fleet) fromRoot(t *tree.Tree, arg string) (string, error) {
	outside := usage(term.Quote(arg)+" is outside of "+f.root, "name a file of the repository")
	if filepath.IsAbs(arg) {
		for _, root := range []string{f.root, resolved(f.root)} {
			if rel, err := filepath.Rel(root, arg); err == nil && filepath.IsLocal(rel) {
				return filepath.ToSlash(rel), nil
			}
		}
		return "", outside
	}
	plain := path.Clean(filepath.ToSlash(arg))
	p := path.Join(f.below(), plain)
	if strings.HasPrefix(p, "../") || p == ".." {
		return "", outside
	}
	if _, err := t.Stat(p); err != nil && !strings.HasPrefix(plain, "..") {
		if _, err := t.Stat(plain); err == nil {
			return plain, nil
		}
	}
	return p, nil
}

func resolved(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

// reachDocument says who reads the files.
func reachDocument(r *render.Result, files []ReachedFile) *ReachDocument {
	d := &ReachDocument{SchemaVersion: reachSchema, Files: some(files), Clusters: []string{}, Coverage: render.CoverageOf(r.Clusters)}
	reads, listings := map[string][]Reader{}, map[string][]Reader{}
	for _, c := range r.Clusters {
		d.Clusters = append(d.Clusters, c.Name)
		for _, a := range c.Appliers {
			if !a.Own {
				continue
			}
			reader := Reader{Cluster: c.Name, Applier: a.Applier, Pinned: a.Pinned}
			if a.Pinned {
				reader.Revision = a.Source.Revision
			}
			for _, read := range a.Reads() {
				p := path.Join(a.Prefix, read.Path)
				reads[p] = append(reads[p], reader)
				if read.Kind == tree.Listing {
					listings[p] = append(listings[p], reader)
				}
			}
		}
	}
	for i := range d.Files {
		f := &d.Files[i]
		f.Readers = append(f.Readers, reads[f.File]...)
		if !f.Exists {
			f.Readers = append(f.Readers, listings[path.Dir(f.File)]...)
		}
		slices.SortFunc(f.Readers, func(a, b Reader) int {
			return cmp.Or(cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.Applier.String(), b.Applier.String()))
		})
		f.Readers = slices.Compact(f.Readers)
	}
	return d
}

// reach writes who reads what, and how far each file reaches.
func (s *streams) reach(d *ReachDocument) {
	t := term.Table{{"FILE", "CLUSTER", "APPLIER"}}
	var sums, unread []string
	for _, f := range d.Files {
		on, here := map[string]bool{}, map[string]bool{}
		for _, r := range f.Readers {
			applier := r.Applier.String()
			if r.Pinned {
				applier += "  at " + phrase.Revision(r.Revision)
			}
			t = append(t, []string{f.File, r.Cluster, applier})
			on[r.Cluster] = true
			if !r.Pinned {
				here[r.Cluster] = true
			}
		}
		if len(f.Readers) == 0 {
			unread = append(unread, f.File)
			continue
		}
		line := fmt.Sprintf("%s reaches %d of %s", term.Safe(f.File), len(here), phrase.Count(len(d.Clusters), "cluster"))
		if n := len(on) - len(here); n > 0 {
			line += fmt.Sprintf(", and %d more when the ref that they follow moves", n)
		}
		sums = append(sums, line)
	}
	if len(t) > 1 {
		t.Write(s.out, s.colour, nil)
		s.printf("\n")
	}
	for _, line := range sums {
		s.printf("%s\n", line)
	}
	known := ""
	if c := d.Coverage; c.Built < c.Appliers || c.Failures > 0 {
		known = ", as far as can be known offline"
	}
	for _, file := range unread {
		s.printf("no cluster reads %s%s\n", term.Safe(file), known)
	}
	s.printf("%s\n", d.Coverage)
}
