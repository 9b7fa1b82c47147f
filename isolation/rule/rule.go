// Package rule says what is wrong with an estate, see [Find].
//
// It turns what stands on clusters into findings, each of a rule of the catalogue ([Rules]). Its invariant: a rule follows from the estate
// alone, and says violated only of what it has seen; what it cannot see is unproven. Each file has the rules of one group.
package rule

import (
	"cmp"
	"slices"
	"sync"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/reach"
	"github.com/bulkhead-dev/bulkhead/object"
)

// Rule is an entry of the catalogue: data plus one function.
type Rule struct {
	finding.Rule
	// Boundary is true when the rule belongs to the proof that a tenant stays in its compartment. A finding of the platform's that breaks it
	// counts for every tenant of its clusters.
	Boundary bool
	// Unless says when a finding is no fault; "" for never.
	Unless string
	// Static is why admission on the cluster cannot enforce it; "" when a guard does.
	Static string
	// Source names what the rule follows, with its version.
	Source string

	// One of these is set. What it leaves empty of a [Found] is filled in from the rule and from what it was asked about.
	object      func(x *Context, o *estate.Object) []Found
	applier     func(x *Context, a *estate.Applier) []Found
	compartment func(x *Context, p *estate.Compartment) []Found
	cluster     func(x *Context, c *estate.Cluster) []Found
	fleet       func(x *Context) []Found
	change      func(x *Context, before *Context) []Found
}

// Found is one thing that a rule says.
type Found struct {
	Rule  string
	Level finding.Level
	// Message is one line without a full stop: what is wrong with what. It holds no secret.
	Message string
	Hint    string
	// Object that it is about; nil for none. Field of it, as "spec.dependsOn[0].namespace"; "" for the whole.
	Object *estate.Object
	ID     *object.ID // of an object that is not there; filled in from Object
	Field  string
	// Cluster where it is; nil for the fleet as a whole.
	Cluster *estate.Cluster
	// Tenant that gets out, or is told something about; nil for the platform.
	Tenant *estate.Tenant
	// Unproven is true when it is not known: neither violated nor proven. Message then says what is missing.
	Unproven bool
	// Steps are the evidence.
	Steps []finding.Step
	// File to look at when there is no object, and the line.
	File string
	Line int
}

// Context is what rules look at.
type Context struct {
	*estate.Estate
	mu      sync.Mutex
	reaches map[*estate.Compartment]func() *reach.Reach
	once    map[string]any
}

// NewContext prepares an estate for rules. A context may be used by many goroutines.
func NewContext(e *estate.Estate) *Context {
	return &Context{Estate: e, reaches: map[*estate.Compartment]func() *reach.Reach{}, once: map[string]any{}}
}

// Reach of a tenant on a cluster. It is worked out once.
func (x *Context) Reach(p *estate.Compartment) *reach.Reach {
	x.mu.Lock()
	of := x.reaches[p]
	if of == nil {
		of = sync.OnceValue(func() *reach.Reach { return reach.Of(p) })
		x.reaches[p] = of
	}
	x.mu.Unlock()
	return of()
}

// once gives what make gives, made once for a key.
func once[T any](x *Context, key string, make func() T) T {
	x.mu.Lock()
	of, ok := x.once[key].(func() T)
	if !ok {
		of = sync.OnceValue(make)
		x.once[key] = of
	}
	x.mu.Unlock()
	return of()
}

// catalogue is all rules. Each file has one function that lists its own.
func catalogue() []Rule {
	return slices.Concat(
		identityRules(), namespaceRules(), referenceRules(), nestedRules(), buildRules(), releaseRules(), variableRules(), secretRules(),
		sourceRules(), remoteRules(), accessRules(), installationRules(), operatorRules(), notificationRules(), automationRules(), delegatedRules(),
		workloadRules(), quotaRules(), networkRules(), ownerRules(), lifecycleRules(), layoutRules(), graphRules(), blastRules(), waiverRules(),
	)
}

