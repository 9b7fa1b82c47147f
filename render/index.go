package render

import (
	"github.com/bulkhead-dev/bulkhead/object"
)

// index is what is known to be on each cluster: what controllers look up there.
type index map[string]map[object.ID]*object.Object

func (x index) add(cluster string, o *object.Object) {
	if x[cluster] == nil {
		x[cluster] = map[object.ID]*object.Object{}
	}
	x[cluster][o.ID] = o
}

// state is what the clusters hold while a round runs: what this round has
// made so far over what the round before ended with.
type state struct {
	fresh, before index
}

func (s *state) get(cluster string, id object.ID) *object.Object {
	if o := s.fresh[cluster][id]; o != nil {
		return o
	}
	return s.before[cluster][id]
}

// lookup is one question an evaluation asked of the clusters, and the answer.
type lookup struct {
	cluster string
	id      object.ID
	answer  object.Hash // zero: not there
}

// asker answers questions and remembers them.
type asker struct {
	state *state
	asked []lookup
}

func (a *asker) get(cluster string, id object.ID) *object.Object {
	o := a.state.get(cluster, id)
	a.asked = append(a.asked, lookup{cluster, id, hashOf(o)})
	return o
}

func hashOf(o *object.Object) object.Hash {
	if o == nil {
		return object.Hash{}
	}
	return o.Body().Hash()
}

// hold reports whether every question would get the same answer now.
func hold(asked []lookup, get func(cluster string, id object.ID) *object.Object) bool {
	for _, l := range asked {
		if hashOf(get(l.cluster, l.id)) != l.answer {
			return false
		}
	}
	return true
}
