package rule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

const twoRevisions = "two revisions are compared"

// blastRules are about how far a change reaches.
func blastRules() []Rule {
	return append(changeRules(), []Rule{
		{
			Rule: finding.Rule{
				ID: "BLR-004", Level: finding.Medium, Title: "All production clusters follow one ref",
				Why:  "What is merged is on every production cluster within one interval. No first one is there to find the mistake.",
				Hint: "give the clusters tags, one ring after the other: spec.ref of the cluster's document",
			},
			Unless: "There is one production cluster.",
			Static: "several clusters are compared", Source: "source-controller v1.9.5: spec.ref", fleet: noWaves,
		},
		{
			Rule: finding.Rule{
				ID: "BLR-005", Level: finding.Medium, Title: "An applier is too large",
				Why:  "One object that fails stalls all the others, and the workloads of several tenants at once.",
				Hint: "give each tenant and each layer an applier of its own",
			},
			Unless: "It is the one at which a cluster starts.",
			Static: "several objects are compared", Source: "kustomize-controller v1.9.5: an applier is ready as a whole or not at all", applier: tooLarge,
		},
		{
			Rule: finding.Rule{
				ID: "BLR-007", Level: finding.Medium, Title: "Production can change without a commit",
				Why:  "The version floats: whoever publishes the next one changes production, and no review sees it.",
				Hint: "pin the version or the digest, and let automation propose the next one by a pull request",
			},
			Unless: "The cluster is none of production. What HLM-007 says of releases, SRC-001 of sources and WRK-004 of tenants' images is not said again.",
			Source: "source-controller v1.9.5: spec.ref; Kubernetes v1.36: an image without a tag is latest", object: floats,
		},
	}...)
}

// noWaves looks at what the entry points of production follow. It is told of each of the clusters, in the same words.
func noWaves(x *Context) (out []Found) {
	all := ""
	for _, c := range x.Clusters {
		if !c.Production || !c.Entered {
			continue
		}
		ref, o := entryRef(c)
		if ref == "" || all != "" && ref != all {
			return nil
		}
		all = ref
		out = append(out, Found{Message: "all production clusters follow " + ref, Object: o, Field: "spec.ref"})
	}
	if len(out) < 2 {
		return nil
	}
	return out
}

// entryRef is what a cluster starts from, and the object that says so; "" when Git does not say.
func entryRef(c *estate.Cluster) (string, *estate.Object) {
	for _, a := range c.Homed {
		if len(a.Chain) > 0 || a.Kind != estate.KustomizationKind {
			continue
		}
		for _, kind := range []string{"GitRepository", "OCIRepository"} {
			for _, o := range c.Get(object.ID{Group: estate.SourceGroup, Kind: kind, Namespace: a.Source.Namespace, Name: a.Source.Name}) {
				return refText(o.Text("spec", "url"), func(field string) string { return o.Text("spec", "ref", field) }), o
			}
		}
	}
	for _, o := range c.Kind(estate.OperatorGroup, "FluxInstance") {
		if url := o.Text("spec", "sync", "url"); url != "" {
			return url + " at " + o.Text("spec", "sync", "ref"), o
		}
	}
	return "", nil
}

func refText(url string, field func(string) string) string {
	for _, name := range []string{"commit", "digest", "name", "semver", "tag", "branch"} {
		if v := field(name); v != "" {
			return name + " " + v + " of " + url
		}
	}
	return "the default branch of " + url
}

// mostObjects of an applier. Charts and kustomizations of platforms have up to some 300.
const mostObjects = 500

func tooLarge(_ *Context, a *estate.Applier) (out []Found) {
	if len(a.Chain) == 0 {
		return nil
	}
	if n := len(a.Objects); n > mostObjects {
		out = append(out, Found{Message: fmt.Sprintf("%s brings %s", a, phrase.Count(n, "object"))})
	}
	if a.Tenant != nil {
		return out
	}
	var tenants []string
	for _, o := range a.Objects {
		if !makesPods(o) {
			continue // an applier that brings what bounds tenants may do so for many
		}
		if p := o.Cluster.Owner(o.ID.Namespace); p != nil && !slices.Contains(tenants, p.Tenant.Name) {
			tenants = append(tenants, p.Tenant.Name)
		}
	}
	if len(tenants) > 1 {
		slices.Sort(tenants)
		out = append(out, Found{Message: fmt.Sprintf("%s brings workloads of %s: %s", a, phrase.Count(len(tenants), "tenant"), phrase.List(tenants, 4))})
	}
	return out
}

func floats(x *Context, o *estate.Object) []Found {
	if !o.Cluster.Production {
		return nil
	}
	switch {
	case o.Is(estate.SourceGroup, "OCIRepository"):
		if !fed(x, o) {
			return floatingArtifact(o)
		}
	case o.Is(estate.SourceGroup, "HelmChart"):
		if !fed(x, o) {
			return chartFloats(o)
		}
	case o.Tenant == nil && makesPods(o):
		for _, image := range imagesBelow(o.Body().Map(), 0) {
			tag := strings.TrimPrefix(strings.TrimPrefix(image, bare(image)), ":")
			if !strings.Contains(image, "@") && (tag == "" || tag == "latest") && !strings.Contains(image, "$") {
				return one(Found{Message: fmt.Sprintf("%s runs %s, whatever that is at the time", o.ID, phrase.Clip(image, 200)), Field: "spec"})
			}
		}
	}
	return nil
}

// fed reports whether an applier takes its files from a source, of which then another rule tells.
func fed(x *Context, o *estate.Object) bool {
	return once(x, "sources of appliers on "+o.Cluster.Name, func() map[*estate.Object]bool {
		out := map[*estate.Object]bool{}
		for _, s := range fedSources(x, o.Cluster) {
			out[s.object] = true
		}
		return out
	})[o]
}

func floatingArtifact(o *estate.Object) []Found {
	ref := func(field string) string { return o.Text("spec", "ref", field) }
	switch {
	case ref("digest") != "":
		return nil
	case ref("semver") != "":
		return one(Found{Message: fmt.Sprintf("%s follows every version in %q", o.ID, ref("semver")), Field: "spec.ref.semver"})
	case ref("tag") == "" || ref("tag") == "latest":
		return one(Found{Message: fmt.Sprintf("%s follows the tag latest", o.ID), Field: "spec.ref"})
	}
	return nil
}

// chartFloats looks at the version of a chart of a Helm repository; in other sources the files are what they are.
func chartFloats(o *estate.Object) []Found {
	version := o.Text("spec", "version")
	if o.Text("spec", "sourceRef", "kind") != "HelmRepository" || !versionFloats(version) {
		return nil
	}
	if version == "" {
		version = "*"
	}
	return one(Found{Message: fmt.Sprintf("%s follows every version of chart %s in %q", o.ID, phrase.Clip(o.Text("spec", "chart"), 100), phrase.Clip(version, 60)), Field: "spec.version"})
}
