package fetch

import (
	"bytes"
	"maps"
	"slices"
)

// clone makes an artifact that a caller may change: equal requests share one.
func (a *Artifact) clone() *Artifact {
	out := *a
	out.Data = bytes.Clone(a.Data)
	out.Files = slices.Clone(a.Files)
	out.Annotations = maps.Clone(a.Annotations)
	out.Notes = slices.Clone(a.Notes)
	return &out
}
