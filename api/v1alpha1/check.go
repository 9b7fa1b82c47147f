package v1alpha1

import (
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
)

var (
	versionText = regexp.MustCompile(`^v?[0-9]+\.[0-9]+(\.[0-9]+([-+][0-9A-Za-z.+-]+)?)?$`)
	commitText  = regexp.MustCompile(`^[0-9a-fA-F]{40}$`)
	// A version begins with a v and a digit, a kind with a capital: "v1/Pod" is the
	// core group's.
	apiVersionText = regexp.MustCompile(`^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?v[0-9][a-z0-9]*(/[A-Z][A-Za-z0-9]*)?$`)
	variableName   = regexp.MustCompile(`^[_[:alpha:]][_[:alpha:][:digit:]]*$`)
)

// checkMetadata checks the name, then the labels.
func (r *reader) checkMetadata(m *metav1.ObjectMeta) error {
	if m.Name == "" {
		return r.errorAt("metadata.name", "metadata.name is missing", "")
	}
	if errs := validation.IsDNS1123Label(m.Name); len(errs) > 0 {
		return r.errorAt("metadata.name", fmt.Sprintf("metadata.name: %q is no DNS label", clip(m.Name)),
			"lower case letters, digits and '-', at most 63, with a letter or digit at both ends")
	}
	return r.checkLabels(m.Labels, "metadata.labels")
}

// checkLabels checks labels in the order of their keys.
func (r *reader) checkLabels(labels map[string]string, in string) error {
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		errs := append(validation.IsQualifiedName(key), validation.IsValidLabelValue(labels[key])...)
		if len(errs) > 0 {
			at := in + "." + key
			return r.errorAt(at, clip(at)+": no Kubernetes label", errs[0])
		}
	}
	return nil
}

// checkFleet checks and cleans f.
func (r *reader) checkFleet(f *Fleet) error {
	if err := r.checkMetadata(&f.ObjectMeta); err != nil {
		return err
	}
	layouts := []string{string(HubAndSpoke), string(Monorepo)}
	if l := string(f.Spec.Layout); l != "" && !slices.Contains(layouts, l) {
		return r.errorAt("spec.layout", fmt.Sprintf("spec.layout: unknown layout %s", clip(l)), DidYouMean(l, layouts))
	}
	seen := map[string]int{}
	for i := range f.Spec.Sources {
		s, at := &f.Spec.Sources[i], fmt.Sprintf("spec.sources[%d]", i)
		if err := r.checkURL(s.URL, at+".url"); err != nil {
			return err
		}
		if first, twice := seen[s.URL]; twice {
			return r.errorAt(at+".url", fmt.Sprintf("%s.url: %s is mapped twice, here and on line %d", at, clip(s.URL), first),
				"remove one of the two")
		}
		seen[s.URL] = r.lines[at+".url"]
		clean, err := r.checkPath(s.Path, at+".path")
		if err != nil {
			return err
		}
		s.Path = clean
	}
	if l := f.Spec.EnvironmentLabel; l != "" && len(validation.IsQualifiedName(l)) > 0 {
		return r.errorAt("spec.environmentLabel", fmt.Sprintf("spec.environmentLabel: %q is no key of a label", clip(l)),
			"as in env or example.com/env")
	}
	if err := r.checkGuards(&f.Spec); err != nil {
		return err
	}
	if err := r.checkProfiles(&f.Spec); err != nil {
		return err
	}
	if err := r.checkConcerns(f.Spec.Concerns); err != nil {
		return err
	}
	return r.checkGates(f.Spec.Gates)
}

// checkGuards wants a known word, and accounts that there can be.
func (r *reader) checkGuards(s *FleetSpec) error {
	if s.Guards != "" {
		if err := r.checkOneOf(string(s.Guards), "spec.guards", string(GuardsEnforce), string(GuardsAudit), string(GuardsOff)); err != nil {
			return err
		}
	}
	for i, account := range s.PlatformAccounts {
		namespace, name, _ := strings.Cut(account, "/")
		if at := fmt.Sprintf("spec.platformAccounts[%d]", i); len(validation.IsDNS1123Label(namespace))+len(validation.IsDNS1123Subdomain(name)) > 0 {
			return r.errorAt(at, fmt.Sprintf("%s: %q is no ServiceAccount", at, clip(account)), "NAMESPACE/NAME, as in flux-system/kustomize-controller")
		}
	}
	return nil
}

