package risk

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// restarted says which parts of the template change. That of an object that is deleted and created
// again, or does not reach the cluster, is another rule's.
func restarted(x *context, ch *impact.Change) []Risk {
	if !updated(ch) || !rolled(ch) || ch.Recreated != "" || ch.Refused != "" || stays(ch) {
		return nil
	}
	var parts []string
	for _, e := range ch.Edits {
		if part := x.part(ch, e); part != "" && !slices.Contains(parts, part) {
			parts = append(parts, part)
		}
	}
	if len(parts) == 0 {
		return nil
	}
	const most = 4
	more := ""
	if len(parts) > most {
		more = fmt.Sprintf(" and %d more", len(parts)-most)
		parts = parts[:most]
	}
	pods := "the pods"
	if n, _, ok := replicas(ch.After); ok && n == 1 {
		pods = "the pod"
	} else if ok {
		pods = fmt.Sprintf("the %d pods", n)
	}
	are := "are"
	if pods == "the pod" {
		are = "is"
	}
	return []Risk{told(ch, "spec.template", "%s of %s %s replaced, as the template changes: %s%s", pods, called(ch), are, strings.Join(parts, ", "), more)}
}

// stays reports whether no pod is replaced although the template changes.
func stays(ch *impact.Change) bool {
	b := body(ch.After)
	n, _, known := replicas(ch.After)
	was, _, knew := replicas(ch.Before)
	return known && n == 0 || knew && was == 0 || flag(b, "spec", "paused") || text(b, "spec", "updateStrategy", "type") == "OnDelete"
}

// part is what of the template an edit changes, in a few words; "" when it is outside of it.
func (x *context) part(ch *impact.Change, e object.Edit) string {
	p := e.Path
	if len(p) < 2 || p[0].Field != "spec" || p[1].Field != "template" {
		return ""
	}
	p = p[2:]
	name := func(i int) string {
		if i < len(p) && p[i].Kind == object.Field {
			return show(ch, p[i].Field)
		}
		return ""
	}
	switch {
	case len(p) < 2:
		return "all of it"
	case p[0].Field == "metadata" && len(p) == 2:
		return name(1)
	case p[0].Field == "metadata":
		return strings.TrimSuffix(name(1), "s") + " " + name(2)
	}
	if generated := x.generated(ch, e); generated != "" {
		return generated
	}
	kind := map[string]string{"containers": "container", "initContainers": "init container", "volumes": "volume"}[p[1].Field]
	switch {
	case kind == "" || len(p) == 2:
		return name(1)
	case kind == "volume":
		return "volume " + keyOf(ch, p[2])
	case len(p) == 3 && e.Op == object.Add:
		return "new " + kind + " " + keyOf(ch, p[2])
	case len(p) == 3 && e.Op == object.Remove:
		return kind + " " + keyOf(ch, p[2]) + " gone"
	case len(p) == 3:
		return kind + " " + keyOf(ch, p[2])
	}
	return name(3) + " of " + kind + " " + keyOf(ch, p[2])
}

// generated is the ConfigMap or Secret whose content changes, when the edit does no more than follow
// its new name; "" otherwise.
func (x *context) generated(ch *impact.Change, e object.Edit) string {
	to, ok := e.To.(string)
	if !ok {
		return ""
	}
	if from, was := e.From.(string); !was || stemOf(from) == "" || stemOf(from) != stemOf(to) {
		return ""
	}
	for _, o := range x.Changes {
		if o.Kind == impact.Added && o.Replaces != nil && o.ID.Name == to && o.Replaces.Name == e.From && o.ID.Namespace == ch.ID.Namespace {
			return "content of " + o.ID.Kind + " " + show(ch, stemOf(to))
		}
	}
	return ""
}

// keyOf is what an element of a list is called.
func keyOf(ch *impact.Change, s object.Step) string {
	for _, kv := range s.Keys {
		if kv.Name == "name" || kv.Name == "" {
			return show(ch, kv.Value)
		}
	}
	return fmt.Sprint(s.Index)
}

// stemOf is a name without the hash that generators put behind it; "" without one.
func stemOf(name string) string {
	const hash = 10
	i := strings.LastIndexByte(name, '-')
	if i <= 0 || len(name)-i-1 != hash {
		return ""
	}
	return name[:i]
}
