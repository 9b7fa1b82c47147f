package rule

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// fedSource is a source with an applier that it feeds.
type fedSource struct {
	object  *estate.Object
	applier *estate.Applier
}

// fedSources are the sources that appliers of a cluster take their files from, each once: with an applier of the platform's if there is one. That of the
// repository under review is left out: its commit is what is looked at.
func fedSources(x *Context, c *estate.Cluster) (out []fedSource) {
	at := map[*estate.Object]int{}
	for _, a := range c.Appliers {
		if a.Own && x.Files != nil {
			continue
		}
		o := sourceOf(a)
		if o == nil {
			continue
		}
		i, seen := at[o]
		switch {
		case !seen:
			at[o] = len(out)
			out = append(out, fedSource{o, a})
		case out[i].applier.Tenant != nil && a.Tenant == nil:
			out[i].applier = a
		}
	}
	return out
}

// movingTag is a name that is given to one commit after the other.
var movingTag = regexp.MustCompile(`(?i)^(latest|main|master|stable|release|prod|production|staging|dev|edge|nightly|canary|current|v?[0-9]+(\.[0-9]+)?)$`)

// movingSources finds references of production that move. Charts of registries are those of HLM-007.
func movingSources(x *Context, c *estate.Cluster) (out []Found) {
	if !c.Production {
		return nil
	}
	for _, s := range fedSources(x, c) {
		if s.object.ID.Kind == "OCIRepository" && s.applier.Kind == estate.HelmReleaseKind {
			continue
		}
		follows := moving(s.object)
		if follows == "" {
			continue
		}
		found := Found{
			Object: s.object, Cluster: c, Tenant: s.applier.Tenant, Field: "spec.ref",
			Message: fmt.Sprintf("%s, which feeds %s in production, follows %s", s.object.ID, s.applier, follows),
		}
		switch tenant := s.applier.Tenant; {
		case tenant == nil:
			found.Level = finding.High
		case !tenant.Inferred: // its document says so, and who pushes to it changes that compartment alone
			found.Level = finding.Low
		}
		out = append(out, found)
	}
	return out
}

// moving says what a source follows that moves; "" for what stays, and for a range of versions.
//
// Source: source-controller v1.9.5: commit, then name, semver, tag, branch; an artifact's digest, semver, tag.
func moving(o *estate.Object) string {
	ref := func(field string) string { return o.Text("spec", "ref", field) }
	switch o.ID.Kind {
	case "GitRepository":
		switch name := ref("name"); {
		case ref("commit") != "" || name == "" && ref("semver") != "":
			return ""
		case strings.HasPrefix(name, "refs/tags/"):
			name = strings.TrimPrefix(name, "refs/tags/")
			if movingTag.MatchString(name) {
				return "the tag " + clipped(name)
			}
			return ""
		case name != "":
			return clipped(name)
		case ref("tag") != "":
			if movingTag.MatchString(ref("tag")) {
				return "the tag " + clipped(ref("tag"))
			}
			return ""
		case ref("branch") != "":
			return "branch " + clipped(ref("branch"))
		}
		return "branch master, as it names none"
	case "OCIRepository":
		switch tag := ref("tag"); {
		case ref("digest") != "" || ref("semver") != "":
			return ""
		case tag == "":
			return "the tag latest, as it names none"
		case movingTag.MatchString(tag):
			return "the tag " + clipped(tag)
		}
	}
	return ""
}

// proposed are references under which a forge keeps what is proposed.
var proposed = regexp.MustCompile(`^refs/(pull|merge-requests|pull-requests|changes|for|pipelines)/`)

// preview is what environments are called whose appliers may follow proposals.
var preview = regexp.MustCompile(`(?i)(preview|ephemeral|review|sandbox)`)

func unreviewedRef(_ *Context, o *estate.Object) []Found {
	if !o.Is(estate.SourceGroup, "GitRepository") {
		return nil
	}
	name := o.Text("spec", "ref", "name")
	if !proposed.MatchString(name) || preview.MatchString(o.Cluster.Environment) {
		return nil
	}
	found := Found{Message: fmt.Sprintf("%s follows %s, which is proposed and not reviewed", o.ID, clipped(name)), Field: "spec.ref.name"}
	if o.Cluster.Production {
		found.Level = finding.Critical
	}
	return one(found)
}

// unverifiedSources finds artifacts of production without a signature. Of Git repositories, those of the platform count. What names a digest or a commit
// is told by it.
func unverifiedSources(x *Context, c *estate.Cluster) (out []Found) {
	if !c.Production {
		return nil
	}
	for _, s := range fedSources(x, c) {
		kind := s.object.ID.Kind
		git := kind == "GitRepository" && s.applier.Tenant == nil
		if !git && kind != "OCIRepository" || s.object.At("spec", "verify") != nil || s.object.Text("spec", "ref", "digest")+s.object.Text("spec", "ref", "commit") != "" {
			continue
		}
		found := Found{
			Object: s.object, Cluster: c, Tenant: s.applier.Tenant, Field: "spec.verify",
			Message: fmt.Sprintf("%s, which feeds %s in production, is not verified", s.object.ID, s.applier),
		}
		if s.applier.Kind == estate.HelmReleaseKind {
			found.Level = finding.Low // a chart of a vendor who may not sign
		}
		if id := s.object.ID; id.Namespace == c.FluxNamespace && ownSync(s.applier) {
			found.Level = finding.High
		}
		out = append(out, found)
	}
	return out
}

// includedSource finds repositories of other owners within one.
func includedSource(x *Context, o *estate.Object) (out []Found) {
	if !o.Is(estate.SourceGroup, "GitRepository") || o.At("spec", "include") == nil {
		return nil
	}
	own := repositoryOf(o.Text("spec", "url"))
	for i, el := range estate.List(o.Body().Map(), "spec", "include") {
		name := estate.Text(el, "repository", "name")
		var other *estate.Object
		for _, r := range o.Cluster.Kind(estate.SourceGroup, "GitRepository") {
			if r.ID.Namespace == o.ID.Namespace && r.ID.Name == name {
				other = r
			}
		}
		if other == nil {
			continue
		}
		repository := repositoryOf(other.Text("spec", "url"))
		if repository == own || holderOf(x, repository) == holderOf(x, own) && holderOf(x, own) != "" {
			continue
		}
		out = append(out, Found{
			Message: fmt.Sprintf("%s, of %s, includes %s, of %s", o.ID, holderName(x, own), other.ID, holderName(x, repository)), Field: fmt.Sprintf("spec.include[%d]", i),
		})
	}
	return out
}

// holderOf says whose a repository is: "the platform", "tenant NAME", or "" for nobody of the fleet.
func holderOf(x *Context, repository string) string {
	if slices.Contains(x.Hub, repository) {
		return who(nil)
	}
	for _, t := range x.Tenants {
		if repositoryOf(t.Document.Spec.URL()) == repository {
			return who(t)
		}
	}
	return ""
}

func holderName(x *Context, repository string) string {
	if holder := holderOf(x, repository); holder != "" {
		return holder
	}
	return "nobody of the fleet"
}
