package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	swv1 "github.com/fluxcd/source-watcher/api/v2/v1beta1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// operation is one entry of copy, read.
type operation struct {
	swv1.CopyOperation
	src     *tree.Tree // without symlinks
	pattern string     // of from, without the alias
	to      string     // clean; "." is the artifact's root
	below   string     // folder of src that excludes are tried below, too
	costs   []int      // of Exclude
}

// copy runs one entry of copy as cp would: a file or a folder without wildcards
// goes to or into to; "dir/**" gives what is in dir; with other wildcards the
// path is kept. What two entries of one Generate read alike is read once.
//
// Source: source-watcher internal/builder/builder.go applyCopyOperation, as of
// the API v2.2.4.
func (s *stage) copy(c swv1.CopyOperation, sources map[string]*tree.Tree) error {
	op, err := read(c, sources)
	if err != nil {
		return err
	}
	if !strings.ContainsAny(op.pattern, "*?[]") {
		return s.copyOne(op)
	}
	matches, err := s.glob(op)
	if err != nil {
		return err
	}
	op.below = literal(op.pattern)
	prefix, all := strings.CutSuffix(op.pattern, "/**")
	copied := 0
	for _, m := range matches {
		if m == "." {
			continue // doublestar finds the root for "**"
		}
		out, err := s.excluded(op, m)
		if err != nil {
			return err
		}
		if out {
			continue
		}
		copied++
		at := m
		if rest, ok := strings.CutPrefix(m, prefix+"/"); all && ok {
			at = rest
		}
		if op.Strategy != swv1.ExtractStrategy {
			err = s.copyAny(op, m, path.Join(op.to, at))
		} else if archive(m) {
			err = s.extract(op, m)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
	}
	switch {
	case len(matches) == 0:
		return errors.New("no file matches")
	case copied == 0:
		return errors.New("all files that match are excluded")
	}
	return nil
}

// read checks an operation.
func read(c swv1.CopyOperation, sources map[string]*tree.Tree) (*operation, error) {
	from, ok := strings.CutPrefix(c.From, "@")
	alias, pattern, slash := strings.Cut(from, "/")
	if !ok || !slash {
		return nil, errors.New("from is not @alias/pattern")
	}
	to, ok := strings.CutPrefix(c.To, "@artifact/")
	switch {
	case !ok:
		return nil, errors.New("to does not start with @artifact/")
	case to != "" && (!filepath.IsLocal(to) || slices.Contains(strings.Split(to, "/"), "..")):
		return nil, errors.New("to is not within the artifact")
	}
	op := &operation{CopyOperation: c, src: sources[alias], pattern: pattern, to: path.Clean(to), below: "."}
	if op.src == nil {
		return nil, fmt.Errorf("source alias %q not found", alias)
	}
	if alternatives(pattern) > maxAlternatives {
		return nil, fmt.Errorf("from has too many alternatives: %w", tree.ErrTooLarge)
	}
	for _, ex := range c.Exclude {
		cost := alternatives(ex)
		if cost > maxAlternatives {
			return nil, fmt.Errorf("exclude pattern %q has too many alternatives: %w", ex, tree.ErrTooLarge)
		}
		if !doublestar.ValidatePattern(ex) {
			return nil, fmt.Errorf("invalid exclude pattern %q", ex)
		}
		op.costs = append(op.costs, cost)
	}
	return op, nil
}

// maxAlternatives bounds in how many ways the {a,b} groups of a pattern can be
// read. Matching tries each of them, and cannot be interrupted.
const maxAlternatives = 1 << 12

// alternatives says in how many ways a pattern can be read, at most.
func alternatives(pattern string) int {
	n, depth, commas := 1, 0, 0
	for i := 0; i < len(pattern) && n <= maxAlternatives; i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '{':
			depth++
		case ',':
			if depth > 0 {
				commas++
			}
		case '}':
			if depth = max(depth-1, 0); depth == 0 {
				n *= commas + 1
				commas = 0
			}
		}
	}
	return n * (commas + 1)
}

// glob lists what a pattern matches, as upstream's engines do: fs.Glob, to which
// "**" is "*", and doublestar for archives.
func (s *stage) glob(op *operation) ([]string, error) {
	fsys := &listed{t: op.src, budget: s.budget}
	find := fs.Glob
	if op.Strategy == swv1.ExtractStrategy {
		find = func(fsys fs.FS, pattern string) ([]string, error) { return doublestar.Glob(fsys, pattern) }
	}
	matches, err := find(fsys, op.pattern)
	if err == nil {
		err = fsys.err
	}
	return matches, err
}

// literal is the path before the first element of a pattern with a wildcard.
func literal(pattern string) string {
	var parts []string
	for part := range strings.SplitSeq(path.Clean(pattern), "/") {
		if strings.ContainsAny(part, "*?[]") {
			break
		}
		parts = append(parts, part)
	}
	return path.Clean(strings.Join(parts, "/"))
}

