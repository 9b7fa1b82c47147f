package rule

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// unproven tells of what may be behind gaps, and of tenants whose contract nobody wrote down.
func unproven(x *Context, c *estate.Cluster) (out []Found) {
	for _, p := range c.Compartments {
		if p.Tenant.Inferred {
			out = append(out, Found{
				Unproven: true, Tenant: p.Tenant, Hint: "write it down: bulkhead tenant import --write",
				Message: fmt.Sprintf("tenant %s has no document: which hosts, registries and sources it may use is not known", p.Tenant.Name),
			})
		}
	}
	if len(c.Compartments) == 0 {
		return nil // nobody to keep apart
	}
	for i := range c.Gaps {
		g := &c.Gaps[i]
		if !g.Hides {
			continue
		}
		a := appliersOf(x, c)[g.Applier]
		missing := g.Reason
		if g.Subject != "" {
			missing = g.Subject + ": " + missing
		}
		missing = phrase.Clip(strings.TrimRight(strings.Join(strings.Fields(missing), " "), "."), 300)
		f := Found{Unproven: true, Hint: g.Hint, Field: g.Subject, Message: fmt.Sprintf("what %s applies is not known, and may grant anything to anybody: %s", g.Applier, missing)}
		if a != nil {
			f.Object, f.ID = a.Object, new(a.ID())
		}
		if a != nil && a.Tenant != nil {
			f.Tenant = a.Tenant
			if p := a.Compartment(); p != nil && bounded(x, p) {
				f.Unproven, f.Level = false, finding.Info
				f.Message = fmt.Sprintf("what %s applies for tenant %s is not known; its account bounds it to the tenant's namespaces, and nothing else was looked at: %s", g.Applier, a.Tenant.Name, missing)
				out = append(out, f)
				continue
			}
			f.Message = fmt.Sprintf("what %s applies for tenant %s is not known, and no account bounds it to the tenant's namespaces: %s", g.Applier, a.Tenant.Name, missing)
		}
		out = append(out, f)
	}
	return out
}

// bounded reports whether a tenant can do nothing outside of its compartment, whatever its files say.
func bounded(x *Context, p *estate.Compartment) bool {
	r := x.Reach(p)
	if r.Everything() != nil || len(r.Unknown) > 0 || !p.Cluster.Entered {
		return false
	}
	for _, e := range r.Excess() {
		if !contracted(p, &e.Grant) {
			return false
		}
	}
	return true
}
