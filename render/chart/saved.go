package chart

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"
)

// SavedForm tells apart what [IndexFile.MarshalBinary] writes. It changes with that form,
// and with what [Index] makes of an index.
const SavedForm = "2"

// MarshalBinary writes the index as [IndexFile.UnmarshalBinary] reads it, in a small part
// of the time that [Index] takes: for who keeps it, under [SavedForm]. Equal indexes give
// equal bytes.
//
// It is the number of charts; for each its name and the number of its versions; for each
// of these version, URL and digest, and the seconds and nanoseconds of the Unix time that it
// was made. Numbers are varints, a text has its length before it.
func (ix *IndexFile) MarshalBinary() ([]byte, error) {
	out := binary.AppendUvarint(nil, uint64(len(ix.charts)))
	text := func(s string) { out = append(binary.AppendUvarint(out, uint64(len(s))), s...) }
	for _, name := range slices.Sorted(maps.Keys(ix.charts)) {
		text(name)
		out = binary.AppendUvarint(out, uint64(len(ix.charts[name])))
		for _, v := range ix.charts[name] {
			text(v.text)
			text(v.url)
			text(v.digest)
			out = binary.AppendVarint(out, v.created.Unix())
			out = binary.AppendUvarint(out, uint64(v.created.Nanosecond())) //nolint:gosec // G115: not negative
		}
	}
	return out, nil
}

// UnmarshalBinary reads what [IndexFile.MarshalBinary] wrote. Whatever data holds, it takes
// no more memory than some times its size.
func (ix *IndexFile) UnmarshalBinary(data []byte) error {
	s := &saved{data: data, whole: string(data)}
	n := s.count(2)
	charts := make(map[string]versions, n)
	for range n {
		name := s.text()
		list := make(versions, s.count(5))
		for i := range list {
			list[i] = version{text: s.text(), url: s.text(), digest: s.text(), created: s.time()}
		}
		if _, twice := charts[name]; s.bad || twice {
			return errSaved
		}
		charts[name] = list
	}
	if s.bad || s.at != len(s.data) {
		return errSaved
	}
	ix.charts = charts
	return nil
}

var errSaved = errors.New("read saved index: it is not what was written")

// saved reads a saved index from its begin on. Texts share one string.
type saved struct {
	data  []byte
	whole string // data
	at    int
	bad   bool // what was read last, and all that follows, is nothing
}

func (s *saved) number() uint64 {
	n, size := binary.Uvarint(s.data[s.at:])
	if size <= 0 || s.bad {
		s.bad = true
		return 0
	}
	s.at += size
	return n
}

// count reads how many things follow, each of so many bytes at least.
func (s *saved) count(bytes int) int {
	n := s.number()
	if n > uint64((len(s.data)-s.at)/bytes) { //nolint:gosec // G115: not negative
		s.bad = true
		return 0
	}
	return int(n) //nolint:gosec // G115: less than the length
}

func (s *saved) text() string {
	n := s.count(1)
	s.at += n
	return s.whole[s.at-n : s.at]
}

func (s *saved) time() time.Time {
	seconds, size := binary.Varint(s.data[s.at:])
	if size <= 0 || s.bad {
		s.bad = true
		return time.Time{}
	}
	s.at += size
	nanoseconds := s.number()
	if nanoseconds >= 1e9 {
		s.bad = true
		return time.Time{}
	}
	return time.Unix(seconds, int64(nanoseconds)).UTC()
}
