package artifact

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// stage is the folder in which an artifact is put together. What is copied into
// it is referred to, not read. Once it is a tree it does not change any more.
type stage struct {
	root   *node
	budget *budget
}

// node is a file or a folder of a stage. A folder that is like one of a source
// has no children of its own until something is written below it.
type node struct {
	mode tree.Mode
	kids map[string]*node // of a folder that is not like one of a source
	from *tree.Tree       // where the file or the folder is; nil when it is made here
	was  *tree.Tree       // from, of a folder that was opened
	path string           // in from, or was
	hash tree.Hash        // of a file
	data []byte           // of a file that is made here
}

func newStage(b *budget) *stage {
	return &stage{&node{mode: tree.Directory, kids: map[string]*node{}}, b}
}

// tree is what was staged.
func (s *stage) tree() *tree.Tree { return tree.New(s, tree.Hash{}) }

// find gives the node at a clean path, nil if there is none. Folders on the way
// get children of their own.
func (s *stage) find(p string) (*node, error) {
	at := s.root
	if p == "." {
		return at, nil
	}
	for name := range strings.SplitSeq(p, "/") {
		if at.mode != tree.Directory {
			return nil, nil
		}
		if err := s.open(at); err != nil {
			return nil, err
		}
		if at = at.kids[name]; at == nil {
			return nil, nil
		}
	}
	return at, nil
}

// open gives a folder that is like one of a source children of its own.
func (s *stage) open(n *node) error {
	if n.kids != nil {
		return nil
	}
	entries, err := n.from.ReadDir(n.path)
	if err != nil {
		return err
	}
	if err := s.budget.spend(len(entries)); err != nil {
		return err
	}
	n.kids = make(map[string]*node, len(entries))
	for _, e := range entries {
		n.kids[e.Name] = like(n.from, path.Join(n.path, e.Name), e)
	}
	n.from, n.was = nil, n.from
	return nil
}

// like is a node for an entry of a source.
func like(t *tree.Tree, p string, e tree.Entry) *node {
	if e.IsDir() {
		return &node{mode: tree.Directory, from: t, path: p}
	}
	return &node{mode: e.Mode, from: t, path: p, hash: e.Hash}
}

// put puts a node at a clean path and makes its parents. A file replaces a file;
// nothing else is replaced.
func (s *stage) put(p string, n *node) error {
	if len(p) > tree.MaxPath {
		return fmt.Errorf("path of %d bytes: %w", len(p), tree.ErrTooLarge)
	}
	if err := s.mkdir(path.Dir(p)); err != nil {
		return err
	}
	dir, err := s.find(path.Dir(p))
	if err != nil {
		return err
	}
	if dir.mode != tree.Directory {
		return fmt.Errorf("%s: %s is a file", p, path.Dir(p))
	}
	if err := s.open(dir); err != nil {
		return err
	}
	old := dir.kids[path.Base(p)]
	if p == "." || old != nil && old.mode == tree.Directory {
		return fmt.Errorf("%s is a directory", p)
	}
	if old != nil && n.mode == tree.Directory {
		return fmt.Errorf("%s: %w", p, fs.ErrExist)
	}
	if old == nil {
		if err := s.budget.spend(1); err != nil {
			return err
		}
	}
	dir.kids[path.Base(p)] = n
	return nil
}

// mkdir makes a folder and its parents. Something that exists at the path, file
// or folder, is left, and no error.
//
// Source: source-watcher internal/builder/builder.go createDirRecursive.
func (s *stage) mkdir(p string) error {
	at, err := s.find(p)
	if at != nil || err != nil {
		return err
	}
	return s.put(p, &node{mode: tree.Directory, kids: map[string]*node{}})
}

// read gives the content of a file that is staged.
func (n *node) read() ([]byte, error) {
	if n.from == nil {
		return n.data, nil
	}
	return n.from.ReadFile(n.path)
}

// ReadDir is that of [tree.Store].
func (s *stage) ReadDir(p string, _ tree.Hash) ([]tree.Entry, error) {
	n, below, err := s.locate(p)
	if err != nil {
		return nil, err
	}
	if n.kids == nil {
		return n.from.ReadDir(path.Join(n.path, below))
	}
	entries := make([]tree.Entry, 0, len(n.kids))
	for name, kid := range n.kids {
		entries = append(entries, tree.Entry{Name: name, Mode: kid.mode, Hash: kid.hash})
	}
	slices.SortFunc(entries, func(a, b tree.Entry) int { return cmp.Compare(a.Name, b.Name) })
	return entries, nil
}

// ReadBlob is that of [tree.Store].
func (s *stage) ReadBlob(p string, _ tree.Hash) ([]byte, error) {
	n, below, err := s.locate(p)
	if err != nil {
		return nil, err
	}
	if n.mode == tree.Directory {
		return n.from.ReadFile(path.Join(n.path, below))
	}
	return n.read()
}

// locate gives the node at p, or the folder like one of a source above it and
// what of p is below that.
func (s *stage) locate(p string) (n *node, below string, err error) {
	n = s.root
	for rest := p; rest != "." && rest != ""; {
		if n.mode == tree.Directory && n.kids == nil {
			return n, rest, nil
		}
		var name string
		name, rest, _ = strings.Cut(rest, "/")
		if n = n.kids[name]; n == nil {
			return nil, "", fmt.Errorf("%s: %w", p, fs.ErrNotExist)
		}
	}
	return n, ".", nil
}
