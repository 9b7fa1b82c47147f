package scaffold

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

// ProblemError is an option that cannot be taken, or one that is missing.
type ProblemError struct {
	// Message says which and why, on one line.
	Message string
	// Hint is how to do better; "" when the message says all.
	Hint string
}

// Error is the message.
func (e *ProblemError) Error() string { return e.Message }

func problem(hint, format string, args ...any) error {
	return &ProblemError{Message: fmt.Sprintf(format, args...), Hint: hint}
}

// CheckName refuses what is no DNS-1123 label. What is the thing that has the name.
func CheckName(what, name string) error {
	const hint = "lower-case letters, digits and '-', at most 63, a letter or digit first and last"
	if name == "" {
		return problem(hint, "%s has no name", what)
	}
	if len(validation.IsDNS1123Label(name)) > 0 {
		return problem(hint, "%s cannot be called %q", what, name)
	}
	return nil
}

// CheckURL refuses what Flux cannot clone from, and a URL with credentials in it.
//
// Source: the pattern of spec.url of a GitRepository, source-controller v1.9.
func CheckURL(raw string) error {
	const hint = "write it as Flux clones it, such as ssh://git@github.com/acme/fleet"
	u, err := url.Parse(raw)
	switch {
	case err != nil, strings.ContainsFunc(raw, odd), u.Host == "", !slices.Contains([]string{"http", "https", "ssh"}, u.Scheme), strings.Trim(u.Path, "/") == "":
		return problem(hint, "%q is no URL of a repository", withoutPassword(raw))
	case u.RawQuery != "" || u.Fragment != "":
		return problem(hint, "the URL of a repository has no query and no fragment")
	}
	if _, secret := u.User.Password(); secret || u.User != nil && u.Scheme != "ssh" {
		return problem("leave it out: Flux takes its credentials from the Secret flux-system", "the URL of the repository holds credentials")
	}
	return nil
}

// withoutPassword cuts what is before an @ out of a text that is no URL.
func withoutPassword(raw string) string {
	if i := strings.LastIndexByte(raw, '@'); i >= 0 && strings.Contains(raw[:i], ":") {
		return "…" + raw[i:]
	}
	return raw
}

// odd are the runes that no value of ours has.
func odd(r rune) bool {
	return r <= ' ' || r == 0x7f || r == '\\' || r == '"' || r == '\'' || r == '`' || r == '$'
}

