//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// A story is a fleet, before and after a commit, as files: what render is given and
// what is pushed to the Git server.
type story struct {
	name   string
	url    string
	files  [2]map[string]tree.Blob
	two    bool
	branch string                          // that the files are of; empty for any
	refs   map[string]map[string]tree.Blob // other refs of the repository, as fleetcase.Ref says them
	others map[string]map[string]tree.Blob // other repositories, by URL
	opts   render.Options
	not    string               // why it cannot be played; empty when it can
	public bool                 // a real fleet: what it takes for granted is made up for it
	served [2]*fleetcase.Served // what is served beside Git; nil when nothing is

	result [2]*render.Result // the second is the first when there is one revision
	report *impact.Report    // nil with one revision
	faults []string          // of what was fetched
	digest storyDigest
}

// stories are the cases of render, of impact, and those of this suite.
func stories(t *testing.T) []*story {
	t.Helper()
	var all []*story
	for _, dir := range []string{"../../render/testdata/cases", "../../impact/testdata/cases", "testdata"} {
		cases, err := fleetcase.All(filepath.FromSlash(dir))
		if err != nil {
			t.Fatal(err)
		}
		name := "e2e"
		if parts := strings.Split(dir, "/"); len(parts) > 2 {
			name = parts[2]
		}
		for _, c := range cases {
			s := ofCase(name+"/"+c.Name, c)
			for i := range s.served {
				if !c.Serves() {
					break
				}
				if s.served[i], err = c.Served(i); err != nil {
					t.Fatal(err)
				}
			}
			all = append(all, s)
		}
	}
	return all
}

func ofCase(name string, c *fleetcase.Case) *story {
	s := &story{
		name: name, url: fleetcase.URL, files: [2]map[string]tree.Blob{c.Before, c.After}, two: c.Two, branch: c.Branch,
		refs: map[string]map[string]tree.Blob{}, others: map[string]map[string]tree.Blob{},
	}
	s.opts.Variables = c.Variables
	s.not = strings.Join(c.Directives["lab"], "; ")
	for _, r := range c.Refs {
		s.refs[r.Ref] = c.Others[r.Dir]
	}
	for _, o := range c.Sources {
		s.others[o.URL] = c.Others[o.Dir]
		s.opts.Sources = append(s.opts.Sources, render.Repository{URL: o.URL, Tree: tree.FromBlobs(c.Others[o.Dir]), Revision: revision(c.Others[o.Dir])})
	}
	for _, d := range c.Clusters {
		s.opts.Clusters = append(s.opts.Clusters, render.Declared{Name: d.Name, Paths: d.Paths})
	}
	return s
}

// knownRefs are other refs of the repository, by what fleetcase says of them.
type knownRefs map[string]map[string]tree.Blob

// Resolve implements [render.Refs].
func (k knownRefs) Resolve(_ context.Context, ref sourcev1.GitRepositoryRef) (*tree.Tree, string, error) {
	text := "branch " + ref.Branch
	switch {
	case ref.Commit != "":
		text = "commit " + ref.Commit
	case ref.Name != "":
		text = ref.Name
	case ref.Tag != "":
		text = "tag " + ref.Tag
	case ref.SemVer != "":
		text = "a tag in " + ref.SemVer
	}
	if files, ok := k[text]; ok {
		return tree.FromBlobs(files), text + "@sha1:1", nil
	}
	return nil, "", fmt.Errorf("%w: %s", render.ErrNoRef, text)
}

// revision is what the lab makes of the files, as Flux prints it.
func revision(files map[string]tree.Blob) string {
	commit, err := lab.Commit(files)
	if err != nil {
		return "main@sha1:0"
	}
	return "main@sha1:" + commit
}

// render renders both revisions and compares them.
func (s *story) render(t *testing.T) error {
	t.Helper()
	ctx, opts := t.Context(), s.opts
	opts.Cache = &render.Cache{}
	var l *lane
	if s.buckets() {
		l = <-lanes
		defer func() { lanes <- l }()
	}
	for i := range s.files {
		if i == 1 && !s.two {
			s.result[1] = s.result[0]
			return nil
		}
		repo := render.Repository{URL: s.url, Tree: tree.FromBlobs(s.files[i]), Branch: s.branch, Revision: revision(s.files[i])}
		if len(s.refs) > 0 {
			repo.Refs = knownRefs(s.refs)
		}
		var err error
		if opts.Fetch, err = s.fetch(t, l, i); err != nil {
			return err
		}
		if s.result[i], err = render.Fleet(ctx, repo, opts); err != nil {
			return fmt.Errorf("render revision %d: %w", i+1, err)
		}
		opts.Before = s.result[0]
	}
	s.report = impact.Between(s.result[0], s.result[1], impact.Options{})
	return nil
}
