package fleetcase

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// wanted is the section that holds what a suite wants.
const wanted = "want"

// Parse reads a case from the content of file, which is named in every error with
// the number of the line at fault; only a path that is both a file and a folder has
// no line.
//
// A section's name is the path of a file, of both revisions. Below before/ or
// after/ it is of that revision alone, below both/ of the two, so that a folder of
// that name is both/before/. Below @dir/ it is of another ref or repository. Below
// these it is of what is served beside Git, of one revision or of both, see [Case.Served]:
//
//	@charts/NAME-VERSION/    a chart of the repository at [ChartsURL]
//	@oci/REPOSITORY:TAG/     an artifact of the registry at [RegistryURL]: a chart if it has a Chart.yaml
//	@bucket/NAME/            the objects of a bucket at [BucketHost], by key; a key may end in "/", and
//	                         without one the bucket is there all the same
//
// Three endings are short for Flux objects; the section holds the fields of the spec
// that differ:
//
//	NAME.sync          clusters/NAME/flux-system/gotk-sync.yaml, see [Sync]
//	FOLDER/NAME.ks     FOLDER/NAME.yaml: Kustomization flux-system/NAME of ./apps/NAME, with prune
//	FOLDER/NAME.hr     FOLDER/NAME.yaml: HelmRelease flux-system/NAME of the newest chart NAME of
//	                   HelmRepository charts
//
// The comment is prose, then directives, one a line. A directive begins with one
// word in lower case, or "no" and one, and a colon:
//
//	source: URL @DIR             another repository, with the files below @DIR
//	ref: REF @DIR                another ref of the repository, see [Ref]
//	branch: NAME                 what the revisions are of
//	var: CLUSTER NAME=VALUE      a value for substitution
//	cluster: NAME PATH...        a cluster that is declared
//	link: PATH TARGET            a symlink;  submodule: PATH
//	crlf: PATH                   the file gets CRLF for LF;  bom: PATH
//	show:, no upstream:, lab:    see [Case].Directives
//
// The PATH of a file is written as the name of its section, long where that has a
// short form: crlf: after/apps/a.yaml.
func Parse(file string, data []byte) (*Case, error) {
	archive := txtar.Parse(data)
	c := &Case{
		Name: name(file), File: file, archive: archive,
		Before: map[string]tree.Blob{}, After: map[string]tree.Blob{}, Others: map[string]map[string]tree.Blob{},
		served:    [2]map[string]map[string]tree.Blob{{}, {}},
		Variables: map[string]map[string]string{}, Directives: map[string][]string{},
	}
	if err := c.markers(string(data)); err != nil {
		return nil, err
	}
	for s, line := range sections(archive) {
		if err := c.section(s); err != nil {
			return nil, c.fault(line, "-- "+s.Name+" --", err)
		}
	}
	if err := c.comment(string(archive.Comment)); err != nil {
		return nil, err
	}
	used := c.used()
	for s, line := range sections(archive) {
		if dir, _, _ := strings.Cut(s.Name, "/"); c.Others[dir] != nil && !used[dir] {
			return nil, c.fault(line, "-- "+s.Name+" --", fmt.Errorf("no directive names %s", dir))
		}
	}
	if err := c.clash(); err != nil {
		return nil, err
	}
	return c, nil
}

var (
	errTwice = errors.New("that is there twice")
	errPath  = errors.New("not the path of a file")
)

// sections gives the sections of an archive with the numbers of their lines.
func sections(a *txtar.Archive) iter.Seq2[txtar.File, int] {
	return func(yield func(txtar.File, int) bool) {
		line := 1 + strings.Count(string(a.Comment), "\n")
		for _, f := range a.Files {
			if !yield(f, line) {
				return
			}
			line += 1 + strings.Count(string(f.Data), "\n")
		}
	}
}

// markers refuses a line that is nearly a section's first, which txtar takes for a
// line of the section before it.
func (c *Case) markers(text string) error {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		near := strings.TrimSpace(line)
		if strings.HasPrefix(near, "-- ") && strings.HasSuffix(near, "--") && !marker(line) {
			return c.fault(n, line, errors.New("want -- NAME -- and nothing else in the line"))
		}
	}
	return nil
}

func marker(line string) bool {
	return len(txtar.Parse([]byte(line+"\n")).Files) > 0
}

