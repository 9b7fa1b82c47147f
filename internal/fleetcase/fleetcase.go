// Package fleetcase reads a fleet, before and after a commit, from one txtar file
// of a test.
//
// One invariant: nothing in a file is passed over. What is neither prose nor a
// directive nor a file of the fleet is an error. See [Parse] for the grammar.
package fleetcase

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/txtar"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// URL is the fleet's own repository in every case: what [Sync] names.
const URL = "https://git.example.com/acme/fleet.git"

// Case is a fleet before and after a commit. Paths are slash-separated, from the
// root of the repository that holds them; a blob without a mode is a plain file.
// Maps are never nil; lists are in the order of the file.
type Case struct {
	Name    string // base name of File without .txtar
	File    string // as it was given
	Comment string // its prose, without the directives

	// Before and After are the files of the repository at [URL], equal when the
	// case has one revision.
	Before, After map[string]tree.Blob
	// Two says that the case has two revisions: a name begins with before/ or after/.
	Two bool
	// Others are the files below each "@dir".
	Others map[string]map[string]tree.Blob

	Sources   []Source
	Refs      []Ref
	Branch    string                       // that the revisions are of; empty for any
	Variables map[string]map[string]string // cluster to name to value
	Clusters  []Cluster
	// Directives are the values of the directives that one suite alone reads, by word.
	Directives map[string][]string

	// Want is the section "want"; empty without one.
	Want    string
	wants   bool                               // has the section
	served  [2]map[string]map[string]tree.Blob // files of each chart and artifact, before and after
	archive *txtar.Archive
}

// Source is another repository.
type Source struct{ URL, Dir string } // Dir is a key of Others

// Ref is another ref of the repository at [URL].
type Ref struct {
	Ref string // "tag NAME", "branch NAME", "commit HASH", "a tag in RANGE" or "refs/..."
	Dir string // key of Others
}

// Cluster is a cluster that the case declares.
type Cluster struct {
	Name  string
	Paths []string // of its entry folders, one at least
}

// Read is [Parse] of a file.
func Read(file string) (*Case, error) {
	data, err := os.ReadFile(file) //nolint:gosec // G304: the test names the file
	if err != nil {
		return nil, err
	}
	return Parse(file, data)
}

// All reads the *.txtar of a folder, in the order of their names. It is an error
// if there are none; the errors of several files are joined.
func All(dir string) ([]*Case, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no *.txtar in %s", dir)
	}
	var (
		cases []*Case
		errs  []error
	)
	for _, f := range files {
		c, err := Read(f)
		cases, errs = append(cases, c), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	slices.SortFunc(cases, func(a, b *Case) int { return cmp.Compare(a.Name, b.Name) })
	return cases, nil
}

// Rewrite writes c.File anew with another section "want", which becomes the last.
// c stays as it is.
func (c *Case) Rewrite(want string) error {
	files := slices.DeleteFunc(slices.Clone(c.archive.Files), func(f txtar.File) bool { return f.Name == wanted })
	files = append(files, txtar.File{Name: wanted, Data: []byte(want)})
	return os.WriteFile(c.File, txtar.Format(&txtar.Archive{Comment: c.archive.Comment, Files: files}), 0o600)
}

// name is the name of the case in file.
func name(file string) string { return strings.TrimSuffix(filepath.Base(file), ".txtar") }