// Rules is the catalogue, sorted by ID.
func Rules() []Rule {
	out := catalogue()
	slices.SortFunc(out, func(a, b Rule) int { return cmp.Compare(a.ID, b.ID) })
	return out
}

// Find asks every rule but those left out by ID. The result is sorted: by cluster, level, rule, object, field and message. Before is the estate at
// another revision, for the rules about a change; nil for none.
func Find(x, before *Context, without ...string) []Found {
	return ask(x, before, func(id string) bool { return !slices.Contains(without, id) })
}

// FindOf asks the rules with these IDs alone, as [Find] does of a single revision: what is found of them is what Find finds of them. An ID of no rule asks
// nothing.
func FindOf(x *Context, ids map[string]bool) []Found {
	return ask(x, nil, func(id string) bool { return ids[id] })
}

func ask(x, before *Context, wanted func(id string) bool) (out []Found) {
	for _, r := range catalogue() {
		if wanted(r.ID) {
			out = append(out, r.find(x, before)...)
		}
	}
	slices.SortStableFunc(out, compare)
	return out
}

func (r *Rule) find(x, before *Context) (out []Found) {
	take := func(list []Found, fill func(*Found)) {
		for i := range list {
			f := &list[i]
			f.Rule, f.Level, f.Hint = r.ID, cmp.Or(f.Level, r.Level), cmp.Or(f.Hint, r.Hint)
			fill(f)
			if f.Object != nil {
				f.ID = &f.Object.ID
				f.Cluster = cmp.Or(f.Cluster, f.Object.Cluster)
			}
			out = append(out, *f)
		}
	}
	if r.fleet != nil {
		take(r.fleet(x), func(*Found) {})
	}
	if r.change != nil && before != nil {
		take(r.change(x, before), func(*Found) {})
	}
	for _, c := range x.Clusters {
		if r.cluster != nil {
			take(r.cluster(x, c), func(f *Found) { f.Cluster = cmp.Or(f.Cluster, c) })
		}
		if r.compartment != nil {
			for _, p := range c.Compartments {
				take(r.compartment(x, p), func(f *Found) { f.Cluster, f.Tenant = cmp.Or(f.Cluster, c), cmp.Or(f.Tenant, p.Tenant) })
			}
		}
		for _, a := range c.Appliers {
			if r.applier != nil {
				take(r.applier(x, a), func(f *Found) {
					if f.Object == nil && f.ID == nil {
						f.Object = a.Object
						id := a.ID()
						f.ID = &id
					}
					f.Cluster, f.Tenant = cmp.Or(f.Cluster, c), cmp.Or(f.Tenant, a.Tenant)
				})
			}
			if r.object != nil {
				for _, list := range [][]*estate.Object{a.Objects, a.Held, a.Hooks} {
					for _, o := range list {
						take(r.object(x, o), func(f *Found) {
							f.Object, f.Tenant = cmp.Or(f.Object, o), cmp.Or(f.Tenant, o.Tenant)
						})
					}
				}
			}
		}
	}
	return out
}

func compare(a, b Found) int {
	name := func(c *estate.Cluster) string {
		if c == nil {
			return ""
		}
		return c.Name
	}
	tenant := func(t *estate.Tenant) string {
		if t == nil {
			return ""
		}
		return t.Name
	}
	id := func(id *object.ID) object.ID {
		if id == nil {
			return object.ID{}
		}
		return *id
	}
	return cmp.Or(cmp.Compare(name(a.Cluster), name(b.Cluster)), cmp.Compare(a.Level.Rank(), b.Level.Rank()), cmp.Compare(a.Rule, b.Rule),
		id(a.ID).Compare(id(b.ID)), cmp.Compare(a.Field, b.Field), cmp.Compare(tenant(a.Tenant), tenant(b.Tenant)), cmp.Compare(a.Message, b.Message))
}

// one is a list with one finding.
func one(f Found) []Found { return []Found{f} }
