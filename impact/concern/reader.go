package concern

import (
	"path"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// maxBuilds bounds how many different builds are looked at to find out whose a file is.
const maxBuilds = 4

// byReaders finds the tenant whose objects alone come from a file; for a file that no object comes from,
// such as a patch, the tenant that all objects are of whose builds read it.
func (j *Judge) byReaders(file string) verdict {
	var readers []*traced
	for _, t := range j.view.traces {
		if t.read(file) {
			readers = append(readers, t)
		}
	}
	if len(readers) > maxBuilds {
		readers = readers[:maxBuilds]
	}
	from, all := poll{}, poll{}
	for _, t := range readers {
		a, in := t.appliers[0], t.sides[0]
		list := a.Objects
		if list == nil {
			list = a.Held
		}
		inside, _ := cutFolder(file, path.Clean(t.prefix))
		for i, o := range list {
			if all.split && from.split {
				return verdict{}
			}
			v := j.ofObject(a, in, o)
			all.vote(v)
			if a.File(i) == inside {
				from.vote(v)
			}
		}
	}
	switch {
	case from.asked && !from.split:
		return verdict{concern: from.found.concern, why: "all objects of file " + file + " are: " + from.found.why}
	case !from.asked && all.asked && !all.split:
		return verdict{concern: all.found.concern, why: "all objects that depend on file " + file + " are: " + all.found.why}
	}
	return verdict{}
}

// poll finds out whether all are of one tenant.
type poll struct {
	found        verdict
	asked, split bool
}

func (p *poll) vote(v verdict) {
	if _, tenant := v.concern.TenantName(); !tenant || p.asked && p.found.concern != v.concern {
		p.split = true
	}
	if !p.asked {
		p.found, p.asked = v, true
	}
}

// ofObject judges an object that a build gives, by all evidence but files.
func (j *Judge) ofObject(a *render.Applier, in *side, o *object.Object) verdict {
	s := &subject{cluster: a.Target, id: o.ID, object: o, side: in, chain: in.chain(a.Target, o.Origin.Chain)}
	s.foreign = !a.Own && a.Kind == "Kustomization"
	for _, rule := range []func(*subject) verdict{j.byDocument, j.byLabel, j.bySource} {
		if v := rule(s); v.given() {
			return v
		}
	}
	return verdict{}
}