// fault says err of a line.
func (c *Case) fault(line int, text string, err error) error {
	return fmt.Errorf("%s:%d: %q: %w", c.File, line, strings.TrimSpace(text), err)
}

func (c *Case) section(f txtar.File) error {
	if f.Name == wanted {
		if c.wants {
			return errTwice
		}
		c.Want, c.wants = string(f.Data), true
		return nil
	}
	sets, path := c.place(f.Name)
	if marksFolder(f) {
		return addFolder(sets, path)
	}
	if !valid(path) {
		return errPath
	}
	path, content, err := expand(path, f.Data)
	if err != nil {
		return err
	}
	return add(sets, path, tree.Blob{Data: content})
}

// place tells the sets of files that a section's name is of, and the path there.
func (c *Case) place(name string) (sets []map[string]tree.Blob, path string) {
	first, rest, _ := strings.Cut(name, "/")
	of := []int{0, 1}
	switch first {
	case "before":
		c.Two, of, name = true, []int{0}, rest
	case "after":
		c.Two, of, name = true, []int{1}, rest
	case "both":
		name = rest
	}
	if dir, inside, ok := servedDir(name); ok {
		for _, i := range of {
			if c.served[i][dir] == nil {
				c.served[i][dir] = map[string]tree.Blob{}
			}
			sets = append(sets, c.served[i][dir])
		}
		return sets, inside
	}
	if strings.HasPrefix(first, "@") {
		if c.Others[first] == nil {
			c.Others[first] = map[string]tree.Blob{}
		}
		return []map[string]tree.Blob{c.Others[first]}, rest
	}
	for _, i := range of {
		sets = append(sets, []map[string]tree.Blob{c.Before, c.After}[i])
	}
	return sets, name
}

// servedDir cuts the name of what is served from a path inside it. That path is empty
// when the name is not whole.
func servedDir(name string) (dir, inside string, ok bool) {
	for _, kind := range []string{chartsDir, bucketDir} {
		if below, ok := strings.CutPrefix(name, kind); ok {
			one, inside, _ := strings.Cut(below, "/")
			return kind + one, inside, true
		}
	}
	switch {
	case strings.HasPrefix(name, ociDir):
		at := strings.IndexByte(name, ':')
		if at < 0 {
			return ociDir, "", true
		}
		tag, inside, _ := strings.Cut(name[at:], "/")
		return name[:at] + tag, inside, true
	}
	return "", "", false
}

// marksFolder says whether a section is of a bucket alone, or of one of its keys that ends
// in "/", which has no content.
func marksFolder(f txtar.File) bool {
	name := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(f.Name, "before/"), "after/"), "both/")
	return strings.HasPrefix(name, bucketDir) && strings.HasSuffix(name, "/") && name != bucketDir+"/" && len(f.Data) == 0
}

// addFolder keeps a key that ends in "/"; an empty one stands for the bucket itself.
func addFolder(sets []map[string]tree.Blob, key string) error {
	if key == "" {
		return nil
	}
	if !valid(strings.TrimSuffix(key, "/")) {
		return errPath
	}
	return add(sets, key, tree.Blob{})
}

func valid(path string) bool { return fs.ValidPath(path) && path != "." }

func add(sets []map[string]tree.Blob, path string, b tree.Blob) error {
	for _, files := range sets {
		if _, ok := files[path]; ok {
			return errTwice
		}
		files[path] = b
	}
	return nil
}

// used has the "@dir" that a directive names.
func (c *Case) used() map[string]bool {
	used := map[string]bool{}
	for _, s := range c.Sources {
		used[s.Dir] = true
	}
	for _, r := range c.Refs {
		used[r.Dir] = true
	}
	for _, lines := range c.Directives {
		for _, l := range lines {
			for field := range strings.FieldsSeq(l) {
				used[field] = true
			}
		}
	}
	return used
}

// clash refuses a path that is both a file and a folder.
func (c *Case) clash() error {
	sets := map[string]map[string]tree.Blob{"before": c.Before, "after": c.After}
	maps.Copy(sets, c.Others)
	for i, side := range []string{"before/", "after/"} {
		for dir, files := range c.served[i] {
			sets[side+dir] = withoutFolders(files)
		}
	}
	for _, side := range slices.Sorted(maps.Keys(sets)) {
		if _, err := tree.FromBlobs(sets[side]).ReadDir("."); err != nil {
			return fmt.Errorf("%s: files of %s: %w", c.File, side, err)
		}
	}
	return nil
}
