package cli

import (
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// origins tells the file of an object. It is found out when first asked for one
// of an applier's objects, at the price of one more build.
type origins struct {
	appliers map[owner][]*render.Applier
	places   map[*render.Applier]map[object.ID]int
}

// owner is who writes an object, and where.
type owner struct {
	cluster string
	applier object.Applier
}

// newOrigins is for the objects of r, which may be nil.
func newOrigins(r *render.Result) *origins {
	g := &origins{appliers: map[owner][]*render.Applier{}, places: map[*render.Applier]map[object.ID]int{}}
	if r == nil {
		return g
	}
	for _, c := range r.Clusters {
		for _, a := range c.Appliers {
			k := owner{c.Name, a.Applier}
			g.appliers[k] = append(g.appliers[k], a)
		}
	}
	return g
}

// ahead finds out the files of all objects of the clusters, on all cores.
func (g *origins) ahead(clusters []*render.Cluster) {
	var all errgroup.Group
	all.SetLimit(runtime.GOMAXPROCS(0))
	for _, c := range clusters {
		for _, a := range c.Appliers {
			all.Go(func() error {
				a.File(0)
				return nil
			})
		}
	}
	_ = all.Wait() // no error is ever given
}

// file is the slash path of an object's file from the root of its source, ""
// when it is not known.
func (g *origins) file(o *object.Object) string {
	if o == nil || o.Origin.File != "" {
		return fileOf(o)
	}
	if a, i := g.place(o); a != nil {
		return a.File(i)
	}
	return ""
}

// source is what the applier of an object reads.
func (g *origins) source(o *object.Object) object.Source {
	if a, _ := g.place(o); a != nil {
		return a.Source
	}
	return o.Origin.Source
}

// place is the applier of an object, and its place there; nil when it is not known.
func (g *origins) place(o *object.Object) (*render.Applier, int) {
	for _, a := range g.appliers[owner{o.Origin.Cluster, o.Origin.Owner()}] {
		places := g.places[a]
		if places == nil {
			places = map[object.ID]int{}
			for i, own := range a.Objects {
				places[own.ID] = i
			}
			g.places[a] = places
		}
		if i, ok := places[o.ID]; ok {
			return a, i
		}
	}
	return nil, 0
}

func fileOf(o *object.Object) string {
	if o == nil {
		return ""
	}
	return o.Origin.File
}
