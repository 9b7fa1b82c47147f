package render

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/fxamacker/cbor/v2"
)

// coder writes the fields of an evaluation, or reads them, in one order for both: a record has so many that what
// finds out about types as it goes takes most of the time that an impact has.
type coder struct {
	data    []byte // written so far, or left to read
	reading bool
	bad     bool // what is read is damaged
}

func (c *coder) number(n *uint64) {
	if !c.reading {
		c.data = binary.AppendUvarint(c.data, *n)
		return
	}
	v, size := binary.Uvarint(c.data)
	if size <= 0 {
		c.bad, v, size = true, 0, 0
	}
	*n, c.data = v, c.data[size:]
}

func (c *coder) numbers(list ...*uint32) {
	for _, n := range list {
		v := uint64(*n)
		c.number(&v)
		c.bad = c.bad || v > math.MaxUint32
		*n = uint32(v) //nolint:gosec // it is looked at
	}
}

// flags are bits of one number.
func (c *coder) flags(list ...*bool) {
	var v uint64
	for i, b := range list {
		if *b {
			v |= 1 << i
		}
	}
	c.number(&v)
	for i, b := range list {
		*b = v&(1<<i) != 0
	}
}

// bytes that are read are those of the record.
func (c *coder) bytes(list ...*[]byte) {
	for _, b := range list {
		n := uint64(len(*b))
		c.number(&n)
		switch {
		case !c.reading:
			c.data = append(c.data, *b...)
		case n > uint64(len(c.data)):
			c.bad = true
		case n == 0:
			*b = nil
		default:
			*b, c.data = c.data[:n:n], c.data[n:]
		}
	}
}

func (c *coder) lists(lists ...*numbers) {
	for _, l := range lists {
		var b []byte
		if !c.reading {
			b, _ = l.MarshalBinary() // it never fails
		}
		if c.bytes(&b); c.reading && l.UnmarshalBinary(b) != nil {
			c.bad = true
		}
	}
}

var errDamaged = errors.New("damaged")

// code writes or reads an evaluation.
func (s *savedEvaluation) code(c *coder) error {
	c.lists(&s.ID, &s.Chain, &s.DependsOn, &s.Objects, &s.Items, &s.Children, &s.Packed)
	c.numbers(&s.Root, &s.File, &s.Body, &s.Ground, &s.Far, &s.State, &s.Source, &s.Target, &s.Path, &s.Prefix, &s.DeletionPolicy, &s.Account,
		&s.Stage, &s.SourceRef[0], &s.SourceRef[1], &s.SourceRef[2], &s.SourceRef[3], &s.Reads)
	c.flags(&s.Open, &s.Built, &s.Released, &s.Own, &s.Pinned, &s.Prune, &s.Force, &s.Refused, &s.Holding, &s.OpenedSource, &s.Held, &s.Numbered)
	c.bytes(&s.Reference, &s.Asked, &s.Build, &s.Chart, &s.Told, &s.Release)
	n := uint64(len(s.Opened))
	if c.number(&n); c.bad || n > uint64(len(c.data)) {
		return errDamaged
	}
	if c.reading {
		s.Opened = make([]savedOpening, n)
	}
	for i := range s.Opened {
		o := &s.Opened[i]
		c.numbers(&o.Kind, &o.Namespace, &o.Name, &o.Prefix, &o.Failure, &o.Unknown, &o.Hint, &o.URL, &o.Revision)
		c.flags(&o.Revised, &o.Own, &o.Pinned, &o.Tree)
		c.lists(&o.Reads)
	}
	if c.bad {
		return errDamaged
	}
	return nil
}

// facts of a release; nil when there are none.
func (s *savedEvaluation) facts() (*savedFacts, error) {
	if s.Release == nil {
		return nil, nil //nolint:nilnil // no release, and no error
	}
	f := &savedFacts{}
	return f, cbor.Unmarshal(s.Release, f)
}
