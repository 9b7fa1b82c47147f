package tree

import (
	"crypto/sha1" //nolint:gosec // Git's object names are SHA-1; nothing here relies on its strength
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// Hash is a Git object name: the SHA-1 of the object's header and content.
// The zero Hash means not known, or absent.
//
// Source: gitformat-pack, "Object types".
type Hash [20]byte

// String gives the 40 lower-case hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// IsZero says whether h is not known or absent.
func (h Hash) IsZero() bool { return h == Hash{} }

// HashBlob gives the name Git gives to a blob of that content. The content may be nil.
func HashBlob(content []byte) Hash { return hashObject("blob", content) }

func hashObject(kind string, content []byte) Hash {
	d := sha1.New() //nolint:gosec // see the import
	head := make([]byte, 0, 32)
	head = append(head, kind...)
	head = append(head, ' ')
	head = strconv.AppendInt(head, int64(len(content)), 10)
	head = append(head, 0)
	d.Write(head)
	d.Write(content)
	var h Hash
	d.Sum(h[:0])
	return h
}

// hashEntries gives the name of the Git tree object with these entries; all hashes must be known.
// Git orders names as if directories ended in a slash.
func hashEntries(entries []Entry) Hash {
	sorted := slices.Clone(entries)
	slices.SortFunc(sorted, func(a, b Entry) int { return strings.Compare(gitKey(a), gitKey(b)) })
	var body []byte
	for _, e := range sorted {
		body = append(body, e.Mode.String()...)
		body = append(body, ' ')
		body = append(body, e.Name...)
		body = append(body, 0)
		body = append(body, e.Hash[:]...)
	}
	return hashObject("tree", body)
}

func gitKey(e Entry) string {
	if e.Mode == Directory {
		return e.Name + "/"
	}
	return e.Name
}
