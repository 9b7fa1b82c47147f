package v1alpha1

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

// checkTenant checks one tenant alone. What depends on other documents is for package tenant.
func (r *reader) checkTenant(t *Tenant) error {
	if err := r.checkMetadata(&t.ObjectMeta); err != nil {
		return err
	}
	if len(t.Name) > MaxTenantName {
		return r.errorAt("metadata.name", fmt.Sprintf("metadata.name: %q has more than %d letters", clip(t.Name), MaxTenantName),
			"the names of its namespaces are made of it")
	}
	s := &t.Spec
	if _, written := r.lines["spec"]; !written {
		return r.errorAt("", "spec is missing", "a tenant has a repository and environments")
	}
	for _, check := range []func() error{
		func() error { return r.checkSource(s) },
		func() error { return r.checkOwners(s.Owners) },
		func() error { return r.checkProfileName(s.Profile, "spec.profile") },
		func() error { return r.checkSettings(&s.Settings, "spec") },
		func() error { return r.checkEnvironments(s) },
		func() error { return r.checkTenantClusters(s.Clusters) },
		func() error { return r.checkContract(&s.Contract) },
		func() error {
			return r.checkOneOf(string(s.Lifecycle.Phase), "spec.lifecycle.phase", string(Active), string(Suspended), string(Draining))
		},
	} {
		if err := check(); err != nil {
			return err
		}
	}
	t.Lines = maps.Clone(r.lines)
	return nil
}

// checkOneOf wants one of some words, or nothing.
func (r *reader) checkOneOf(value, at string, known ...string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return r.errorAt(at, fmt.Sprintf("%s: unknown value %s", at, clip(value)), DidYouMean(value, known))
}

// checkSource wants a repository or an artifact.
func (r *reader) checkSource(s *TenantSpec) error {
	switch {
	case s.Repository != nil && s.Artifact != nil:
		return r.errorAt("spec.artifact", "spec.repository and spec.artifact are both set", "remove one of the two")
	case s.Repository == nil && s.Artifact == nil:
		return r.errorAt("spec", "spec.repository is missing", "the tenant's Git repository, as in repository: {url: ssh://git@github.com/acme/billing-apps}; or spec.artifact")
	case s.Repository != nil:
		return r.checkRepository(s.Repository)
	}
	a := s.Artifact
	if err := r.checkSourceURL(a.URL, "spec.artifact.url", "oci://"); err != nil {
		return err
	}
	if name := a.URL[strings.LastIndex(a.URL, "/")+1:]; strings.ContainsAny(name, ":@") {
		return r.errorAt("spec.artifact.url", fmt.Sprintf("spec.artifact.url: %q holds a tag or digest", clip(a.URL)), "move it to spec.artifact.ref")
	}
	if err := r.checkOneOf(a.Provider, "spec.artifact.provider", "generic", "aws", "azure", "gcp"); err != nil {
		return err
	}
	named := ""
	if a.SecretRef != nil {
		named = a.SecretRef.Name
	}
	return r.checkCredentials(a.SecretRef != nil, named, &a.Credentials, "spec.artifact")
}

func (r *reader) checkRepository(g *Repository) error {
	if err := r.checkSourceURL(g.URL, "spec.repository.url", "ssh://", "https://", "http://"); err != nil {
		return err
	}
	if err := r.checkGitRef(g.Reference, "spec.repository.ref"); err != nil {
		return err
	}
	if err := r.checkOneOf(g.Provider, "spec.repository.provider", "generic", "azure", "github"); err != nil {
		return err
	}
	if p := g.Provision; p != nil {
		if p.Forge == "" {
			return r.errorAt("spec.repository.provision", "spec.repository.provision.forge is missing", "github, gitlab, gitea or bitbucket")
		}
		for _, f := range []struct {
			field, value string
			known        []string
		}{
			{"forge", p.Forge, []string{"github", "gitlab", "gitea", "bitbucket"}},
			{"visibility", p.Visibility, []string{"Private", "Internal", "Public"}},
			{"deletionPolicy", p.DeletionPolicy, []string{"Retain", "Delete"}},
		} {
			if err := r.checkOneOf(f.value, "spec.repository.provision."+f.field, f.known...); err != nil {
				return err
			}
		}
	}
	named := ""
	if g.SecretRef != nil {
		named = g.SecretRef.Name
	}
	return r.checkCredentials(g.SecretRef != nil, named, &g.Credentials, "spec.repository")
}

// checkSourceURL wants a URL with one of these beginnings.
func (r *reader) checkSourceURL(url, at string, schemes ...string) error {
	if err := r.checkURL(url, at); err != nil {
		return err
	}
	if !slices.ContainsFunc(schemes, func(s string) bool { return strings.HasPrefix(url, s) }) {
		return r.errorAt(at, fmt.Sprintf("%s: %q is none that Flux takes", at, clip(url)), "it begins with "+strings.Join(schemes, " or "))
	}
	return nil
}