// checkURL wants a scheme and no password.
func (r *reader) checkURL(raw, at string) error {
	if raw == "" {
		return r.errorAt(at, at+" is missing", "")
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Host == "" && u.Scheme != "file" {
		return r.errorAt(at, at+": no URL with a scheme", "write it as the Flux source does, as in ssh://git@github.com/acme/apps")
	}
	if _, secret := u.User.Password(); secret {
		return r.errorAt(at, at+": the URL holds a password", "take it out; a source is found by its URL without one")
	}
	return nil
}

// checkPath cleans a slash path, which may lead out of the tree.
func (r *reader) checkPath(p, at string) (string, error) {
	bad := func(why, hint string) (string, error) {
		return "", r.errorAt(at, fmt.Sprintf("%s: %q %s", at, clip(p), why), hint)
	}
	switch {
	case p == "":
		return "", r.errorAt(at, at+" is missing", "")
	case strings.ContainsFunc(p, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\\' }):
		return bad("holds a backslash or a control character", "separate folders by /")
	case path.IsAbs(p):
		return bad("is absolute", "write it relative to the root of the repository")
	}
	return path.Clean(p), nil
}

// checkInside is checkPath for a path that stays in the tree.
func (r *reader) checkInside(p, at string) (string, error) {
	clean, err := r.checkPath(p, at)
	if err == nil && (clean == ".." || strings.HasPrefix(clean, "../")) {
		err = r.errorAt(at, fmt.Sprintf("%s: %q leaves the repository", at, clip(p)),
			"write it relative to the root of the repository")
	}
	return clean, err
}

// checkCluster checks and cleans c.
func (r *reader) checkCluster(c *Cluster) error {
	if err := r.checkMetadata(&c.ObjectMeta); err != nil {
		return err
	}
	s := &c.Spec
	if err := r.checkPaths(s); err != nil {
		return err
	}
	if v := s.KubernetesVersion; v != "" && !versionText.MatchString(v) {
		return r.errorAt("spec.kubernetesVersion", fmt.Sprintf("spec.kubernetesVersion: %q is no version", clip(v)), `as in "1.35"`)
	}
	for i, api := range s.APIVersions {
		if !apiVersionText.MatchString(api) {
			return r.errorAt(fmt.Sprintf("spec.apiVersions[%d]", i), fmt.Sprintf("spec.apiVersions[%d]: %q names no API", i, clip(api)),
				`GROUP/VERSION or GROUP/VERSION/KIND, as in "cert-manager.io/v1" or "cert-manager.io/v1/Certificate"`)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Variables)) {
		if !variableName.MatchString(name) {
			at := "spec.variables." + name
			return r.errorAt(at, clip(at)+": Flux reads no variable of this name", "letters, digits and '_', not a digit first")
		}
	}
	if a := s.Lockdown.DefaultServiceAccount; a != "" && len(validation.IsDNS1123Subdomain(a)) > 0 {
		return r.errorAt("spec.lockdown.defaultServiceAccount",
			fmt.Sprintf("spec.lockdown.defaultServiceAccount: %q is no name of a ServiceAccount", clip(a)), "")
	}
	if s.Ref != nil && *s.Ref == (Ref{}) {
		s.Ref = nil
	}
	return r.checkRef(s.Ref)
}

// checkPaths wants path or paths, each inside the tree and once.
func (r *reader) checkPaths(s *ClusterSpec) (err error) {
	switch {
	case s.Path == "" && len(s.Paths) == 0:
		return r.errorAt("spec.path", "spec.path is missing", "the folder Flux starts at, as in clusters/prod-us-east-1")
	case s.Path != "" && len(s.Paths) > 0:
		return r.errorAt("spec.paths", "spec.path and spec.paths are both set", "move spec.path into the list of spec.paths")
	case s.Path != "":
		s.Path, err = r.checkInside(s.Path, "spec.path")
		return err
	}
	for i := range s.Paths {
		at := fmt.Sprintf("spec.paths[%d]", i)
		if s.Paths[i], err = r.checkInside(s.Paths[i], at); err != nil {
			return err
		}
		if slices.Contains(s.Paths[:i], s.Paths[i]) {
			return r.errorAt(at, fmt.Sprintf("%s: %s occurs twice", at, clip(s.Paths[i])), "remove one of the two")
		}
	}
	return nil
}

// checkRef checks the two fields whose shape is fixed.
func (r *reader) checkRef(ref *Ref) error {
	switch {
	case ref == nil:
		return nil
	case ref.Commit != "" && !commitText.MatchString(ref.Commit):
		return r.errorAt("spec.ref.commit", fmt.Sprintf("spec.ref.commit: %q is no full commit name", clip(ref.Commit)), "40 hexadecimal digits")
	case ref.Name != "" && !strings.HasPrefix(ref.Name, "refs/"):
		return r.errorAt("spec.ref.name", fmt.Sprintf("spec.ref.name: %q is no full reference name", clip(ref.Name)), "as in refs/heads/main")
	}
	return nil
}
