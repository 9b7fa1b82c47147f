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
)

// automationRules are about image automation.
func automationRules() []Rule {
	const source = "image-automation-controller v1.2, ImageUpdateAutomation"
	return []Rule{
		{
			Rule: finding.Rule{
				ID: "IMG-001", Level: finding.Critical, Title: "A tenant's automation pushes to the hub",
				Why:  "An ImageUpdateAutomation writes into the repository behind its source. Into the hub it writes what every cluster applies with the rights of the platform.",
				Hint: "give tenants a source of their own repository with a key for it alone, and protect the branches of the hub",
			},
			Boundary: true, Static: "two objects are compared", Source: source,
			Unless: "the platform owns the automation and its namespace",
			object: pushesToHub,
		},
		{
			Rule: finding.Rule{
				ID: "IMG-002", Level: finding.High, Title: "Automation pushes to a branch that production follows",
				Why:  "What an automation commits there is applied without anybody's look: a bad tag in the registry is in production within minutes.",
				Hint: "set spec.git.push.branch to a branch of its own, and merge it by pull requests",
			},
			Static: "two objects are compared", Source: source,
			Unless: "the branch is that of a stage",
			object: pushesToProduction,
		},
		{
			Rule: finding.Rule{
				ID: "IMG-003", Level: finding.Medium, Title: "An automation may write more than it needs",
				Why:  "A refspec pushes any branch; a path at the root changes all environments at once; commits without a signature do not pass where signatures are asked for.",
				Hint: "set spec.update.path to the folder of one environment, leave out the refspec, and sign commits where the sources verify them",
			},
			Source: source,
			Unless: "the repository has one environment",
			object: wideAutomation,
		},
	}
}

// pushed is where an automation writes.
type pushed struct {
	source     object.ID
	objects    []*estate.Object // the source: none when Git does not show it
	repository string
	branch     string
}

// pushTarget resolves an automation; nil for other objects.
func pushTarget(o *estate.Object) *pushed {
	if !o.Is(estate.ImageGroup, "ImageUpdateAutomation") {
		return nil
	}
	p := &pushed{source: object.ID{
		Group: estate.SourceGroup, Kind: "GitRepository",
		Namespace: cmp.Or(o.Text("spec", "sourceRef", "namespace"), o.ID.Namespace), Name: o.Text("spec", "sourceRef", "name"),
	}}
	p.objects = o.Cluster.Get(p.source)
	branch := ""
	if len(p.objects) > 0 {
		p.repository = repositoryOf(p.objects[0].Text("spec", "url"))
		branch = p.objects[0].Text("spec", "ref", "branch")
	}
	p.branch = cmp.Or(o.Text("spec", "git", "push", "branch"), o.Text("spec", "git", "checkout", "ref", "branch"), branch)
	return p
}

func pushesToHub(x *Context, o *estate.Object) []Found {
	p := pushTarget(o)
	if p == nil {
		return nil
	}
	owner := o.Tenant
	if host := o.Cluster.Owner(o.ID.Namespace); owner == nil && host != nil {
		owner = host.Tenant
	}
	if owner == nil {
		return nil
	}
	name := fmt.Sprintf("ImageUpdateAutomation %s in namespace %s of tenant %s", o.ID.Name, o.ID.Namespace, owner.Name)
	if len(p.objects) == 0 {
		return one(Found{Message: fmt.Sprintf("%s pushes to GitRepository %s, which is not in Git", name, p.source.Name), Field: "spec.sourceRef", Tenant: owner, Unproven: true})
	}
	for _, source := range p.objects {
		if slices.Contains(x.Hub, repositoryOf(source.Text("spec", "url"))) {
			return one(Found{Message: fmt.Sprintf("%s pushes to %s, which is the hub", name, p.repository), Field: "spec.sourceRef", Tenant: owner})
		}
		key := source.Text("spec", "secretRef", "name")
		for _, other := range o.Cluster.Kind(estate.SourceGroup, "GitRepository") {
			if key != "" && other.ID.Namespace == source.ID.Namespace && other.Text("spec", "secretRef", "name") == key && slices.Contains(x.Hub, repositoryOf(other.Text("spec", "url"))) {
				return one(Found{Message: fmt.Sprintf("%s pushes by the credentials in Secret %s, which open the hub, too", name, key), Field: "spec.sourceRef", Tenant: owner})
			}
		}
	}
	return nil
}

// followed are the branches of repositories from which appliers of production take their files, as "REPOSITORY BRANCH", and an applier of each.
func followed(x *Context) map[string]*estate.Applier {
	return once(x, "branches of production", func() map[string]*estate.Applier {
		out := map[string]*estate.Applier{}
		for _, c := range x.Clusters {
			if !c.Production {
				continue
			}
			for _, a := range c.Appliers {
				if a.Source.Kind != "GitRepository" || a.Source.Repository == "" {
					continue
				}
				for _, source := range a.Home.Get(object.ID{Group: estate.SourceGroup, Kind: "GitRepository", Namespace: a.Source.Namespace, Name: a.Source.Name}) {
					ref := func(field string) string { return source.Text("spec", "ref", field) }
					if branch := ref("branch"); branch != "" && ref("tag")+ref("semver")+ref("commit")+ref("name") == "" {
						key := a.Source.Repository + " " + branch
						out[key] = cmp.Or(out[key], a)
					}
				}
			}
		}
		return out
	})
}

func pushesToProduction(x *Context, o *estate.Object) []Found {
	p := pushTarget(o)
	if p == nil || p.repository == "" || p.branch == "" {
		return nil
	}
	a := followed(x)[p.repository+" "+p.branch]
	if a == nil {
		return nil
	}
	return one(Found{
		Message: fmt.Sprintf("ImageUpdateAutomation %s/%s pushes to branch %s of %s, which %s applies to cluster %s", o.ID.Namespace, o.ID.Name, p.branch, p.repository, a, a.Target.Name),
		Field:   "spec.git.push.branch",
	})
}

func wideAutomation(x *Context, o *estate.Object) (out []Found) {
	p := pushTarget(o)
	if p == nil {
		return nil
	}
	name := fmt.Sprintf("ImageUpdateAutomation %s/%s", o.ID.Namespace, o.ID.Name)
	if o.Text("spec", "git", "push", "refspec") != "" {
		out = append(out, Found{Message: name + " pushes by a refspec, which may name any branch", Field: "spec.git.push.refspec"})
	}
	if at := path.Clean("/" + o.Text("spec", "update", "path")); at == "/" && p.repository != "" {
		if n := folders(x, p.repository); n > 1 {
			out = append(out, Found{Message: fmt.Sprintf("%s may change all files of %s, of which %d folders are applied", name, p.repository, n), Field: "spec.update.path"})
		}
	}
	if o.Text("spec", "git", "commit", "signingKey", "secretRef", "name") != "" {
		return out
	}
	for _, source := range p.objects {
		if source.Text("spec", "verify", "secretRef", "name") != "" && strings.Contains(strings.ToUpper(cmp.Or(source.Text("spec", "verify", "mode"), "HEAD")), "HEAD") {
			return append(out, Found{Message: name + " does not sign its commits, and its source verifies them", Field: "spec.git.commit.signingKey"})
		}
	}
	return out
}

// folders counts the folders that are applied from a repository.
func folders(x *Context, repository string) int {
	seen := map[string]bool{}
	for _, c := range x.Clusters {
		for _, a := range c.Appliers {
			if a.Source.Repository == repository {
				seen[a.Path] = true
			}
		}
	}
	return len(seen)
}
