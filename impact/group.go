package impact

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"github.com/bulkhead-dev/bulkhead/object"
)

// groups puts equal changes of several clusters together: the same kind of
// change to the same object by the same owner with the same difference.
func groups(clusters []*Cluster) []*Group {
	byKey := map[string]*Group{}
	var out []*Group
	for _, c := range clusters {
		for _, ch := range c.Changes {
			k := ch.Likeness()
			g := byKey[k]
			if g == nil {
				g = &Group{}
				byKey[k] = g
				out = append(out, g)
			}
			g.Clusters = append(g.Clusters, c.Name)
			g.Changes = append(g.Changes, ch)
		}
	}
	slices.SortStableFunc(out, func(a, b *Group) int {
		x, y := a.First(), b.First()
		return cmp.Or(cmp.Compare(x.rank(), y.rank()), x.ID.Compare(y.ID),
			slices.Compare(a.Clusters, b.Clusters))
	})
	return out
}

// Likeness is equal for changes that are the same. It may hold secrets.
func (c *Change) Likeness() string {
	what := ""
	switch c.Kind {
	case Added:
		what = c.After.Body().Hash().String()
	case Changed, Moved:
		if data, err := json.Marshal(c.Edits); err == nil {
			what = string(data)
		}
	case Removed:
	}
	return fmt.Sprintf("%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s", c.Kind, c.ID, c.Owner(), c.Fate, c.Why, c.Refused, c.Recreated, what)
}

var hashSuffix = regexp.MustCompile(`^(.+)-[0-9a-z]{10}$`)

// pairReplaced finds generated objects whose name changed with their content.
//
// Source: kustomize api/hasher: the suffix is ten characters.
func pairReplaced(changes []*Change) {
	type stem struct {
		id    object.ID
		owner object.Applier
	}
	of := func(ch *Change) (stem, bool) {
		m := hashSuffix.FindStringSubmatch(ch.ID.Name)
		if m == nil {
			return stem{}, false
		}
		id := ch.ID
		id.Name = m[1]
		return stem{id, ch.Owner()}, true
	}
	gone := map[stem]*Change{}
	for _, ch := range changes {
		if s, ok := of(ch); ok && ch.Kind == Removed {
			gone[s] = ch
		}
	}
	for _, ch := range changes {
		s, ok := of(ch)
		if old := gone[s]; ok && old != nil && ch.Kind == Added && old.Replaces == nil {
			ch.Replaces, old.Replaces = &old.ID, &ch.ID
		}
	}
}
