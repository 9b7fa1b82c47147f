package concern

import (
	"cmp"
	"path"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// spokeKey tells the spokes of clusters apart.
type spokeKey struct {
	home    string
	applier object.Applier
	url     string // by [render.RepositoryName]
}

// bySource finds a tenant by the repository that the object is built from: a Kustomization on the way to it, or
// the object itself, whose source is another repository than the hub's.
func (j *Judge) bySource(s *subject) verdict {
	for _, a := range s.chain {
		if v := j.spoke(a); v.given() {
			return v
		}
	}
	if self := s.self(); self != nil {
		return j.spoke(self)
	}
	c := s.side.clusters[s.cluster]
	if c == nil {
		return verdict{}
	}
	if s.object != nil && sourceKind(s.id) {
		spec, _ := s.object.Body().Map()["spec"].(map[string]any)
		u := render.RepositoryName(textAt(spec, "url"))
		for _, a := range c.Appliers {
			if u != "" && a.Namespace == s.id.Namespace && render.RepositoryName(s.side.sourceURL(a)) == u {
				return j.spoke(a)
			}
		}
	}
	if ns := s.namespace(); ns != "" && !j.view.namespaces[ns] {
		return j.namespaces(c, s.side)[ns]
	}
	return verdict{}
}

// namespaces that a spoke's Kustomization lies in, or applies to: they are its tenant's, unless
// several tenants do.
func (j *Judge) namespaces(c *render.Cluster, in *side) map[string]verdict {
	if found, ok := j.spoken[c]; ok {
		return found
	}
	found := map[string]verdict{}
	claim := func(ns string, v verdict) {
		if old, twice := found[ns]; twice && old.concern != v.concern {
			v = verdict{}
		}
		found[ns] = v
	}
	for _, a := range c.Appliers {
		v := j.spoke(a)
		if !v.given() {
			continue
		}
		claim(a.Namespace, verdict{concern: v.concern, why: "namespace " + a.Namespace + " is that of " + a.String() + ", which applies the tenant's repository"})
		if o := in.object(a); o != nil {
			spec, _ := o.Body().Map()["spec"].(map[string]any)
			if ns := textAt(spec, "targetNamespace"); ns != "" && ns != a.Namespace {
				claim(ns, verdict{concern: v.concern, why: "namespace " + ns + " is where " + a.String() + " applies the tenant's repository"})
			}
		}
	}
	j.spoken[c] = found
	return found
}

// spoke is the tenant whose repository a Kustomization applies; none for what looks like a third
// party's or the platform's. What other clusters have is not asked: the answer for a cluster is the same with and without them.
func (j *Judge) spoke(a *render.Applier) verdict {
	if a.Kind != "Kustomization" || a.Own {
		return verdict{}
	}
	k := spokeKey{a.Home, a.Applier, render.RepositoryName(j.SourceURL(a))}
	if k.url == "" || a.Source.URL == "" && j.view.hubURLs[k.url] { // another ref of the hub, which is not at hand
		return verdict{}
	}
	if v, ok := j.spokes[k]; ok {
		return v
	}
	v := j.judgeSpoke(j.first(a, k.url), k.url)
	j.spokes[k] = v
	return v
}

// SourceURL is the URL of what a Kustomization applies, also where that is not at hand; "" when it is not known.
// It may hold a password.
func (j *Judge) SourceURL(a *render.Applier) string {
	return cmp.Or(a.Source.URL, j.view.after.sourceURL(a), j.view.before.sourceURL(a))
}

// sourceURL is that of the source, as its object has it where a repository is not at hand.
func (s *side) sourceURL(a *render.Applier) string {
	c := s.clusters[a.Home]
	if a.Source.URL != "" || c == nil {
		return a.Source.URL
	}
	o := s.object(a)
	if o == nil {
		return ""
	}
	spec, _ := o.Body().Map()["spec"].(map[string]any)
	ref := func(field string) string { return textAt(spec, "sourceRef", field) }
	source, ok := c.Objects.Get(object.ID{
		Group: "source.toolkit.fluxcd.io", Kind: ref("kind"), Namespace: cmp.Or(ref("namespace"), a.Namespace), Name: ref("name"),
	})
	if !ok || source.ID.Kind != "GitRepository" { // artifacts that are not at hand are third parties', more often than not
		return ""
	}
	spec, _ = source.Body().Map()["spec"].(map[string]any)
	return textAt(spec, "url")
}

// first is the same Kustomization of the same source as it is after the change, or was before.
func (j *Judge) first(a *render.Applier, url string) *render.Applier {
	for _, s := range []*side{j.view.after, j.view.before} {
		if same := s.homes[a.Home][a.Applier]; same != nil && !same.Own && render.RepositoryName(s.sourceURL(same)) == url {
			return same
		}
	}
	return a
}

// judgeSpoke names the tenant: by the folder that its Kustomization lies in; where it lies in a namespace
// of its own, by its service account, as "flux create tenant" names it; else by the Kustomization.
func (j *Judge) judgeSpoke(a *render.Applier, url string) verdict {
	why := "source " + shown(url, a) + " is not the hub's"
	s := j.view.after
	o := s.object(a)
	if o == nil {
		s = j.view.before
		o = s.object(a)
	}
	if o != nil {
		file, _ := s.fileOf(o, s.chain(a.Home, o.Origin.Chain))
		if v := j.tenantFile(file); v.given() {
			return verdict{concern: v.concern, why: why + ", and " + v.why}
		}
	}
	account := a.ServiceAccountName
	if generic(account) || strings.HasSuffix(account, "-controller") {
		account = ""
	}
	apart := !j.view.namespaces[a.Namespace]
	name, by := stripEnvironment(a.Name), a.String()
	sibling := j.siblings(url)
	if a.Source.URL == "" { // not at hand: the platform's tools read other repositories, too
		sibling = sibling && len(j.view.hubURLs) > 0 && strings.HasPrefix(path.Base(url), name)
	}
	if !sibling && (!apart || account == "") {
		return verdict{} // of a third party
	}
	if apart && account != "" {
		name, by = account, "service account "+account+" of "+by
	}
	if generic(name) {
		return verdict{}
	}
	return verdict{concern: Tenant(name), why: why + "; named after " + by}
}

// shown is a source as a reason names it.
func shown(url string, a *render.Applier) string {
	if _, p, ok := strings.Cut(url, "/"); !ok || p == "" {
		return "of " + a.String()
	}
	return url
}

// siblings reports whether a repository belongs to whom the hub belongs, as far as URLs tell.
func (j *Judge) siblings(url string) bool {
	if len(j.view.hubURLs) == 0 {
		return true
	}
	org := organisation(url)
	for hub := range j.view.hubURLs {
		if org != "" && org == organisation(hub) {
			return true
		}
	}
	return false
}
