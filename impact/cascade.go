package impact

import (
	"fmt"

	"github.com/bulkhead-dev/bulkhead/object"
)

// cascade finds what goes with a Namespace or a CustomResourceDefinition that is
// deleted: all objects in it or of it, whoever owns them and however they are
// marked.
func (p *pair) cascade(c *Cluster) {
	doomed := map[string]*Change{} // by what keyOf says of an object
	for _, ch := range c.Changes {
		if ch.Kind != Removed || ch.Fate != Deleted {
			continue
		}
		switch {
		case ch.ID.Kind == "Namespace" && ch.ID.Group == "":
			doomed["in "+ch.ID.Name] = ch
		case ch.ID.Kind == "CustomResourceDefinition" && ch.ID.Group == "apiextensions.k8s.io":
			spec, _ := ch.Before.Body().Map()["spec"].(map[string]any)
			names, _ := spec["names"].(map[string]any)
			doomed[fmt.Sprintf("of %v/%v", spec["group"], names["kind"])] = ch
		}
	}
	if len(doomed) == 0 {
		return
	}
	takes := func(id object.ID) *Change {
		if ns := doomed["in "+id.Namespace]; ns != nil && id.Namespace != "" {
			return ns
		}
		return doomed["of "+id.Group+"/"+id.Kind]
	}
	for _, ch := range c.Changes {
		by := takes(ch.ID)
		if by != nil && (ch.Kind == Moved || ch.Kind == Removed && ch.Fate != Deleted) {
			ch.Fate, ch.Why = Deleted, "goes with its "+by.ID.Kind
		}
	}
	stay := map[*Change]int{}
	if after := p.after.clusters[c.Name]; after != nil {
		for o := range after.Objects.All() {
			stay[takes(o.ID)]++
		}
	}
	for _, ch := range c.Changes {
		if n := stay[ch]; n > 0 {
			in := "in it"
			if ch.ID.Kind != "Namespace" {
				in = "of its kind"
			}
			c.Notes = append(c.Notes, fmt.Sprintf("%s %s is deleted while %d objects %s are still rendered: they go with it", ch.ID.Kind, ch.ID.Name, n, in))
		}
	}
}
