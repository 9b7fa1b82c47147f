package object

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// Edit is one difference between two contents. In JSON it is {"path", "op", "from", "to"}, without from
// for an Add and without to for a Remove; a null that is a value is written as null.
//
// Edits of [Diff] share the values of the bodies compared: read From and To, do not change them.
// They may hold secrets; [Redactor.Edits] makes edits that may be printed.
type Edit struct {
	// Path leads to what differs. Where it goes by [Index], that is the position in the old list,
	// but for the last step of an Add, which is the position in the new list.
	Path Path
	Op   Op
	// From is the old value; nil for an Add.
	From any
	// To is the new value; nil for a Remove.
	To any
}

// Op says what an [Edit] does. The zero value is no operation.
type Op uint8

// The operations. Reorder says that a list whose elements are matched by key has the elements both sides
// share in another order; From and To are the keys of all elements, old and new: the
// elements themselves if they are scalars, otherwise maps of the key's fields.
const (
	Add Op = iota + 1
	Remove
	Replace
	Reorder
)

// String is "add", "remove", "replace" or "reorder".
func (o Op) String() string {
	switch o {
	case Add:
		return "add"
	case Remove:
		return "remove"
	case Replace:
		return "replace"
	case Reorder:
		return "reorder"
	default:
		return fmt.Sprintf("Op(%d)", uint8(o))
	}
}

// MarshalText writes [Op.String]; an Op that is none of the four is an error.
func (o Op) MarshalText() ([]byte, error) {
	if o < Add || o > Reorder {
		return nil, fmt.Errorf("write operation: no operation %d", uint8(o))
	}
	return []byte(o.String()), nil
}

// String shows the operation and the path, not the values, which may be secret.
func (e Edit) String() string { return e.Op.String() + " " + e.Path.String() }

// GoString is [Edit.String].
func (e Edit) GoString() string { return e.String() }

// MarshalJSON writes the form that [Edit] describes.
func (e Edit) MarshalJSON() ([]byte, error) {
	out := struct {
		Path Path `json:"path"`
		Op   Op   `json:"op"`
		From *any `json:"from,omitempty"`
		To   *any `json:"to,omitempty"`
	}{Path: e.Path, Op: e.Op}
	if e.Op != Add {
		out.From = &e.From
	}
	if e.Op != Remove {
		out.To = &e.To
	}
	return json.Marshal(out)
}

// sortEdits puts edits in the order of their paths; what goes comes before what comes.
func sortEdits(edits []Edit) {
	slices.SortStableFunc(edits, func(a, b Edit) int {
		return cmp.Or(a.Path.Compare(b.Path), cmp.Compare(opOrder(a.Op), opOrder(b.Op)))
	})
}

func opOrder(o Op) int {
	switch o {
	case Remove:
		return 0
	case Replace:
		return 1
	case Add:
		return 2
	default:
		return 3
	}
}
