package rule

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// waiverRules are about waivers that are none.
func waiverRules() []Rule {
	return []Rule{{
		Rule: finding.Rule{
			ID: "WVR-004", Level: finding.High, Title: "A tenant writes a waiver",
			Why:  "What a tenant is not to do is the platform's to accept. A waiver among a tenant's files accepts nothing; who wrote it may think that it does, or hopes that somebody copies it.",
			Hint: "delete it, and ask the platform for a waiver in fleet/ of the hub",
		},
		Static: ofFiles,
		Source: "Bulkhead: waivers are read from fleet/ of the hub",
		object: broughtWaiver,
		fleet:  writtenWaivers,
	}}
}

const mostWaiverFile = 1 << 20 // bytes of a file in which a waiver is looked for

// broughtWaiver finds waivers that a tenant brings to a cluster.
func broughtWaiver(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil || o.ID.Group != v1alpha1.Group || o.ID.Kind != v1alpha1.KindWaiver {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("tenant %s brings the waiver %s, which accepts nothing", o.Tenant.Name, o.ID.Name)})
}

// writtenWaivers finds waivers in files of tenants, whether they are applied or not, each once: in the folders that are applied, and in fleet/ and .bulkhead/ of a
// tenant's repository, where one would put them.
func writtenWaivers(x *Context) (out []Found) {
	type place struct {
		tenant           *estate.Tenant
		repository, file string
		line             int
	}
	seen := map[place]bool{}
	for _, c := range x.Clusters {
		for _, a := range c.Appliers {
			if a.Tenant == nil || a.Kind != estate.KustomizationKind || a.Files == nil {
				continue
			}
			for _, w := range waiversIn(a) {
				at := place{a.Tenant, a.Source.Repository, w.file, w.line}
				if seen[at] || w.brought(a) {
					continue
				}
				seen[at] = true
				f := Found{Tenant: a.Tenant, Message: fmt.Sprintf("%s of tenant %s holds the waiver %s, which accepts nothing", w.file, a.Tenant.Name, w.name)}
				switch {
				case x.Spoke != "" && a.Source.Repository == x.Spoke:
					f.File, f.Line = w.file, w.line
				case x.Spoke == "" && a.Own && !a.Pinned:
					f.File, f.Line = path.Join(a.Prefix, w.file), w.line
				}
				out = append(out, f)
			}
		}
	}
	return out
}

// brought reports whether an applier brings the waiver to a cluster, so that it is told of there.
func (w *writtenWaiver) brought(a *estate.Applier) bool {
	return slices.ContainsFunc(a.Objects, func(o *estate.Object) bool {
		return o.ID.Group == v1alpha1.Group && o.ID.Kind == v1alpha1.KindWaiver && o.ID.Name == w.name
	})
}

// writtenWaiver is a waiver in a file.
type writtenWaiver struct {
	file, name string
	line       int
}

// waiversIn are those in the files that are the applier's tenant's, sorted by file and line.
func waiversIn(a *estate.Applier) (out []writtenWaiver) {
	folders := []string{path.Clean("./" + a.Path)}
	if !a.Own {
		folders = append(folders, "fleet", ".bulkhead")
	}
	seen := map[string]bool{}
	look := func(p string, e tree.Entry) {
		if e.IsDir() || e.Mode == tree.Symlink || seen[p] || path.Ext(p) != ".yaml" && path.Ext(p) != ".yml" {
			return
		}
		seen[p] = true
		if data, err := a.Files.ReadFile(p); err == nil && len(data) <= mostWaiverFile && bytes.Contains(data, []byte(v1alpha1.Group)) {
			out = append(out, waiversOf(p, data)...)
		}
	}
	for _, dir := range folders {
		if e, err := a.Files.Stat(dir); err != nil || !e.IsDir() || dir == "." && a.Own {
			continue
		}
		_ = a.Files.Walk(dir, func(p string, e tree.Entry) error { // what cannot be read is not applied either
			look(p, e)
			return nil
		})
	}
	return out
}

// waiversOf are the waivers of a file, as far as it can be read.
func waiversOf(file string, data []byte) (out []writtenWaiver) {
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var n yaml.Node
		if dec.Decode(&n) != nil {
			return out
		}
		var head struct {
			APIVersion string `yaml:"apiVersion"`
			Kind       string `yaml:"kind"`
			Metadata   struct {
				Name string `yaml:"name"`
			} `yaml:"metadata"`
		}
		if n.Decode(&head) != nil || head.Kind != v1alpha1.KindWaiver || !strings.HasPrefix(head.APIVersion, v1alpha1.Group+"/") {
			continue
		}
		out = append(out, writtenWaiver{file, head.Metadata.Name, n.Content[0].Line})
	}
}
