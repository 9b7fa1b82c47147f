package concern

import (
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/render"
)

// tenants is what Tenant documents say.
type tenants struct {
	names      map[string]bool
	files      map[string]string  // that hold a document -> tenant
	namespaces map[string][]claim // sorted by tenant
	urls       map[string]string  // by [render.RepositoryName] -> tenant; "" when several have it
}

// claim is a tenant's to a namespace, on clusters with labels that are selected.
type claim struct {
	tenant  string
	selects labels.Selector
}

func readTenants(list []v1alpha1.Tenant) tenants {
	t := tenants{names: map[string]bool{}, files: map[string]string{}, namespaces: map[string][]claim{}, urls: map[string]string{}}
	for i := range list {
		doc := &list[i]
		name := doc.Name
		if name == "" {
			continue
		}
		t.names[name] = true
		if other, twice := t.files[doc.Place.File]; twice && other != name {
			t.files[doc.Place.File] = "" // a file of several tenants
		} else if doc.Place.File != "" {
			t.files[doc.Place.File] = name
		}
		if u := render.RepositoryName(doc.Spec.URL()); u != "" {
			if other, twice := t.urls[u]; twice && other != name {
				t.urls[u] = ""
			} else {
				t.urls[u] = name
			}
		}
		for j := range doc.Spec.Environments {
			e := &doc.Spec.Environments[j]
			selects, err := metav1.LabelSelectorAsSelector(&e.Clusters)
			if err != nil {
				continue // Decode takes none
			}
			for _, ns := range append(doc.NamespacesOf(e), doc.FluxNamespace(v1alpha1.Isolated)) {
				t.namespaces[ns] = append(t.namespaces[ns], claim{name, selects})
			}
		}
	}
	for _, claims := range t.namespaces {
		slices.SortStableFunc(claims, func(a, b claim) int { return strings.Compare(a.tenant, b.tenant) })
	}
	return t
}

// owner of a namespace. Clusters are looked at only when several tenants claim it: on each
// cluster the one whose selector fits, else the first.
func (t *tenants) owner(namespace string, of map[string]string) string {
	claims := t.namespaces[namespace]
	if len(claims) == 0 {
		return ""
	}
	for _, c := range claims {
		if c.selects.Matches(labels.Set(of)) {
			return c.tenant
		}
	}
	return claims[0].tenant
}

// declared is the tenant whose document is in the file.
func (t *tenants) declared(file string) verdict {
	name := t.files[file]
	if name == "" {
		return verdict{}
	}
	return verdict{concern: Tenant(name), why: "it holds the document of tenant " + name}
}

// byDocument asks the Tenant documents: for namespaces, then for the repositories that the object
// is built from, or names.
func (j *Judge) byDocument(s *subject) verdict {
	if len(j.tenants.names) == 0 {
		return verdict{}
	}
	if ns := s.namespace(); ns != "" {
		if name := j.tenants.owner(ns, j.clusterLabels(s.cluster)); name != "" {
			return verdict{concern: Tenant(name), why: "namespace " + ns + " is in the document of tenant " + name}
		}
	}
	own := j.view.hubURLs
	of := func(raw string) verdict {
		u := render.RepositoryName(raw)
		if name := j.tenants.urls[u]; u != "" && name != "" && !own[u] {
			return verdict{concern: Tenant(name), why: "source " + u + " is in the document of tenant " + name}
		}
		return verdict{}
	}
	if s.object != nil {
		if spec, _ := s.object.Body().Map()["spec"].(map[string]any); spec != nil && sourceKind(s.id) {
			if v := of(textAt(spec, "url")); v.given() {
				return v
			}
		}
	}
	appliers := s.chain
	if self := s.self(); self != nil {
		appliers = append(slices.Clone(appliers), self)
	}
	for _, a := range slices.Backward(appliers) {
		if v := of(a.Source.URL); v.given() {
			return v
		}
	}
	return verdict{}
}

// organisation is the first folder of a repository's path: "acme" of github.com/acme/fleet.
func organisation(same string) string {
	_, p, _ := strings.Cut(same, "/")
	org, _, ok := strings.Cut(p, "/")
	if !ok {
		return ""
	}
	return strings.ToLower(org)
}

func textAt(m map[string]any, fields ...string) string {
	for _, f := range fields[:len(fields)-1] {
		m, _ = m[f].(map[string]any)
	}
	text, _ := m[fields[len(fields)-1]].(string)
	return text
}
