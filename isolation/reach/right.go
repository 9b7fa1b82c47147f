package reach

import (
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// Right is the grant by which the tenant may do something, with the steps to it; nil for none. It is [Reach.May] without what follows from reaching
// everything, and without what controllers read: it tells of roles that are too wide when another fault has opened all doors.
func (r *Reach) Right(what permission.Request) (*permission.Grant, []finding.Step) {
	for _, p := range r.Principals {
		if g := p.allows(what); g != nil {
			return g, then(p.Steps, granted(g))
		}
	}
	return nil, nil
}
