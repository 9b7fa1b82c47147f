package rule

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// contentRules are about what appliers are made of.
func contentRules() []Rule {
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "GRF-005", Level: finding.Medium, Title: "A ConfigMap or a Secret that is asked for is not in Git",
				Why:  "The applier fails until somebody makes it, and whoever makes it decides what is applied.",
				Hint: "bring it to the cluster, or mark the reference optional",
			},
			Unless: "It is made outside of Git. Secrets often are, so that they weigh less.",
			Static: "two objects are compared", Source: "kustomize-controller v1.9.5: postBuild.substituteFrom; helm-controller v1.6.4: spec.valuesFrom; source-controller v1.9.5: spec.secretRef",
			cluster: referencesMissing,
		},
		{
			Rule: finding.Rule{
				ID: "GRF-006", Level: finding.Low, Title: "A manifest is in no build",
				Why:  "Who reads it believes that it is on a cluster: a network policy, say, that nobody applies.",
				Hint: "list it in the kustomization file of its folder, or delete it",
			},
			Unless: "It is documentation, a test or an example.",
			Static: ofFiles, Source: "kustomize API v0.21.1: the files that a build asks for", fleet: unread,
		},
		{
			Rule: finding.Rule{
				ID: "GRF-008", Level: finding.High, Title: "An object is in one build twice",
				Why:  "The build fails and nothing of it is applied, or one of the two wins by chance.",
				Hint: "keep one of the two",
			},
			Unless: "Both are made once and then left alone, by kustomize.toolkit.fluxcd.io/ssa: IfNotPresent.",
			Static: ofFiles, Source: "kustomize API v0.21.1: resource IDs are unique", applier: twice,
		},
		{
			Rule: finding.Rule{
				ID: "GRF-010", Level: finding.High, Title: "The API server refuses a manifest",
				Why:  "A field has a value of another type than the kind has. The whole applier fails, with all that it brings.",
				Hint: "correct the field: kubectl apply --dry-run=server names it",
			},
			Source: "the types of Kubernetes v1.36 and of Flux", object: invalid,
		},
	}
}

// asked is where an object asks for a ConfigMap or a Secret.
type asked struct {
	kind, name, field string
	level             finding.Level
}

// askedFor of a Flux object. Those that are optional are left out.
func askedFor(o *estate.Object) (out []asked) {
	add := func(kind, name, field string, level finding.Level) {
		if name != "" && !strings.Contains(name, "${") && (kind == "Secret" || kind == "ConfigMap") {
			out = append(out, asked{kind, name, field, level})
		}
	}
	list := func(fields ...string) {
		for i, r := range estate.List(o.Body().Map(), append([]string{"spec"}, fields...)...) {
			if optional, _ := r["optional"].(bool); optional {
				continue
			}
			level := finding.Medium
			kind := estate.Text(r, "kind")
			if kind == "Secret" {
				level = finding.Low
			}
			add(kind, estate.Text(r, "name"), fmt.Sprintf("spec.%s[%d]", strings.Join(fields, "."), i), level)
		}
	}
	list("postBuild", "substituteFrom")
	list("valuesFrom")
	for _, fields := range [][]string{{"secretRef"}, {"certSecretRef"}, {"proxySecretRef"}, {"verify", "secretRef"}, {"decryption", "secretRef"}, {"kubeConfig", "secretRef"}} {
		add("Secret", o.Text(append(append([]string{"spec"}, fields...), "name")...), "spec."+strings.Join(fields, "."), finding.Info)
	}
	add("ConfigMap", o.Text("spec", "kubeConfig", "configMapRef", "name"), "spec.kubeConfig.configMapRef", finding.Medium)
	return out
}

// referencesMissing are the ConfigMaps and Secrets that Flux objects of a cluster ask for, each told once.
func referencesMissing(x *Context, c *estate.Cluster) (out []Found) {
	at, users := map[object.ID]int{}, map[object.ID]int{}
	for _, o := range c.Objects {
		if !estate.FluxGroup(o.ID.Group) {
			continue
		}
		for _, r := range askedFor(o) {
			id := object.ID{Kind: r.kind, Namespace: o.ID.Namespace, Name: r.name}
			if r.kind == "Secret" && (r.name == c.FluxNamespace && o.ID.Namespace == c.FluxNamespace || madeSecrets(x, c)[[2]string{o.ID.Namespace, r.name}]) {
				continue // flux bootstrap makes it, or an operator
			}
			if len(c.Get(id)) > 0 {
				continue
			}
			users[id]++
			i, told := at[id]
			if told && out[i].Level.Rank() <= r.level.Rank() {
				continue
			}
			found := Found{Level: r.level, Message: fmt.Sprintf("%s asks for %s, which is not in Git", o.ID, id), Object: o, Field: r.field, Tenant: o.Tenant, Unproven: mayHide(c, o.Applier)}
			if told {
				out[i] = found
				continue
			}
			at[id] = len(out)
			out = append(out, found)
		}
	}
	for id, i := range at {
		if n := users[id] - 1; n > 0 {
			out[i].Message += fmt.Sprintf(", and so %s", phrase.Verb(n, "does 1 more", fmt.Sprintf("do %d more", n)))
		}
	}
	return out
}

