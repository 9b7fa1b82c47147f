package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/fluxcd/pkg/apis/meta"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/spf13/cobra"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/report/term"
)

// tenantAdd are the flags of tenant add.
type tenantAdd struct {
	editOptions
	file, repo, artifact, branch, tag  string
	environments, namespaces, owners   []string
	profile, secret, credentials, flux string
}

func newTenantAddCmd(s *streams) *cobra.Command {
	var o tenantAdd
	c := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a tenant to the fleet",
		Long: `Writes a Tenant document, and the tenant's file for each cluster that its environments select. Then tells what that would apply there.

Without more, a tenant gets a namespace for each environment that lets nothing in or out but DNS, a quota, and an account that may make workloads in
it and nothing else; its Flux objects are in a namespace of the platform. The document says everything else.`,
		Example: `  bulkhead tenant add billing --repo ssh://git@github.com/acme/billing-apps --environment staging --environment prod
  bulkhead tenant add shop --repo https://github.com/acme/shop --environment prod=env=prod,region=eu --profile large --owner group:shop-devs
  bulkhead tenant add web --artifact oci://ghcr.io/acme/web --tag stable --environment prod --secret registry
  bulkhead tenant add -f web.yaml --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.door(cmd, args); err != nil {
				return err
			}
			return runTenantAdd(cmd.Context(), &o, args, s)
		},
	}
	o.bind(c)
	f := c.Flags()
	f.StringVarP(&o.file, "file", "f", "", "take the Tenant document in `FILE` as it is")
	f.StringVar(&o.repo, "repo", "", "the `URL` of the tenant's Git repository: ssh://, https:// or http://")
	f.StringVar(&o.artifact, "artifact", "", "the `URL` of the tenant's OCI artifact: oci://")
	f.StringVar(&o.branch, "branch", "", "the `BRANCH` of the repository to follow (default: main)")
	f.StringVar(&o.tag, "tag", "", "the `TAG` of the artifact to follow (default: latest)")
	f.StringArrayVarP(&o.environments, "environment", "e", nil, "an environment, `NAME[=SELECTOR]`; the selector is one of Kubernetes for the labels of clusters (default: env=NAME); repeatable")
	f.StringArrayVar(&o.namespaces, "namespace", nil, "the namespaces of an environment, `ENVIRONMENT=NAME[,NAME]` (default: TENANT-ENVIRONMENT); repeatable")
	f.StringArrayVar(&o.owners, "owner", nil, "who owns the tenant, `KIND:NAME`, as in group:billing-devs or user:jane@example.com; repeatable")
	f.StringVar(&o.profile, "profile", "", "the `PROFILE` of its settings: small, medium, large, or one of the Fleet document")
	f.StringVar(&o.secret, "secret", "", "the `NAME` of the Secret with the credentials for its source, in the namespace of its Flux objects")
	f.StringVar(&o.credentials, "credentials", "", "the `FILE` of the hub that holds that Secret, encrypted by sops")
	f.StringVar(&o.flux, "nested-flux", "", "whether its files may hold Flux objects, `MODE`: Forbidden or Pinned (default: that of the fleet, else Forbidden)")
	return c
}

// door wants a name and flags, or a document.
func (o *tenantAdd) door(cmd *cobra.Command, args []string) error {
	if o.file == "" {
		return named("tenant")(cmd, args)
	}
	for _, flag := range []string{"repo", "artifact", "branch", "tag", "environment", "namespace", "owner", "profile", "secret", "credentials", "nested-flux"} {
		if cmd.Flags().Changed(flag) {
			return usage("-f takes the document in "+o.file+" as it is, and --"+flag+" would have no say", "say it in the document, or leave one of the two out")
		}
	}
	return nil
}

func runTenantAdd(ctx context.Context, o *tenantAdd, args []string, s *streams) error {
	name, text, err := o.text(args, newAsker(s))
	if err != nil {
		return err
	}
	at := "fleet/tenants/" + name + ".yaml"
	if _, err := v1alpha1.Decode(at, []byte(text)); err != nil { // before anything is opened
		return o.said(err, at)
	}
	x, err := o.edit(ctx, s)
	if err != nil {
		return err
	}
	defer x.close(ctx)
	if t, err := tenantNamed(x.docs, name); err == nil {
		return hinted(fmt.Errorf("tenant %s exists: %s:%d", name, t.Place.File, t.Place.Line), "edit its document and run bulkhead generate, or choose another name")
	}
	if err := x.create(at, text); err != nil {
		return err
	}
	return o.said(x.finish(ctx, "git add -A && git commit -m \"Add tenant "+name+"\""), at)
}

// said is an error about the document at a path that is not written yet: it tells the user's own file in its place, and none when flags stand for the document.
func (o *tenantAdd) said(err error, at string) error {
	d, ok := errors.AsType[*v1alpha1.DocumentError](err)
	switch {
	case !ok || d.File != at:
		return err
	case o.file == "":
		return hinted(errors.New(d.Message), d.Hint)
	}
	return &v1alpha1.DocumentError{File: o.file, Line: d.Line, Message: d.Message, Hint: d.Hint}
}

// text is the document: that of the file, or what the flags say.
func (o *tenantAdd) text(args []string, ask *asker) (name, text string, err error) {
	if o.file == "" {
		if err := o.ask(args[0], ask); err != nil {
			return "", "", err
		}
		t, err := o.tenant(args[0])
		if err != nil {
			return "", "", err
		}
		text, err := document(v1alpha1.KindTenant, t, t.Spec)
		return t.Name, trimmed(text), err
	}
	data, err := os.ReadFile(o.file)
	if err != nil {
		return "", "", fmt.Errorf("read %s: %w", o.file, cause(err))
	}
	docs, err := v1alpha1.Decode(o.file, data)
	switch {
	case err != nil:
		return "", "", err
	case len(docs.Tenants) == 0:
		return "", "", usage(o.file+" holds no Tenant document", "it begins with apiVersion: "+v1alpha1.APIVersion+" and kind: Tenant; the flags make one: bulkhead tenant add --help")
	case len(docs.Tenants) != 1 || len(docs.Clusters)+len(docs.Waivers) > 0 || docs.Fleet != nil:
		return "", "", usage(o.file+" does not hold one Tenant document and nothing else", "add them one by one")
	case len(args) > 0 && (len(args) > 1 || args[0] != docs.Tenants[0].Name):
		return "", "", usage("the document names tenant "+docs.Tenants[0].Name+", not "+term.Quote(strings.Join(args, " ")), "leave the argument out")
	}
	return docs.Tenants[0].Name, string(data), nil
}

// ask asks for what a tenant must have, where there is somebody to ask.
func (o *tenantAdd) ask(name string, a *asker) error {
	if a == nil {
		return nil
	}
	if o.repo == "" && o.artifact == "" {
		url := func(text string) error {
			if !strings.Contains(text, "://") {
				return usage(term.Quote(text)+" is no URL", "it begins with ssh://, https:// or http://")
			}
			return nil
		}
		if err := a.line(&o.repo, "--repo", "URL of the tenant's repository", "ssh://git@github.com/acme/"+name+"-apps", url); err != nil {
			return err
		}
	}
	if len(o.environments) > 0 {
		return nil
	}
	return a.lines("--environment", "Environments, one a line, NAME or NAME=SELECTOR", "prod or prod=env=prod,region=eu", func(text string) error {
		env, selector, chosen := strings.Cut(text, "=")
		if _, err := metav1.ParseToLabelSelector(selector); chosen && err != nil || len(validation.IsDNS1123Label(env)) > 0 {
			return usage(term.Quote(text)+" is neither NAME nor NAME=SELECTOR", "as in prod=env=prod,region=eu")
		}
		o.environments = append(o.environments, text)
		return nil
	})
}

// trimmed is the text without what is written although it says nothing.
func trimmed(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		if !strings.HasSuffix(strings.TrimRight(line, "\n"), ": {}") || strings.Contains(line, "clusters:") {
			_, _ = b.WriteString(line)
		}
	}
	return b.String()
}

// tenant is what the flags say.
func (o *tenantAdd) tenant(name string) (*v1alpha1.Tenant, error) {
	t := &v1alpha1.Tenant{}
	t.Name, t.Spec.Profile, t.Spec.NestedFlux = name, o.profile, v1alpha1.NestedFlux(o.flux)
	var secret *meta.LocalObjectReference
	if o.secret != "" {
		secret = &meta.LocalObjectReference{Name: o.secret}
	}
	switch {
	case o.repo != "" && o.artifact != "":
		return nil, usage("--repo and --artifact are both given", "a tenant has one source")
	case o.repo != "" && o.tag != "", o.artifact != "" && o.branch != "":
		return nil, usage("a repository has no --tag, and an artifact no --branch", "")
	case o.repo != "" && !strings.Contains(o.repo, "://"):
		return nil, usage("--repo "+term.Quote(o.repo)+" is no URL", "with its scheme, as in --repo "+asURL(o.repo, name))
	case o.repo != "":
		t.Spec.Repository = &v1alpha1.Repository{URL: o.repo, SecretRef: secret, Credentials: o.credentials}
		if o.branch != "" {
			t.Spec.Repository.Reference = &sourcev1.GitRepositoryRef{Branch: o.branch}
		}
	case o.artifact != "":
		t.Spec.Artifact = &v1alpha1.Artifact{URL: o.artifact, SecretRef: secret, Credentials: o.credentials}
		if o.tag != "" {
			t.Spec.Artifact.Reference = &sourcev1.OCIRepositoryRef{Tag: o.tag}
		}
	default:
		return nil, usage("the tenant has no source", "name its repository: --repo ssh://git@github.com/acme/"+name+"-apps")
	}
	if len(o.environments) == 0 {
		return nil, usage("the tenant has no environment", "name one: --environment prod, for the clusters with the label env=prod")
	}
	for _, text := range o.environments {
		env, selector, chosen := strings.Cut(text, "=")
		if !chosen {
			selector = v1alpha1.DefaultEnvironmentLabel + "=" + env
		}
		selects, err := metav1.ParseToLabelSelector(selector)
		if err != nil {
			return nil, usage("--environment "+term.Quote(text)+": "+err.Error(), "as in --environment prod=env=prod,region=eu")
		}
		t.Spec.Environments = append(t.Spec.Environments, v1alpha1.Environment{Name: env, Clusters: *selects})
	}
	return t, o.details(t)
}

// asURL is what somebody meant who left the scheme of a repository's URL out: "git@github.com:acme/shop" is for ssh.
func asURL(text, name string) string {
	host, _, path := strings.Cut(text, "/")
	switch url := cloneURL(text); {
	case url != "":
		return term.Safe(url)
	case path && strings.Contains(host, ".") && len(validation.IsDNS1123Subdomain(host)) == 0:
		return term.Safe("https://" + text)
	}
	return "ssh://git@github.com/acme/" + name
}

// details are the flags that speak of environments and owners.
func (o *tenantAdd) details(t *v1alpha1.Tenant) error {
	for _, text := range o.namespaces {
		env, list, ok := strings.Cut(text, "=")
		i := slices.IndexFunc(t.Spec.Environments, func(e v1alpha1.Environment) bool { return e.Name == env })
		if !ok || i < 0 {
			return usage("--namespace "+term.Quote(text)+" names no environment of the tenant", "as in --namespace prod=billing,billing-jobs")
		}
		t.Spec.Environments[i].Namespaces = append(t.Spec.Environments[i].Namespaces, strings.Split(list, ",")...)
	}
	for _, text := range o.owners {
		kind, name, ok := strings.Cut(text, ":")
		k := map[string]string{"group": rbacv1.GroupKind, "user": rbacv1.UserKind}[strings.ToLower(kind)]
		if !ok || k == "" || name == "" {
			return usage("--owner "+term.Quote(text)+" is not group:NAME or user:NAME", "as in --owner group:"+t.Name+"-devs")
		}
		t.Spec.Owners = append(t.Spec.Owners, rbacv1.Subject{Kind: k, Name: name})
	}
	return nil
}