var branchName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]*$`)

// CheckBranch refuses what Git does not take for a branch, and a few odd names more.
func CheckBranch(name string) error {
	if !branchName.MatchString(name) || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.Contains(name, "/.") ||
		strings.HasSuffix(name, ".lock") || strings.HasSuffix(name, "/") || strings.HasSuffix(name, ".") {
		return problem("such as main", "%q is no name of a branch", name)
	}
	return nil
}

var owner = regexp.MustCompile(`^(@[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*|[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]+)$`)

// CheckOwner refuses what a line of CODEOWNERS does not take for an owner.
func CheckOwner(name string) error {
	if !owner.MatchString(name) {
		return problem("a user, a team or an address: @jo, @acme/platform, jo@acme.example", "%q is no owner", name)
	}
	return nil
}

// CheckDomain refuses what is no name in the DNS.
func CheckDomain(name string) error {
	if len(validation.IsDNS1123Subdomain(name)) > 0 {
		return problem("such as us.acme.example", "%q is no domain", name)
	}
	return nil
}

// CheckFlux refuses a way that there is not.
func CheckFlux(f Flux) error { return known("--flux", f, Bootstrap, Instance, NoFlux) }

// CheckCI refuses a forge that is not known.
func CheckCI(c CI) error { return known("--ci", c, GitHub, GitLab, NoCI) }

var kubernetes = regexp.MustCompile(`^v?1\.[0-9]+(\.[0-9]+)?$`)

// CheckVersion refuses what is no version of Kubernetes.
func CheckVersion(text string) error {
	if !kubernetes.MatchString(text) {
		return problem("such as 1.35", "%q is no version of Kubernetes", text)
	}
	return nil
}

// CheckCluster refuses a cluster without a good name or an environment, or with
// another path than clusters/NAME.
func CheckCluster(o Options, c v1alpha1.Cluster) error {
	o = o.withDefaults()
	name := c.Name
	if err := CheckName("a cluster", name); err != nil {
		return err
	}
	env, ok := c.Labels[o.EnvironmentLabel]
	if !ok || env == "" {
		return problem("such as "+name+","+o.EnvironmentLabel+"=prod", "cluster %s has no environment", name)
	}
	if err := CheckName("the environment of cluster "+name, env); err != nil {
		return err
	}
	if len(o.namespace(env)) > validation.DNS1123LabelMaxLength {
		return problem("the namespace podinfo-ENV has at most 63 letters", "the environment %q has too long a name", env)
	}
	if folder(c) != "clusters/"+name {
		return problem("name it by that folder, or leave the folder to be clusters/"+name, "cluster %s would start at %q, and in a repository of bulkhead init each starts at clusters/NAME", name, c.Spec.Path)
	}
	for _, p := range append(pairs(c.Labels), pairs(c.Spec.Variables)...) {
		if strings.ContainsFunc(p.Value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return problem("", "%s of cluster %s is not on one line", p.Key, name)
		}
	}
	return nil
}

func (o Options) namespace(env string) string {
	if o.Layout == v1alpha1.Monorepo {
		return "podinfo-" + env
	}
	return env
}

// check expects the defaults to be filled in.
func (o Options) check() error {
	for _, err := range []error{
		CheckName("the fleet", o.Name), CheckURL(o.URL), CheckBranch(o.Branch), CheckOwner(o.Owner),
		CheckFlux(o.Flux), CheckCI(o.CI),
		known("the layout", o.Layout, v1alpha1.HubAndSpoke, v1alpha1.Monorepo),
	} {
		if err != nil {
			return err
		}
	}
	if len(o.Clusters) == 0 {
		return problem("such as prod-us-east-1,env=prod,region=us-east-1", "the fleet has no cluster")
	}
	seen := map[string]bool{}
	for _, c := range o.Clusters {
		if err := CheckCluster(o, c); err != nil {
			return err
		}
		if name := c.Name; seen[name] {
			return problem("give each cluster a name of its own", "there are two clusters %s", name)
		}
		seen[c.Name] = true
	}
	return nil
}

// check expects the defaults to be filled in.
func (o SpokeOptions) check() error {
	for _, err := range []error{CheckName("the spoke", o.Name), CheckOwner(o.Owner), CheckCI(o.CI)} {
		if err != nil {
			return err
		}
	}
	if len(validation.IsDNS1035Label(o.Name)) > 0 {
		return problem("its Service has the same name, which starts with a letter", "the spoke cannot be called %q", o.Name)
	}
	if len(o.Environments) == 0 {
		return problem("such as staging", "the spoke has no environment")
	}
	for i, env := range o.Environments {
		if err := CheckName("an environment", env); err != nil {
			return err
		}
		if env == "base" {
			return problem("deploy/base is what all environments have in common", "an environment cannot be called %q", env)
		}
		if len(o.Name+"-"+env) > validation.DNS1123LabelMaxLength {
			return problem("a namespace has at most 63 letters", "the namespace %s-%s has too long a name", o.Name, env)
		}
		if slices.Contains(o.Environments[:i], env) {
			return problem("name each environment once", "there are two environments %s", env)
		}
	}
	return nil
}

// known refuses a word that is none of those.
func known[T ~string](what string, word T, words ...T) error {
	if slices.Contains(words, word) {
		return nil
	}
	var all []string
	for _, w := range words {
		all = append(all, string(w))
	}
	return problem("one of "+strings.Join(all, ", "), "%s cannot be %q", what, word)
}
