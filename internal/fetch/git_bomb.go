package fetch

import (
	"errors"
	"io"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
)

// maxObject bounds one object of a pack, as go-git holds it in memory, and
// maxObjects their number.
const (
	maxObject  = 256 << 20
	maxObjects = 5_000_000
)

// checkPack reads a pack through once, before go-git takes it in: what it says
// to become when unpacked, deltas applied, must stay below limit bytes, and no
// object may become more than it says.
func checkPack(pack *os.File, limit int64) error {
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return err
	}
	s := packfile.NewScanner(pack)
	_, objects, err := s.Header()
	if err != nil {
		return fault(ErrInvalid, "the pack cannot be read: %v", err)
	}
	if objects > maxObjects {
		return fault(ErrInvalid, "a pack of more than %d objects", maxObjects)
	}
	var total int64
	for range objects {
		h, err := s.NextObjectHeader()
		if err != nil {
			return fault(ErrInvalid, "the pack cannot be read: %v", err)
		}
		w := &sized{left: h.Length}
		if _, _, err := s.NextObject(w); err != nil {
			if errors.Is(err, errTooLong) {
				return fault(ErrInvalid, "an object is longer than its header says")
			}
			return fault(ErrInvalid, "the pack cannot be read: %v", err)
		}
		size := h.Length
		if h.Type == plumbing.OFSDeltaObject || h.Type == plumbing.REFDeltaObject {
			size += targetSize(w.head)
		}
		if size < 0 || size > maxObject {
			return fault(ErrInvalid, "an object of more than %d bytes", maxObject)
		}
		if total += size; total > limit {
			return fault(ErrInvalid, "a pack of more than %d bytes when unpacked", limit)
		}
	}
	return nil
}

var errTooLong = errors.New("too long")

// sized takes so many bytes and keeps the first ones.
type sized struct {
	left int64
	head []byte
}

func (w *sized) Write(p []byte) (int, error) {
	if int64(len(p)) > w.left {
		return 0, errTooLong
	}
	w.left -= int64(len(p))
	if n := min(len(p), 20-len(w.head)); n > 0 {
		w.head = append(w.head, p[:n]...)
	}
	return len(p), nil
}

// targetSize reads the size of a delta's result: the second of the two numbers
// that it starts with.
//
// Source: gitformat-pack, "Deltified representation".
func targetSize(head []byte) int64 {
	_, rest := varint(head)
	size, _ := varint(rest)
	return size
}

func varint(b []byte) (n int64, rest []byte) {
	for i, c := range b {
		if i > 8 {
			return maxObject + 1, nil
		}
		n |= int64(c&0x7f) << (7 * i)
		if c&0x80 == 0 {
			return n, b[i+1:]
		}
	}
	return n, nil
}
