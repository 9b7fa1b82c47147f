package risk

import (
	"fmt"
	"strings"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// called names the object of a change as people do, with what is new said to be: "Deployment shop/web",
// "new ClusterRoleBinding admins".
func called(ch *impact.Change) string {
	if ch.Before == nil {
		return "new " + calledID(ch.ID)
	}
	return calledID(ch.ID)
}

// calledID is KIND NAMESPACE/NAME, without the namespace when there is none.
func calledID(id object.ID) string {
	name := clip(plain(id.Name), mostValue)
	if id.Namespace != "" {
		name = clip(plain(id.Namespace), mostValue) + "/" + name
	}
	return clip(plain(id.Kind), mostValue) + " " + name
}

// mostNamed is how many things a message names.
const mostNamed = 3

// few names some of a list, the rest as a number: "a, b, c and 4 more". The names are shown as they are.
func few(names []string) string {
	if len(names) <= mostNamed {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:mostNamed], ", "), len(names)-mostNamed)
}

// shownFew is [few] of values read from the change's object.
func shownFew(ch *impact.Change, values []string) string {
	var out []string
	for i, v := range values {
		if i == mostNamed {
			break
		}
		out = append(out, show(ch, v))
	}
	return few(append(out, values[len(out):]...))
}

// keyed is the path of what has a name in a list of the change's object, and of fields below it:
// "spec.listeners[name=web].port".
func keyed(ch *impact.Change, list object.Path, name string, below ...string) string {
	key := object.Step{Kind: object.Key, Keys: []object.KeyValue{{Name: "name", Value: show(ch, name)}}}
	return path(list, object.Path{key}, fields(below...)).String()
}

// plural is a number of things: "1 object", "2 objects".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
