package rule

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// hostIndex are the hosts of a fleet: exact ones, and what follows the star of wildcards.
type hostIndex struct {
	exact, wild map[string][]*hostClaim
	tenants     []*hostClaim // of tenants, in order
}

func indexHosts(x *Context) *hostIndex {
	return once(x, "hosts", func() *hostIndex {
		h := &hostIndex{exact: map[string][]*hostClaim{}, wild: map[string][]*hostClaim{}}
		for _, c := range x.Clusters {
			for _, a := range c.Appliers {
				for _, list := range [][]*estate.Object{a.Objects, a.Held} {
					for _, o := range list {
						h.add(hostsOf(o))
					}
				}
			}
		}
		return h
	})
}

func (h *hostIndex) add(claims []hostClaim) {
	for i := range claims {
		c := &claims[i]
		// What the platform listens for is there for tenants to attach to.
		if c.host == anyHost || later(c.host) || c.object.Tenant == nil && !c.routes {
			continue
		}
		if suffix, ok := strings.CutPrefix(c.host, "*"); ok {
			h.wild[suffix] = append(h.wild[suffix], c)
		}
		h.exact[c.host] = append(h.exact[c.host], c)
		if c.object.Tenant != nil {
			h.tenants = append(h.tenants, c)
		}
	}
}

// collision is a claim of a tenant that another one is in the way of.
type collision struct {
	claim, rival *hostClaim
	owner        *estate.Tenant // of a contract that lists the host, when there is no rival
}

func hostCollisions(x *Context) []Found {
	h := indexHosts(x)
	worst := map[*hostClaim]collision{}
	at := func(c collision) {
		if old, ok := worst[c.claim]; !ok || c.better(&old) {
			worst[c.claim] = c
		}
	}
	for _, claim := range h.tenants {
		if owner := ownerByContract(x, claim); owner != nil {
			at(collision{claim: claim, owner: owner})
		}
	}
	seen := map[*hostClaim]bool{}
	for _, list := range h.exact {
		for _, claim := range list {
			if seen[claim] {
				continue
			}
			seen[claim] = true
			h.rivals(claim, func(rival *hostClaim) {
				for _, faulty := range faults(claim, rival) {
					at(faulty)
				}
			})
		}
	}
	return tell(h.tenants, worst)
}

// rivals visits the claims of the same host, and of wildcards that it is below.
func (h *hostIndex) rivals(c *hostClaim, visit func(*hostClaim)) {
	for _, r := range h.exact[c.host] {
		if r.object.Tenant != c.object.Tenant {
			visit(r)
		}
	}
	for host := strings.TrimPrefix(c.host, "*."); ; {
		i := strings.IndexByte(host, '.')
		if i < 0 {
			return
		}
		for _, r := range h.wild[host[i:]] {
			if r.object.Tenant != c.object.Tenant && r.host != c.host && r.object.Cluster == c.object.Cluster {
				visit(r)
			}
		}
		host = host[i+1:]
	}
}

// faults are those of two claims that are to give way: the one to which its contract gives less of a title, or both.
func faults(a, b *hostClaim) []collision {
	if a.object.Tenant == nil && b.object.Tenant == nil || a.object.Cluster == b.object.Cluster && !samePaths(a.paths, b.paths) {
		return nil
	}
	both := []collision{{claim: a, rival: b}, {claim: b, rival: a}}
	switch {
	case a.object.Tenant == nil:
		if a.host != b.host && strings.HasPrefix(a.host, "*") {
			return nil // what no tenant asks for is the platform's
		}
		return both[1:]
	case b.object.Tenant == nil:
		if a.host != b.host && strings.HasPrefix(b.host, "*") {
			return nil
		}
		return both[:1]
	}
	switch of, other := title(a.object.Tenant, a.host), title(b.object.Tenant, b.host); {
	case of > other:
		return both[1:]
	case of < other:
		return both[:1]
	}
	return both
}

// title says how well the contract of a tenant names a host: the longest pattern that covers it counts, 0 is none.
func title(t *estate.Tenant, host string) (best int) {
	if t.Inferred {
		return 0
	}
	for _, pattern := range t.Document.Spec.Contract.Hosts {
		if pattern = plainHost(pattern); coversHost(pattern, host) {
			best = max(best, len(pattern))
		}
	}
	return best
}

// samePaths reports whether a path is below prefixes of both lists. None are all paths.
func samePaths(a, b []string) bool {
	if len(a) == 0 || len(b) == 0 {
		return true
	}
	below := func(path, prefix string) bool {
		prefix = strings.TrimSuffix(prefix, "/")
		return path == prefix || strings.HasPrefix(path, prefix+"/")
	}
	return slices.ContainsFunc(a, func(p string) bool {
		return slices.ContainsFunc(b, func(q string) bool { return below(p, q) || below(q, p) })
	})
}

// ownerByContract is another tenant whose contract names the host of a claim better than that of its own tenant does.
func ownerByContract(x *Context, c *hostClaim) (owner *estate.Tenant) {
	best := title(c.object.Tenant, c.host)
	for _, t := range x.Tenants {
		if of := title(t, c.host); of > best {
			best, owner = of, t
		}
	}
	return owner
}

// better reports whether c says more than old: of a rival on the same cluster, then of a rival at all, then of the first by cluster and object.
func (c *collision) better(old *collision) bool {
	rank := func(c *collision) int {
		switch {
		case c.rival == nil:
			return 1
		case c.rival.object.Cluster == c.claim.object.Cluster:
			return 0
		}
		return 2
	}
	if d := cmp.Compare(rank(c), rank(old)); d != 0 || c.rival == nil {
		return d < 0
	}
	a, b := c.rival.object, old.rival.object
	return cmp.Or(cmp.Compare(a.Cluster.Name, b.Cluster.Name), a.ID.Compare(b.ID), cmp.Compare(c.rival.field, old.rival.field)) < 0
}

