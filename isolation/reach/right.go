package reach

import (
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
)

// Own reports whether a principal is the tenant's: given to it, or an account of one of its namespaces.
func (r *Reach) Own(p *Principal) bool {
	return p.Given || p.Kind == Account && r.Compartment.Owns(p.Account.Namespace)
}

// Right is the grant by which a principal of the tenant's own may do something, with the steps to it; nil for none. It is [Reach.May] without what
// follows from acting as others, and without what controllers read: it tells of a role that is too wide when another fault has opened all doors.
func (r *Reach) Right(what permission.Request) (*permission.Grant, []finding.Step) {
	for _, p := range r.Principals {
		if !r.Own(p) {
			continue
		}
		if g := p.allows(what); g != nil {
			return g, then(p.Steps, granted(g))
		}
	}
	return nil, nil
}
