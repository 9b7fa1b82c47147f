package review

import (
	"errors"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
)

// Explanation is why one object changes on one cluster.
type Explanation struct {
	Cluster string `json:"cluster"`
	Group
}

// ErrUnchanged is the error of an object that the change leaves as it is, or that does not exist.
var ErrUnchanged = errors.New("no such object changes")

// Explain finds the change of an object, named CLUSTER/KIND/NAMESPACE/NAME, or CLUSTER/KIND/NAME
// without a namespace; the kind may be GROUP/KIND as [object.ID] writes it. The causes and the risks are those of
// that cluster. The error is [ErrUnchanged].
func (r *Review) Explain(name string) (Explanation, error) {
	cluster, rest, _ := strings.Cut(name, "/")
	for i := range r.Groups {
		g := &r.Groups[i]
		if slices.Contains(g.Clusters, cluster) && (strings.EqualFold(g.ID.String(), rest) || strings.EqualFold(g.plain(), rest)) {
			return r.explanation(cluster, *g), nil
		}
	}
	return Explanation{}, ErrUnchanged
}

func (r *Review) explanation(cluster string, g Group) Explanation {
	if r.causes != nil {
		if list := r.causes(cluster, g.ID); list != nil {
			g.Causes = list
		}
	}
	g.Risks = slices.DeleteFunc(slices.Clone(g.Risks), func(f finding.Finding) bool { return !slices.Contains(f.Clusters, cluster) })
	return Explanation{cluster, g}
}

// plain is the object's name without its group.
func (g *Group) plain() string {
	id := g.ID
	id.Group = ""
	return id.String()
}

// Objects are the names of all objects that change, as [Review.Explain] takes them, sorted.
func (r *Review) Objects() []string {
	var out []string
	for i := range r.Groups {
		for _, c := range r.Groups[i].Clusters {
			out = append(out, c+"/"+r.Groups[i].Name)
		}
	}
	slices.Sort(out)
	return out
}