// copyOne copies what a pattern without wildcards names.
func (s *stage) copyOne(op *operation) error {
	from := path.Clean(op.pattern)
	e, err := op.src.Stat(from)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s does not exist", from)
	case err != nil:
		return err
	case e.IsDir() && op.Strategy == swv1.ExtractStrategy:
		return fmt.Errorf("%s is a directory, which cannot be extracted", from)
	case e.IsDir():
		op.below = from
		return s.copyAny(op, from, path.Join(op.to, path.Base(from)))
	}
	if out, err := s.excluded(op, from); out || err != nil {
		return err
	}
	if op.Strategy == swv1.ExtractStrategy {
		if !archive(from) {
			return fmt.Errorf("%s is not a .tar.gz or .tgz file", from)
		}
		return s.extract(op, from)
	}
	to := op.to
	into := op.To == "@artifact/" || strings.HasSuffix(op.To, "/")
	if old, err := s.find(to); err != nil {
		return err
	} else if into || old != nil && old.mode == tree.Directory {
		to = path.Join(to, path.Base(from))
	}
	return s.copyAny(op, from, to)
}

// copyAny copies a file or a folder to a path.
func (s *stage) copyAny(op *operation, from, to string) error {
	e, err := op.src.Stat(from)
	if err != nil {
		return err
	}
	if !e.IsDir() {
		return s.copyFile(op, from, to, e)
	}
	return s.copyDir(op, from, to, e)
}

// copyDir copies a folder. Where nothing is in the way and nothing is left out it
// refers to the whole of it.
func (s *stage) copyDir(op *operation, from, to string, e tree.Entry) error {
	old, err := s.find(to)
	if err != nil {
		return err
	}
	if old == nil && len(op.Exclude) == 0 {
		return s.put(to, like(op.src, from, e))
	}
	if err := s.mkdir(to); err != nil {
		return err
	}
	entries, err := op.src.ReadDir(from)
	if err != nil {
		return err
	}
	if err := s.budget.spend(len(entries)); err != nil {
		return err
	}
	for _, e := range entries {
		p, at := path.Join(from, e.Name), path.Join(to, e.Name)
		out, err := s.excluded(op, p)
		switch {
		case err != nil:
			return err
		case out:
			continue
		case e.IsDir():
			err = s.copyDir(op, p, at, e)
		default:
			err = s.copyFile(op, p, at, e)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file, or merges it into the one that is there.
func (s *stage) copyFile(op *operation, from, to string, e tree.Entry) error {
	if op.Strategy == swv1.MergeStrategy {
		old, err := s.find(to)
		if err != nil {
			return err
		}
		if old != nil {
			return s.mergeFile(op, from, to, old)
		}
	}
	return s.put(to, like(op.src, from, e))
}

func (s *stage) mergeFile(op *operation, from, to string, old *node) error {
	if old.mode == tree.Directory {
		return fmt.Errorf("%s is a directory", to)
	}
	over, err := op.src.ReadFile(from)
	if err != nil {
		return err
	}
	base, err := old.read()
	if err != nil {
		return err
	}
	for _, data := range [][]byte{base, over} {
		if err := s.budget.merge(data); err != nil {
			return err
		}
	}
	data, err := merged(base, over)
	if err != nil {
		return fmt.Errorf("merge %s into %s: %w", from, to, err)
	}
	return s.put(to, &node{mode: old.mode, data: data, hash: tree.HashBlob(data)})
}

// archive says whether the Extract strategy takes a file.
func archive(name string) bool {
	name = strings.ToLower(name)
	return strings.HasSuffix(name, ".tar.gz") || strings.HasSuffix(name, ".tgz")
}

// extract unpacks an archive of the source. Symlinks in it are an error.
func (s *stage) extract(op *operation, from string) error {
	data, err := op.src.ReadFile(from)
	if err != nil {
		return err
	}
	if err := s.mkdir(op.to); err != nil {
		return err
	}
	return s.unpack(data, op.to, false)
}

// excluded says whether a path of the source is left out: the path itself, or
// what of it is below the folder that was selected, matches a pattern; so does a
// name, if the pattern has no slash.
//
// Source: source-watcher internal/builder/builder.go shouldExcludePath.
func (s *stage) excluded(op *operation, p string) (bool, error) {
	rest := ""
	if op.below != "." {
		rest, _ = strings.CutPrefix(p, op.below+"/")
		if rest == p {
			rest = ""
		}
	}
	for i, pattern := range op.Exclude {
		if err := s.budget.step(op.costs[i]); err != nil {
			return false, err
		}
		if doublestar.MatchUnvalidated(pattern, p) || rest != "" && doublestar.MatchUnvalidated(pattern, rest) ||
			!strings.Contains(pattern, "/") && doublestar.MatchUnvalidated(pattern, path.Base(p)) {
			return true, nil
		}
	}
	return false, nil
}
