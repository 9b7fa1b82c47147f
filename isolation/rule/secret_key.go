package rule

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// sharedRecipients finds keys that open files of several owners.
func sharedRecipients(x *Context) (out []Found) {
	uses := map[string]map[*estate.Tenant]string{} // recipient, owner, one of the files
	hub := map[string]string{}                     // recipient, a file of the repository under review
	add := func(recipient string, owner *estate.Tenant, file string, inHub bool) {
		if uses[recipient] == nil {
			uses[recipient] = map[*estate.Tenant]string{}
		}
		if uses[recipient][owner] == "" {
			uses[recipient][owner] = file
		}
		if inHub && hub[recipient] == "" {
			hub[recipient] = file
		}
	}
	for _, f := range sopsFiles(x) {
		for _, d := range f.Docs {
			for _, r := range d.Recipients {
				add(r, f.Owner, f.Path, f.Hub)
			}
		}
	}
	ruleUses(x, add)
	for _, recipient := range slices.Sorted(maps.Keys(uses)) {
		owners := uses[recipient]
		if len(owners) < 2 {
			continue
		}
		var names []string
		var steps []finding.Step
		for _, t := range append([]*estate.Tenant{nil}, x.Tenants...) {
			if file := owners[t]; file != "" {
				names = append(names, who(t))
				steps = append(steps, finding.Step{Message: fmt.Sprintf("%s of %s is for %s", file, who(t), clipped(recipient))})
			}
		}
		for _, t := range x.Tenants {
			if owners[t] != "" {
				out = append(out, Found{Message: fmt.Sprintf("key %s is for secrets of %s", clipped(recipient), strings.Join(names, " and ")), Tenant: t, Steps: steps, File: hub[recipient]})
			}
		}
	}
	return out
}

// ruleUses tells for whom .sops.yaml would encrypt a new file: in the repository under review by the folders of its owners, and in those of tenants.
func ruleUses(x *Context, add func(recipient string, owner *estate.Tenant, file string, inHub bool)) {
	hubRules := creationRules(x.Files)
	seen := map[string]bool{}
	for _, c := range x.Clusters {
		for _, a := range c.Appliers {
			if a.Kind != estate.KustomizationKind || a.Files == nil {
				continue
			}
			rules := hubRules
			if !a.Own {
				if a.Tenant == nil || seen[a.Source.Repository] {
					continue
				}
				seen[a.Source.Repository] = true
				rules = creationRules(a.Files)
			}
			if r := ruleFor(rules, path.Join(a.Prefix, a.Path, "secret.yaml")); r != nil {
				for _, recipient := range r.recipients {
					add(recipient, a.Tenant, ".sops.yaml", a.Own)
				}
			}
		}
	}
}

// openCiphertext finds encrypted files with open values, and those for other keys than their rule says.
func openCiphertext(x *Context) (out []Found) {
	rules := creationRules(x.Files)
	for _, f := range sopsFiles(x) {
		file := ""
		if f.Hub {
			file = f.Path
		}
		for _, d := range f.Docs {
			if len(d.Open) > 0 {
				out = append(out, Found{
					Message: fmt.Sprintf("%s of %s is encrypted but for %s", f.Path, who(f.Owner), clipped(phrase.List(d.Open, 3))), Tenant: f.Owner, File: file,
				})
			}
			r := ruleFor(rules, f.Path)
			if !f.Hub || r == nil || len(r.recipients) == 0 || slices.Equal(r.recipients, d.Recipients) {
				continue
			}
			out = append(out, Found{Message: fmt.Sprintf("%s is for other keys than .sops.yaml says", f.Path), Tenant: f.Owner, File: file})
		}
	}
	return out
}

