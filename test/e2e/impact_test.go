//go:build e2e && linux

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// event is what happened to an object on the cluster.
type event string

const (
	nothing   event = "stays as it is"
	created   event = "is created"
	deleted   event = "is deleted"
	recreated event = "is deleted and created again"
	changed   event = "is changed"
)

// happened tells from the two states of an object what came to pass.
func happened(before, after *unstructured.Unstructured) event {
	switch {
	case before == nil && after == nil:
		return nothing
	case before == nil:
		return created
	case after == nil:
		return deleted
	case before.GetUID() != after.GetUID():
		return recreated
	case applied(before) != applied(after):
		return changed
	}
	return nothing
}

// applied is the text of all that the controllers own of an object.
func applied(o *unstructured.Unstructured) string {
	text := ""
	for _, manager := range []string{kustomizeManager, helmManager} {
		set, version, err := owned(o, manager)
		if err != nil || set == nil {
			continue
		}
		data, _ := json.Marshal(extract(set, o.Object))
		text += version + string(data)
	}
	return text
}

// extract takes the fields of a set out of a value.
func extract(set *fieldpath.Set, from any) any {
	found := map[string]any{}
	set.Members.Iterate(func(e fieldpath.PathElement) {
		if v, _, ok := find(from, e, true); ok {
			if _, nested := set.Children.Get(e); nested {
				found[e.String()] = nil
			} else {
				found[e.String()] = v
			}
		}
	})
	set.Children.Iterate(func(e fieldpath.PathElement) {
		below, _ := set.Children.Get(e)
		if v, _, ok := find(from, e, true); ok {
			found[e.String()] = extract(below, v)
		}
	})
	return found
}

// impact holds what impact says of a cluster against what happened to its objects.
func (v *verdict) impact(s *story, hub, name string, before, after *state) {
	told := map[object.ID]*impact.Change{}
	for _, c := range s.report.Clusters {
		if c.Name == name {
			for _, ch := range c.Changes {
				told[ch.ID] = ch
			}
		}
	}
	open := s.open(hub, name)
	ids := map[object.ID]bool{}
	for id := range before.objects {
		ids[id] = true
	}
	for id := range after.objects {
		ids[id] = true
	}
	for id := range told {
		ids[id] = true
	}
	for _, id := range slices.SortedFunc(maps.Keys(ids), object.ID.Compare) {
		is := happened(before.objects[id], after.objects[id])
		may := expected(told[id])
		if goesAlong(s.told(name), id) {
			may = append(may, deleted)
		}
		if slices.ContainsFunc(s.told(name).Notes, func(n string) bool {
			return strings.HasPrefix(n, id.String()+" may be deleted")
		}) {
			// The objects of a stage are tried at once, and the first that is refused cancels
			// the rest: before or after this one has been deleted.
			may = append(may, deleted, nothing)
		}
		if s.chancy(name, id) {
			may = append(may, nothing, changed)
		}
		may = append(may, s.along(name, id)...)
		switch {
		case open[id] != "":
			if is != nothing {
				v.unresolved = append(v.unresolved, fmt.Sprintf("%s %s: %s", id, is, open[id]))
			}
		case !slices.Contains(may, is):
			v.differ("%s: %s %s; impact says %s", name, id, is, saying(told[id]))
		case told[id] != nil:
			v.changes++
		}
	}
}

// goesAlong says whether impact has a note that the object's Namespace or definition is
// deleted while it is still rendered.
func goesAlong(told *impact.Cluster, id object.ID) bool {
	return slices.ContainsFunc(told.Notes, func(n string) bool {
		return id.Namespace != "" && strings.Contains(n, "Namespace "+id.Namespace+" is deleted while") ||
			id.Group != "" && strings.Contains(n, "."+id.Group+" is deleted while")
	})
}

func saying(ch *impact.Change) string {
	if ch == nil {
		return "nothing"
	}
	return fmt.Sprintf("%s %s (%s)", ch.Kind, ch.Fate, ch.Why)
}

// expected are the events that fulfil what impact says of an object.
func expected(ch *impact.Change) []event {
	if ch == nil {
		return []event{nothing}
	}
	switch {
	case ch.Kind == impact.Moved && ch.Fate == impact.Deleted:
		return []event{deleted, recreated}
	case ch.Recreated != "" && ch.Refused != "":
		return []event{deleted, recreated, nothing}
	case ch.Recreated != "":
		return []event{recreated}
	case ch.Refused != "":
		return []event{nothing}
	case ch.Kind == impact.Added:
		return []event{created}
	case ch.Kind == impact.Changed && len(ch.Edits) == 1 && ch.Edits[0].Path.String() == "apiVersion":
		return []event{nothing, changed} // applied only where the fields differ, too
	case ch.Kind == impact.Changed:
		return []event{changed}
	case ch.Fate == impact.Unsure:
		return []event{nothing, changed, deleted, recreated}
	case ch.Kind == impact.Moved:
		return []event{nothing, changed}
	case ch.Fate == impact.Deleted:
		return []event{deleted}
	case ch.Fate == impact.Orphaned:
		return []event{nothing}
	}
	return nil
}

// open are the objects of which render or impact says that it does not know.
func (s *story) open(hub, name string) map[object.ID]string {
	found := map[object.ID]string{}
	for revision, r := range s.result {
		c := r.Cluster(name)
		if c == nil {
			continue
		}
		for _, a := range c.Appliers {
			why := unresolvedOf(c, a)
			if revision == 0 && (len(failuresOf(c, a)) > 0 || why != "") {
				if why == "" {
					why = "its applier fails before"
				}
				for _, o := range s.objects(1, name, a) {
					found[o.ID] = why
				}
			}
			switch {
			case revision == 0 && a.State == render.Suspended:
				why = "its applier is suspended before: what it has applied is not known"
			case revision == 1 && a.State == render.Suspended:
				why = "its applier is suspended by the commit itself, and may see the files first"
			}
			if doubtful(s.told(name), a) {
				why = "the API server may refuse the change, by what Git does not say"
			}
			if a.Home != hub {
				why = "another hub applies it"
			}
			if generated(a) {
				why = "the controller that makes its source does not run here"
			}
			if why == "" {
				continue
			}
			for _, o := range slices.Concat(a.Objects, a.Held) {
				found[o.ID] = why
			}
		}
	}
	return found
}

// objects of an applier, and of those that it makes, in a revision.
func (s *story) objects(revision int, cluster string, of *render.Applier) []*object.Object {
	var all []*object.Object
	if c := s.result[revision].Cluster(cluster); c != nil {
		for _, a := range c.Appliers {
			if a.Applier == of.Applier || slices.Contains(a.Chain, of.Applier) {
				all = append(all, a.Objects...)
			}
		}
	}
	return all
}