// checkCredentials wants the name of a Secret, and a file inside the hub if there is one.
func (r *reader) checkCredentials(set bool, name string, file *string, in string) error {
	at := in + ".secretRef.name"
	switch {
	case set && len(validation.IsDNS1123Subdomain(name)) > 0:
		return r.errorAt(at, fmt.Sprintf("%s: %q is no name of a Secret", at, clip(name)), "")
	case *file == "":
		return nil
	case !set:
		return r.errorAt(in+".credentials", in+".credentials needs "+in+".secretRef", "name the Secret that is in the file")
	}
	clean, err := r.checkInside(*file, in+".credentials")
	*file = clean
	return err
}

func (r *reader) checkGitRef(ref *sourcev1.GitRepositoryRef, at string) error {
	switch {
	case ref == nil:
		return nil
	case *ref == (sourcev1.GitRepositoryRef{}):
		return r.errorAt(at, at+" names nothing", "as in {branch: main}")
	case ref.Commit != "" && !commitText.MatchString(ref.Commit):
		return r.errorAt(at+".commit", fmt.Sprintf("%s.commit: %q is no full commit name", at, clip(ref.Commit)), "40 hexadecimal digits")
	case ref.Name != "" && !strings.HasPrefix(ref.Name, "refs/"):
		return r.errorAt(at+".name", fmt.Sprintf("%s.name: %q is no full reference name", at, clip(ref.Name)), "as in refs/heads/main")
	}
	return nil
}

// checkOwners wants users, groups and accounts, and not everybody.
func (r *reader) checkOwners(owners []rbacv1.Subject) error {
	for i := range owners {
		o, at := &owners[i], fmt.Sprintf("spec.owners[%d]", i)
		kinds := []string{rbacv1.GroupKind, rbacv1.ServiceAccountKind, rbacv1.UserKind}
		switch {
		case o.Kind == "":
			return r.errorAt(at, at+".kind is missing", "Group, User or ServiceAccount")
		case !slices.Contains(kinds, o.Kind):
			return r.errorAt(at+".kind", fmt.Sprintf("%s.kind: unknown kind %s", at, clip(o.Kind)), DidYouMean(o.Kind, kinds))
		case o.Name == "" || strings.ContainsFunc(o.Name, control):
			return r.errorAt(at, at+".name is missing", "as the clusters know the "+strings.ToLower(o.Kind))
		case o.Kind == rbacv1.ServiceAccountKind && len(validation.IsDNS1123Label(o.Namespace)) > 0:
			return r.errorAt(at, at+".namespace is missing", "a ServiceAccount is in a namespace")
		case o.Kind != rbacv1.ServiceAccountKind && o.Namespace != "":
			return r.errorAt(at+".namespace", at+".namespace: a "+strings.ToLower(o.Kind)+" has none", "remove it")
		case strings.HasPrefix(o.Name, "system:") && o.Kind != rbacv1.ServiceAccountKind:
			return r.errorAt(at+".name", fmt.Sprintf("%s.name: %q is not somebody of the team", at, clip(o.Name)), "names that begin with system: are the cluster's own")
		}
		group := ""
		if o.Kind != rbacv1.ServiceAccountKind {
			group = rbacv1.GroupName
		}
		if o.APIGroup != "" && o.APIGroup != group {
			return r.errorAt(at+".apiGroup", fmt.Sprintf("%s.apiGroup: %q is not that of a %s", at, clip(o.APIGroup), o.Kind), "leave it out")
		}
		o.APIGroup = group
	}
	return nil
}

func (r *reader) checkProfileName(name, at string) error {
	if name != "" && len(validation.IsDNS1123Label(name)) > 0 {
		return r.errorAt(at, fmt.Sprintf("%s: %q is no DNS label", at, clip(name)), "as in "+strings.Join(BuiltInProfiles(), ", "))
	}
	return nil
}