// globalDecryption finds keys of the controller that a tenant's Kustomizations could use.
func globalDecryption(x *Context, p *estate.Compartment) (out []Found) {
	asks := asksDecryption(x, p)
	if asks == "" {
		return nil
	}
	k := p.Cluster.Controller(estate.KustomizeController)
	if k == nil {
		return one(Found{
			Unproven: true, Message: fmt.Sprintf("%s, and Git does not show the flags of %s: it may decrypt with a key of its own", asks, estate.KustomizeController),
		})
	}
	say := func(unproven bool, field, format string, args ...any) {
		out = append(out, Found{Unproven: unproven, Object: k.Object, Field: field, Message: asks + ", and " + fmt.Sprintf(format, args...)})
	}
	if name, _ := k.Flag("--sops-age-secret"); name != "" {
		say(false, "args[--sops-age-secret]", "%s has the key of Secret %s for all (--sops-age-secret)", k.Name, clipped(name))
	}
	if slices.Contains(k.Env, "VAULT_TOKEN") {
		say(false, "env[VAULT_TOKEN]", "%s offers its VAULT_TOKEN to whatever address a file names", k.Name)
	}
	if flag, _ := k.Flag("--default-decryption-service-account"); flag == "" {
		account := pickOne(p.Cluster.Get(object.ID{Kind: "ServiceAccount", Namespace: k.Account.Namespace, Name: k.Account.Name}))
		if account != nil && identityOf(account) != "" {
			say(true, "args[--default-decryption-service-account]", "%s has a cloud identity, of which Git does not say whether it may decrypt (--default-decryption-service-account is not set)", k.Name)
		}
	}
	return out
}

// asksDecryption says how a tenant makes the controller decrypt something without a key of the tenant's; "" when it cannot.
func asksDecryption(x *Context, p *estate.Compartment) string {
	for _, a := range p.Appliers {
		if a.Kind != estate.KustomizationKind {
			continue
		}
		if a.Author != nil {
			return fmt.Sprintf("%s writes %s", who(p.Tenant), a)
		}
		if k := a.Kustomization; k != nil && k.Spec.Decryption != nil && k.Spec.Decryption.SecretRef == nil && k.Spec.Decryption.ServiceAccountName == "" {
			return fmt.Sprintf("%s decrypts files of %s without a key of its own", a, who(p.Tenant))
		}
	}
	for _, ns := range p.Namespaces {
		if _, may := x.Reach(p).May(permission.Request{Verb: "create", Group: estate.KustomizeGroup, Resource: "kustomizations", Namespace: ns}); may {
			return fmt.Sprintf("%s may make a Kustomization in %s", who(p.Tenant), ns)
		}
	}
	return ""
}

// reachableKeys finds Secrets with keys that several owners' appliers name, or that another tenant may read.
func reachableKeys(x *Context, c *estate.Cluster) (out []Found) {
	first := map[object.ID]map[*estate.Tenant]*estate.Applier{}
	for _, a := range c.Homed {
		k := a.Kustomization
		if k == nil || k.Spec.Decryption == nil || k.Spec.Decryption.SecretRef == nil {
			continue
		}
		id := object.ID{Kind: "Secret", Namespace: a.Namespace, Name: k.Spec.Decryption.SecretRef.Name}
		const field = "spec.decryption.secretRef"
		if first[id] == nil {
			first[id] = map[*estate.Tenant]*estate.Applier{}
		}
		for _, t := range append([]*estate.Tenant{nil}, x.Tenants...) {
			if other := first[id][t]; other != nil && t != a.Tenant {
				out = append(out, Found{
					Object: a.Object, ID: applierID(a), Tenant: tenantOf(a.Tenant, t), Field: field,
					Message: fmt.Sprintf("%s of %s and %s of %s decrypt with the same key, %s", a, who(a.Tenant), other, who(t), id),
				})
				break
			}
		}
		if first[id][a.Tenant] != nil {
			continue // it is told of this key already
		}
		first[id][a.Tenant] = a
		for _, p := range c.Compartments {
			if p.Tenant == a.Tenant || x.Reach(p).Everything() != nil {
				continue
			}
			if steps, may := x.Reach(p).May(permission.Request{Verb: "get", Resource: "secrets", Namespace: id.Namespace, Name: id.Name}); may {
				out = append(out, Found{
					Object: a.Object, ID: applierID(a), Tenant: p.Tenant, Field: field, Steps: steps,
					Message: fmt.Sprintf("%s may read %s, the key of %s of %s", who(p.Tenant), id, a, who(a.Tenant)),
				})
			}
		}
	}
	return out
}

// tenantOf is the first of two that is a tenant.
func tenantOf(a, b *estate.Tenant) *estate.Tenant {
	if a != nil {
		return a
	}
	return b
}
