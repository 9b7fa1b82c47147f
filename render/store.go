package render

import (
	"context"
	"crypto/sha256"
	"encoding/binary"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Store keeps values from one run to the next, and may share them between machines. Its methods are
// safe for concurrent use. Nothing that it loses or damages makes a result wrong.
type Store interface {
	// Get gives what was put under key; nil when nothing was, or when it is lost or damaged.
	Get(ctx context.Context, key [32]byte) []byte
	// Put keeps a value, which is the same whenever it is put under that key. It does not wait for
	// disks or networks, and fails in silence.
	Put(key [32]byte, value []byte)
	// Replace is Put of a value that changes with time.
	Replace(key [32]byte, value []byte)
}

// A value is found by what it was made from. Where that is files, the way to it is a trail: the
// first entry lists what to ask of a tree, and the answers lead to the next entry, until one holds the value.
// A computation that got the same answers to all questions of an entry would ask the same
// next, so entries never change, and whoever cannot answer finds nothing.
const (
	questions = 'q'
	answer    = 'v'

	// maxTrail bounds the entries of a trail, and maxQuestions those of one entry.
	maxTrail     = 64
	maxQuestions = 1 << 20
)

// format is the version of everything that is written to a store.
const format = "1"

// keyIn is the key of a kind of values, by all that went into one.
func (c *Cache) keyIn(kind string, parts ...string) [32]byte {
	sum := sha256.New()
	for _, p := range append([]string{format, c.Engine, kind}, parts...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		sum.Write(n[:])
		sum.Write([]byte(p))
	}
	return [32]byte(sum.Sum(nil))
}

// recall follows the trail that starts at key with the answers of t, which may be nil for a
// value that is made of no files. It gives nil when the trail ends.
func (c *Cache) recall(ctx context.Context, key [32]byte, t *tree.Tree) ([]byte, tree.Trace) {
	var reads tree.Trace
	for range maxTrail {
		entry := c.Store.Get(ctx, key)
		switch {
		case len(entry) == 0:
			return nil, nil
		case entry[0] == answer:
			value, own, ok := ask(entry[1:], t, reads.Sorted())
			if !ok {
				return nil, nil
			}
			return value, own
		case entry[0] != questions || t == nil:
			return nil, nil
		}
		_, asked, ok := ask(entry[1:], t, nil)
		if !ok {
			return nil, nil
		}
		reads = append(reads, asked...)
		key = next(key, asked)
	}
	return nil, nil
}

// remember leaves a value at the end of its trail. Reads is all that was read of t for it.
func (c *Cache) remember(ctx context.Context, key [32]byte, t *tree.Tree, reads tree.Trace, value []byte) {
	if !reads.Known() {
		return
	}
	left := make(map[tree.Read]bool, len(reads))
	for _, r := range reads {
		left[r] = true
	}
	for range maxTrail {
		entry := c.Store.Get(ctx, key)
		var asked tree.Trace
		switch {
		case len(entry) > 0 && entry[0] == answer:
			return // somebody was faster
		case len(entry) > 0 && entry[0] == questions:
			var ok bool
			if _, asked, ok = ask(entry[1:], t, reads); !ok {
				return
			}
		case len(left) == 0:
			c.Store.Put(key, append(asking(answer, reads), value...)) // another state may have been asked more on the way
			return
		default:
			for _, r := range reads {
				if left[r] {
					asked = append(asked, r)
				}
			}
			c.Store.Put(key, asking(questions, asked))
		}
		for _, r := range asked {
			delete(left, r)
		}
		key = next(key, asked)
	}
}

// asking is the start of an entry, with what was asked.
func asking(kind byte, asked tree.Trace) []byte {
	out := binary.AppendUvarint([]byte{kind}, uint64(len(asked)))
	for _, r := range asked {
		out = append(out, byte(r.Kind))
		out = binary.AppendUvarint(out, uint64(len(r.Path)))
		out = append(out, r.Path...)
	}
	return out
}

// ask puts the questions of an entry to t, as far as known does not have the answers, and gives what
// comes after them. It is false when the entry is damaged, or one has no answer.
func ask(entry []byte, t *tree.Tree, known tree.Trace) (rest []byte, asked tree.Trace, ok bool) {
	n, size := binary.Uvarint(entry)
	if size <= 0 || n > maxQuestions || n > uint64(len(entry)) || n > 0 && t == nil {
		return nil, nil, false
	}
	entry = entry[size:]
	out := make(tree.Trace, 0, n)
	for range n {
		if len(entry) == 0 {
			return nil, nil, false
		}
		kind := tree.ReadKind(entry[0])
		length, size := binary.Uvarint(entry[1:])
		if size <= 0 {
			return nil, nil, false
		}
		if entry = entry[1+size:]; length > uint64(len(entry)) {
			return nil, nil, false
		}
		path := string(entry[:length])
		entry = entry[length:]
		h, ok := known.Find(path, kind)
		if !ok {
			h, ok = t.Ask(path, kind)
		}
		if !ok {
			return nil, nil, false
		}
		out = append(out, tree.Read{Path: path, Kind: kind, Hash: h})
	}
	return entry, out, true
}

// next is the key to which answers lead.
func next(key [32]byte, asked tree.Trace) [32]byte {
	sum := sha256.New()
	sum.Write(key[:])
	for _, r := range asked {
		sum.Write(r.Hash[:])
	}
	return [32]byte(sum.Sum(nil))
}