// tell makes findings, one for each object and host.
func tell(claims []*hostClaim, worst map[*hostClaim]collision) (out []Found) {
	type key struct {
		o    *estate.Object
		host string
	}
	told := map[key]bool{}
	for _, claim := range claims {
		c, ok := worst[claim]
		k := key{claim.object, claim.host}
		if !ok || told[k] {
			continue
		}
		told[k] = true
		o := claim.object
		f := Found{Object: o, Tenant: o.Tenant, Field: claim.field}
		steps := []finding.Step{{Message: fmt.Sprintf("%s of tenant %s claims %s on cluster %s", brief(o), o.Tenant.Name, legible(claim.host), o.Cluster.Name)}}
		if c.rival == nil {
			f.Message = fmt.Sprintf("%s of tenant %s claims %s, which the contract of tenant %s names", brief(o), o.Tenant.Name, legible(claim.host), c.owner.Name)
			steps = append(steps, finding.Step{
				Message: fmt.Sprintf("the contract of tenant %s names it, and that of tenant %s does not, or less", c.owner.Name, o.Tenant.Name),
				File:    c.owner.Document.At("spec.contract.hosts").File, Line: c.owner.Document.At("spec.contract.hosts").Line,
			})
		} else {
			who, r := "the platform", c.rival.object
			if r.Tenant != nil {
				who = "tenant " + r.Tenant.Name
			}
			f.Message = fmt.Sprintf("%s of tenant %s claims %s, and %s claims %s with %s", brief(o), o.Tenant.Name, legible(claim.host), who, legible(c.rival.host), brief(r))
			if r.Cluster != o.Cluster {
				f.Level = finding.Medium
				f.Message += " on cluster " + r.Cluster.Name
			}
			steps = append(steps, finding.Step{Message: fmt.Sprintf("%s of %s claims %s on cluster %s", brief(r), who, legible(c.rival.host), r.Cluster.Name)})
		}
		f.Steps = steps
		out = append(out, f)
	}
	return out
}

func hostsOutside(_ *Context, p *estate.Compartment) (out []Found) {
	contract, known := p.Contract()
	claimed := false
	for o := range decided(p) {
		for _, c := range hostsOf(o) {
			claimed = true
			if f, bad := hostOutside(p, &c, contract.Hosts, known); bad {
				f.Object, f.Field = o, c.field
				out = append(out, f)
			}
		}
	}
	if claimed && known && len(contract.Hosts) == 0 {
		out = append(out, Found{
			Level: finding.Low, Message: fmt.Sprintf("the contract of tenant %s bounds no hosts, and it has entry points", p.Tenant.Name),
			Hint: "list its hosts: spec.contract.hosts of the Tenant document",
			File: p.Tenant.Document.Place.File, Line: p.Tenant.Document.At("spec.contract").Line,
		})
	}
	return out
}

// hostOutside says what is wrong with one host that a tenant claims.
func hostOutside(p *estate.Compartment, c *hostClaim, hosts []string, known bool) (Found, bool) {
	say := func(format string, args ...any) (Found, bool) {
		return Found{Message: fmt.Sprintf("%s of tenant %s ", brief(c.object), p.Tenant.Name) + fmt.Sprintf(format, args...)}, true
	}
	unproven := func(format string, args ...any) (Found, bool) {
		f, _ := say(format, args...)
		f.Unproven = true
		return f, true
	}
	switch {
	case later(c.host):
		return unproven("claims a host with a variable whose value is not known")
	case c.pattern:
		return unproven("claims hosts by a regular expression, which is not read")
	case c.inherits:
		return inherited(p, c, hosts, known)
	case c.host == anyHost:
		return say("claims every host")
	case known && len(hosts) > 0 && !within(hosts, c.host):
		return say("claims %s, which its contract does not list", legible(c.host))
	}
	return Found{}, false
}

// inherited judges a route without hosts by the listeners that it is attached to.
func inherited(p *estate.Compartment, c *hostClaim, hosts []string, known bool) (Found, bool) {
	o := c.object
	for _, parent := range estate.List(o.Body().Map(), "spec", "parentRefs") {
		if kind := estate.Text(parent, "kind"); kind != "" && kind != "Gateway" {
			continue
		}
		name, ns, section := estate.Text(parent, "name"), cmp.Or(estate.Text(parent, "namespace"), o.ID.Namespace), estate.Text(parent, "sectionName")
		var gateway *estate.Object
		for _, g := range p.Cluster.Kind("gateway.networking.k8s.io", "Gateway") {
			if g.ID.Name == name && g.ID.Namespace == ns {
				gateway = g
			}
		}
		if gateway == nil {
			return Found{Unproven: true, Message: fmt.Sprintf("%s of tenant %s takes the hosts of Gateway %s/%s, which is not in Git", brief(o), p.Tenant.Name, legible(ns), legible(name))}, true
		}
		for _, l := range estate.List(gateway.Body().Map(), "spec", "listeners") {
			if section != "" && estate.Text(l, "name") != section {
				continue
			}
			host := plainHost(estate.Text(l, "hostname"))
			if host == anyHost {
				return Found{Message: fmt.Sprintf("%s of tenant %s names no host, and %s listens for every one", brief(o), p.Tenant.Name, brief(gateway))}, true
			}
			if known && len(hosts) > 0 && !within(hosts, host) {
				return Found{Message: fmt.Sprintf("%s of tenant %s names no host, and %s listens for %s, which its contract does not list", brief(o), p.Tenant.Name, brief(gateway), legible(host))}, true
			}
		}
	}
	return Found{}, false
}
