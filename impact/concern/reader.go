package concern

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// maxBuilds bounds how many different builds are looked at to find out whose a file is.
const maxBuilds = 4

// Reader is one of the builds that read a file, and whose the objects are that it gives.
type Reader struct {
	// Key is the same for builds that read the same, on any machine.
	Key string `json:"key"`
	// Before is true for a build of the revision before the change.
	Before bool `json:"before,omitempty"`
	// Cluster is the first that it is for.
	Cluster string `json:"cluster"`
	// At is its place among those of the cluster.
	At int `json:"at"`
	// From is about the objects that come from the file.
	From Poll `json:"from"`
	// All is about all objects.
	All Poll `json:"all"`
}

// Poll finds out whether objects are all of one tenant. The zero value has asked nobody.
type Poll struct {
	Concern Concern `json:"concern,omitempty"`
	Why     string  `json:"why,omitempty"`
	Asked   bool    `json:"asked,omitempty"`
	Split   bool    `json:"split,omitempty"`
}

func (p *Poll) vote(v verdict) {
	if _, tenant := v.concern.TenantName(); !tenant || p.Asked && p.Concern != v.concern {
		p.Split = true
	}
	if !p.Asked {
		p.Concern, p.Why, p.Asked = v.concern, v.why, true
	}
}

// and is what both polls together say, p first.
func (p Poll) and(o Poll) Poll {
	if !p.Asked || !o.Asked {
		return cmp.Or(p, o)
	}
	p.Split = p.Split || o.Split || p.Concern != o.Concern
	return p
}

// byReaders finds the tenant whose objects alone come from a file; for a file that no object comes from,
// such as a patch, the tenant that all objects are of whose builds read it.
func byReaders(file string, readers []Reader) verdict {
	slices.SortStableFunc(readers, compareReaders)
	seen := map[string]bool{}
	from, all := Poll{}, Poll{}
	for _, r := range readers {
		if seen[r.Key] || len(seen) == maxBuilds {
			continue
		}
		seen[r.Key] = true
		from, all = from.and(r.From), all.and(r.All)
	}
	switch {
	case from.Asked && !from.Split:
		return verdict{concern: from.Concern, why: "all objects of file " + file + " are: " + from.Why}
	case !from.Asked && all.Asked && !all.Split:
		return verdict{concern: all.Concern, why: "all objects that depend on file " + file + " are: " + all.Why}
	}
	return verdict{}
}

// compareReaders orders builds: those after the change first, then by cluster.
func compareReaders(a, b Reader) int {
	side := func(r Reader) int {
		if r.Before {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(side(a), side(b)), cmp.Compare(a.Cluster, b.Cluster), cmp.Compare(a.At, b.At))
}

// readersOf are the first builds that read a file, of each side and cluster in order.
func (j *Judge) readersOf(file string) []Reader {
	out := []Reader{}
	seen := map[string]bool{}
	for _, t := range j.view.traces {
		if len(seen) == maxBuilds {
			break
		}
		if !t.read(file) || seen[t.digest()] {
			continue
		}
		seen[t.digest()] = true
		out = append(out, j.poll(t, file))
	}
	return out
}

func (j *Judge) poll(t *traced, file string) Reader {
	a, in := t.appliers[0], t.sides[0]
	r := Reader{Key: t.digest(), Before: in == j.view.before, Cluster: t.cluster, At: t.at}
	list := a.Objects
	if list == nil {
		list = a.Held
	}
	inside, _ := cutFolder(file, path.Clean(t.prefix))
	for i, o := range list {
		if r.All.Split && r.From.Split {
			break
		}
		v := j.ofObject(a, in, o)
		r.All.vote(v)
		if a.File(i) == inside {
			r.From.vote(v)
		}
	}
	return r
}

// digest is the same for builds that read the same.
func (t *traced) digest() string {
	if t.key == "" {
		h := sha256.New()
		_, _ = fmt.Fprintf(h, "%q", t.prefix)
		for _, r := range t.reads {
			_, _ = fmt.Fprintf(h, "%q %d %s\n", r.Path, r.Kind, r.Hash)
		}
		t.key = hex.EncodeToString(h.Sum(nil)[:12])
	}
	return t.key
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