func (r *reader) checkEnvironments(s *TenantSpec) error {
	if len(s.Environments) == 0 {
		return r.errorAt("spec.environments", "spec.environments is missing", "as in environments: [{name: prod, clusters: {matchLabels: {env: prod}}}]")
	}
	seen := map[string]int{}
	for i := range s.Environments {
		e, at := &s.Environments[i], fmt.Sprintf("spec.environments[%d]", i)
		if err := r.checkLabel(e.Name, at, MaxEnvironmentName); err != nil {
			return err
		}
		if first, twice := seen[e.Name]; twice {
			return r.errorAt(at+".name", fmt.Sprintf("%s.name: %s occurs twice, here and on line %d", at, e.Name, first), "remove or rename one of the two")
		}
		seen[e.Name] = r.lines[at+".name"]
		if err := r.checkEnvironment(s, e, at); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) checkEnvironment(s *TenantSpec, e *Environment, at string) (err error) {
	if _, written := r.lines[at+".clusters"]; !written {
		return r.errorAt(at, at+".clusters is missing", "as in clusters: {matchLabels: {env: "+e.Name+"}}; {} is all clusters")
	}
	if _, err := metav1.LabelSelectorAsSelector(&e.Clusters); err != nil {
		return r.errorAt(at+".clusters", at+".clusters: "+clip(err.Error()), "a label selector of Kubernetes, as in {matchLabels: {env: prod}}")
	}
	if e.Path != "" {
		if e.Path, err = r.checkInside(e.Path, at+".path"); err != nil {
			return err
		}
	}
	switch {
	case e.Reference != nil && s.Repository == nil:
		return r.errorAt(at+".ref", at+".ref: the tenant has no repository", "an artifact is followed by artifactRef")
	case e.ArtifactReference != nil && s.Artifact == nil:
		return r.errorAt(at+".artifactRef", at+".artifactRef: the tenant has no artifact", "a repository is followed by ref")
	}
	if err := r.checkGitRef(e.Reference, at+".ref"); err != nil {
		return err
	}
	for j, ns := range e.Namespaces {
		place := fmt.Sprintf("%s.namespaces[%d]", at, j)
		switch {
		case len(validation.IsDNS1123Label(ns)) > 0:
			return r.errorAt(place, fmt.Sprintf("%s: %q is no DNS label", place, clip(ns)), labelHint)
		case slices.Contains(e.Namespaces[:j], ns):
			return r.errorAt(place, fmt.Sprintf("%s: %s occurs twice", place, ns), "remove one of the two")
		case ns == "default" || ns == "flux-system" || strings.HasPrefix(ns, "kube-"):
			return r.errorAt(place, fmt.Sprintf("%s: %s is the cluster's own namespace", place, ns), "a tenant's namespaces are its alone")
		}
	}
	return r.checkSettings(&e.Settings, at)
}

const labelHint = "lower case letters, digits and '-', at most 63, with a letter or digit at both ends"

// checkLabel wants a name that is a DNS label.
func (r *reader) checkLabel(name, in string, most int) error {
	switch at := in + ".name"; {
	case name == "":
		return r.errorAt(in, at+" is missing", "")
	case len(validation.IsDNS1123Label(name)) > 0:
		return r.errorAt(at, fmt.Sprintf("%s: %q is no DNS label", at, clip(name)), labelHint)
	case len(name) > most:
		return r.errorAt(at, fmt.Sprintf("%s: %q has more than %d letters", at, clip(name), most), "")
	}
	return nil
}

func (r *reader) checkTenantClusters(list []TenantCluster) (err error) {
	for i := range list {
		c, at := &list[i], fmt.Sprintf("spec.clusters[%d]", i)
		if err := r.checkLabel(c.Name, at, validation.DNS1123LabelMaxLength); err != nil {
			return err
		}
		if slices.ContainsFunc(list[:i], func(other TenantCluster) bool { return other.Name == c.Name }) {
			return r.errorAt(at+".name", fmt.Sprintf("%s.name: %s occurs twice", at, c.Name), "put its settings in one place")
		}
		if c.Path != "" {
			if c.Path, err = r.checkInside(c.Path, at+".path"); err != nil {
				return err
			}
		}
		if err := r.checkSettings(&c.Settings, at); err != nil {
			return err
		}
	}
	return nil
}

// checkContract wants no empty entries: an empty prefix allows all.
func (r *reader) checkContract(c *Contract) error {
	for _, l := range []struct {
		field string
		list  []string
	}{
		{"hosts", c.Hosts},
		{"registries", c.Registries},
		{"sourceURLs", c.SourceURLs},
		{"sopsRecipients", c.SOPSRecipients},
		{"cloudIdentities", c.CloudIdentities},
		{"ingressClasses", c.IngressClasses},
		{"storageClasses", c.StorageClasses},
		{"priorityClasses", c.PriorityClasses},
	} {
		for i, text := range l.list {
			if at := fmt.Sprintf("spec.contract.%s[%d]", l.field, i); strings.TrimSpace(text) == "" || strings.ContainsFunc(text, control) {
				return r.errorAt(at, at+" is empty", "it would allow everything")
			}
		}
	}
	for i, gk := range c.ClusterScoped {
		if at := fmt.Sprintf("spec.contract.clusterScoped[%d]", i); gk.Kind == "" {
			return r.errorAt(at, at+".kind is missing", "as in {group: scheduling.k8s.io, kind: PriorityClass}")
		}
	}
	for i, gk := range c.OperatorKinds {
		if at := fmt.Sprintf("spec.contract.operatorKinds[%d]", i); gk.Kind == "" || gk.Group == "" {
			return r.errorAt(at, at+" needs a group and a kind", "as in {group: velero.io, kind: Backup}")
		}
	}
	return nil
}