// madeSecrets are the Secrets that operators make of objects on a cluster, by namespace and name.
func madeSecrets(x *Context, c *estate.Cluster) map[[2]string]bool {
	return once(x, "made secrets "+c.Name, func() map[[2]string]bool {
		out := map[[2]string]bool{}
		for _, o := range c.Objects {
			switch {
			case o.Is("bitnami.com", "SealedSecret"):
				out[[2]string{o.ID.Namespace, cmp.Or(o.Text("spec", "template", "metadata", "name"), o.ID.Name)}] = true
			case o.Is("external-secrets.io", "ExternalSecret"):
				out[[2]string{o.ID.Namespace, cmp.Or(o.Text("spec", "target", "name"), o.ID.Name)}] = true
			case o.Is("cert-manager.io", "Certificate"):
				out[[2]string{o.ID.Namespace, o.Text("spec", "secretName")}] = true
			case o.Is("isindir.github.com", "SopsSecret"):
				for _, t := range estate.List(o.Body().Map(), "spec", "secretTemplates") {
					out[[2]string{o.ID.Namespace, estate.Text(t, "name")}] = true
				}
			case o.Is("secrets.hashicorp.com", "VaultStaticSecret"), o.Is("secrets.hashicorp.com", "VaultDynamicSecret"):
				out[[2]string{o.ID.Namespace, o.Text("spec", "destination", "name")}] = true
			}
		}
		return out
	})
}

// mostUnread is how many files of a fleet are named.
const mostUnread = 50

// unread looks for manifests that lie among those that some cluster reads, or where clusters start, and that no cluster reads.
func unread(x *Context) (out []Found) {
	if x.Files == nil {
		return nil
	}
	r := readsOf(x)
	failing := failingFolders(x)
	more := 0
	_ = x.Files.Walk(".", func(p string, e tree.Entry) error { // what cannot be read is in no build
		if e.IsDir() || e.Mode == tree.Symlink || !yamlFile(p) || len(r.files[p]) > 0 || aside(p) {
			return nil
		}
		if !r.folders[path.Dir(p)] && entryOf(x, p) == "" || slices.ContainsFunc(failing, func(dir string) bool { return dir == "." || strings.HasPrefix(p, dir+"/") }) {
			return nil
		}
		if !slices.ContainsFunc(manifestsOf(x, p), func(m *manifest) bool { return m.kind() != "" && estate.Text(m.content, "apiVersion") != "" }) {
			return nil
		}
		if len(out) == mostUnread {
			more++
			return nil
		}
		out = append(out, Found{Message: fmt.Sprintf("no cluster reads %s", p), File: p})
		return nil
	})
	if more > 0 {
		out = append(out, Found{Message: "no cluster reads " + phrase.Count(more, "further manifest")})
	}
	return out
}

// aside says whether a file is none that is meant for a cluster.
func aside(p string) bool {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		if strings.HasPrefix(part, ".") {
			return true
		}
		if i == len(parts)-1 {
			return false
		}
		switch strings.ToLower(part) {
		case "flux-system", // which flux bootstrap applies itself
			"docs", "doc", "test", "tests", "testdata", "example", "examples", "samples", "crds", "crd", "schema", "schemas", "scripts", "hack", "templates":
			return true
		case "fleet":
			if i == 0 {
				return true
			}
		}
	}
	return false
}

// failingFolders are those of appliers that could not be built: what they would have read is not known.
func failingFolders(x *Context) (out []string) {
	for _, c := range x.Clusters {
		for _, a := range c.Appliers {
			if (a.Own || len(a.Chain) == 0) && a.State != estate.Built && a.State != estate.Suspended {
				out = append(out, path.Join(a.Prefix, a.Path))
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// twice looks for objects that one build has two of. Kustomize refuses most of them; substitution may make others.
func twice(_ *Context, a *estate.Applier) []Found {
	reason := failure(a, func(g *estate.Gap) bool {
		return strings.Contains(g.Reason, "already registered id") || strings.Contains(g.Reason, "duplicate")
	})
	if reason != "" {
		return one(Found{Message: fmt.Sprintf("%s: %s", a, phrase.Clip(strings.ReplaceAll(reason, "\n", " "), 300))})
	}
	seen := make(map[object.ID]bool, len(a.Objects))
	for _, o := range a.Objects {
		if seen[o.ID] && !strings.EqualFold(reconcileMark(o, "ssa"), "IfNotPresent") {
			return one(Found{Message: fmt.Sprintf("%s brings %s twice", a, o.ID), Object: o})
		}
		seen[o.ID] = true
	}
	return nil
}
