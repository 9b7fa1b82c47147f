package tree

import (
	"cmp"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"sync"
)

// ReadKind is what was asked of a path.
type ReadKind uint8

// The kinds of reads, in the order of a [Trace].
const (
	Content   ReadKind = iota + 1 // the content of a file
	Listing                       // the names and modes in a directory
	Existence                     // whether there is something, and its mode
)

// Read is one question that was put to a tree, and a digest of the answer: of the content
// (as [HashBlob]), of the sorted names and modes, or of the mode. The zero Hash means that the path
// was looked for and absent.
type Read struct {
	Path string
	Kind ReadKind
	Hash Hash
}

// Answers that are not a hash of anything in a tree. No content has these hashes, as far as we know.
var (
	// A directory read as a file, or a file listed.
	wrongKind = hashObject("answer", []byte("wrong kind")) //nolint:gochecknoglobals // a constant
	// The read failed, so that no tree gives the same answer.
	unknown = hashObject("answer", []byte("unknown")) //nolint:gochecknoglobals // a constant
)

// Trace is what a computation has read: sorted by path, then kind, without duplicates.
type Trace []Read

// Holds says whether every read would give the same answer in t. It reads contents only where t does
// not know their hash. A read that failed, or fails in t, for another reason than a missing path or
// one that is not a file or directory, does not hold.
func (tr Trace) Holds(t *Tree) bool {
	for _, r := range tr {
		if h, ok := t.Ask(r.Path, r.Kind); h != r.Hash || !ok {
			return false
		}
	}
	return true
}

// compareReads orders reads as a [Trace] has them.
func compareReads(a, b Read) int {
	return cmp.Or(strings.Compare(a.Path, b.Path), cmp.Compare(a.Kind, b.Kind))
}

// Sorted is tr in its order.
func (tr Trace) Sorted() Trace {
	slices.SortFunc(tr, compareReads)
	return tr
}

// Find gives the Hash of a read of tr, and false when that was not read.
func (tr Trace) Find(path string, kind ReadKind) (Hash, bool) {
	i, ok := slices.BinarySearchFunc(tr, Read{Path: path, Kind: kind}, compareReads)
	if !ok {
		return Hash{}, false
	}
	return tr[i].Hash, true
}

// Ask is the Hash that a [Read] of path has in t, and false when there is none: the read fails for
// another reason than that nothing, or something else, is there.
func (t *Tree) Ask(path string, kind ReadKind) (Hash, bool) {
	h := answer(t, path, kind)
	return h, h != unknown
}

// Known says whether every read has an answer that another tree can give.
func (tr Trace) Known() bool {
	return !slices.ContainsFunc(tr, func(r Read) bool { return r.Hash == unknown })
}

func answer(t *Tree, path string, kind ReadKind) Hash {
	switch kind {
	case Content:
		h, err := t.HashOf(path)
		return digest(h, err)
	case Listing:
		l, err := t.listing("readdir", path)
		if err != nil {
			return digest(Hash{}, err)
		}
		return hashListing(l.entries)
	case Existence:
		e, err := t.Stat(path)
		return digest(hashMode(e.Mode), err)
	}
	return unknown
}

// digest gives h, or the hash that stands for err.
func digest(h Hash, err error) Hash {
	switch {
	case err == nil:
		return h
	case errors.Is(err, fs.ErrNotExist):
		return Hash{}
	case errors.Is(err, errDirectory), errors.Is(err, errNotDirectory):
		return wrongKind
	}
	return unknown
}

func hashMode(m Mode) Hash { return hashObject("mode", []byte{byte(m)}) }

func hashListing(entries []Entry) Hash {
	var body []byte
	for _, e := range entries {
		body = append(body, byte(e.Mode))
		body = append(body, e.Name...)
		body = append(body, 0)
	}
	return hashObject("listing", body)
}

// Recorder reads a tree and keeps what was asked, see [Record]. It is safe for concurrent use.
type Recorder struct {
	t     *Tree
	mu    sync.Mutex
	reads map[key]Hash
}

type key struct {
	path string
	kind ReadKind
}

// Record gives a recorder of t that has read nothing.
func Record(t *Tree) *Recorder { return &Recorder{t: t, reads: map[key]Hash{}} }

// Trace gives what was read so far.
func (r *Recorder) Trace() Trace {
	r.mu.Lock()
	tr := make(Trace, 0, len(r.reads))
	for k, h := range r.reads {
		tr = append(tr, Read{Path: k.path, Kind: k.kind, Hash: h})
	}
	r.mu.Unlock()
	return tr.Sorted()
}

// Stat is [Tree.Stat], kept as [Existence]: the entry's Hash is not part of what is kept.
func (r *Recorder) Stat(path string) (Entry, error) {
	e, err := r.t.Stat(path)
	r.keep(path, Existence, digest(hashMode(e.Mode), err), err)
	return e, err
}

// ReadDir is [Tree.ReadDir], kept as [Listing]: the entries' hashes are not part of what is kept.
func (r *Recorder) ReadDir(path string) ([]Entry, error) {
	entries, err := r.t.ReadDir(path)
	h := digest(Hash{}, err)
	if err == nil {
		h = hashListing(entries)
	}
	r.keep(path, Listing, h, err)
	return entries, err
}

// ReadFile is [Tree.ReadFile], kept as [Content].
func (r *Recorder) ReadFile(path string) ([]byte, error) {
	data, err := r.t.ReadFile(path)
	h := digest(Hash{}, err)
	if err == nil {
		h, err = r.t.HashOf(path)
		h = digest(h, err)
	}
	r.keep(path, Content, h, err)
	return data, err
}

// HashOf is [Tree.HashOf], kept as [Content].
func (r *Recorder) HashOf(path string) (Hash, error) {
	h, err := r.t.HashOf(path)
	r.keep(path, Content, digest(h, err), err)
	return h, err
}

// keep notes an answer. A malformed path is the same in every tree, and two answers to one question
// are no answer.
func (r *Recorder) keep(path string, kind ReadKind, h Hash, err error) {
	if errors.Is(err, fs.ErrInvalid) && !valid(path) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k := key{path, kind}
	if old, ok := r.reads[k]; ok && old != h {
		h = unknown
	}
	r.reads[k] = h
}
