package rule

import (
	"encoding/base64"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// sourceKinds are the kinds of sources with an address.
var sourceKinds = []string{"GitRepository", "OCIRepository", "HelmRepository", "Bucket"} //nolint:gochecknoglobals // a constant list

// unsafeTransport finds sources that are fetched in the clear, and those of tenants from addresses that the contract does not have.
func unsafeTransport(_ *Context, o *estate.Object) (out []Found) {
	if o.ID.Group != estate.SourceGroup || !slices.Contains(sourceKinds, o.ID.Kind) {
		return nil
	}
	address := o.Text("spec", "url")
	mirror := o.Tenant == nil && inside(hostOf(address+o.Text("spec", "endpoint"))) != ""
	say := func(field, format string, args ...any) {
		out = append(out, Found{Message: o.ID.String() + " " + fmt.Sprintf(format, args...), Field: field})
	}
	clear := strings.HasPrefix(strings.ToLower(address), "http://") && !mirror
	if clear {
		say("spec.url", "is fetched in the clear from %s", shown(address))
	}
	if on, _ := o.At("spec", "insecure").(bool); on && !mirror {
		say("spec.insecure", "is fetched without TLS, or without looking at its certificate")
	}
	if on, _ := o.At("spec", "passCredentials").(bool); on {
		say("spec.passCredentials", "hands its credentials to whatever host its index names")
	}
	if p := o.Compartment(); p != nil && address != "" && !clear {
		contract, known := p.Contract()
		own := repositoryOf(address) == repositoryOf(p.Tenant.Document.Spec.URL())
		if known && !own && !slices.ContainsFunc(contract.SourceURLs, func(prefix string) bool { return begins(address, prefix) }) {
			say("spec.url", "of %s is from %s, which its contract does not have", who(o.Tenant), shown(address))
		}
	}
	return out
}

// forgedRequests finds addresses inside that a tenant lets a controller call.
func forgedRequests(x *Context, c *estate.Cluster) (out []Found) {
	for _, o := range tenantAddresses(c) {
		p := o.object.Compartment()
		if p == nil {
			continue
		}
		contract, _ := p.Contract()
		why := inside(o.host)
		if why == "" || slices.ContainsFunc(contract.SourceURLs, func(prefix string) bool { return begins(o.address, prefix) }) {
			continue
		}
		to := clipped(o.host)
		if o.secret {
			to = "the address of its Secret"
		}
		out = append(out, Found{
			Object: o.object, Tenant: o.object.Tenant, Field: o.field,
			Message: fmt.Sprintf("%s of %s lets a controller call %s: %s", o.object.ID, who(o.object.Tenant), to, why),
		})
	}
	for _, a := range c.Appliers {
		if a.Tenant != nil {
			out = append(out, builtRequests(x, a)...)
		}
	}
	return out
}

// addressOf is an address in an object of a tenant.
type addressOf struct {
	object               *estate.Object
	field, address, host string
	secret               bool // it is a value of a Secret, and not to be shown
}

// tenantAddresses are those in objects that tenants wrote.
func tenantAddresses(c *estate.Cluster) (out []addressOf) {
	look := func(group, kind string, fields ...string) {
		for _, o := range c.Kind(group, kind) {
			if o.Tenant == nil {
				continue
			}
			for _, field := range fields {
				if address := o.Text(strings.Split(field, ".")...); address != "" {
					host := hostOf(address)
					if kind == "ImageRepository" || strings.HasPrefix(address, "oci://") {
						host = imageHost(address)
					}
					out = append(out, addressOf{object: o, field: field, address: address, host: host})
				}
			}
			if name := o.Text("spec", "proxySecretRef", "name"); name != "" {
				for _, s := range makersOf(c, "Secret", o.ID.Namespace, name) {
					if host := hostOf(secretText(s, "address")); host != "" {
						out = append(out, addressOf{object: o, field: "spec.proxySecretRef", host: host, secret: true})
					}
				}
			}
		}
	}
	for _, kind := range sourceKinds {
		look(estate.SourceGroup, kind, "spec.url", "spec.endpoint", "spec.sts.endpoint")
	}
	look(estate.NotificationGroup, "Provider", "spec.address")
	look(estate.ImageGroup, "ImageRepository", "spec.image")
	return out
}

// secretText is a value of a Secret in plain text; "" when there is none.
func secretText(o *estate.Object, key string) string {
	if s := o.Text("stringData", key); s != "" {
		return s
	}
	plain, err := base64.StdEncoding.DecodeString(o.Text("data", key))
	if err != nil {
		return ""
	}
	return string(plain)
}

// builtRequests finds addresses inside that a build of a tenant's files, or the packing of its chart, calls.
func builtRequests(x *Context, a *estate.Applier) []Found {
	var steps []finding.Step
	say := func(address, file string) {
		host := hostOf(address)
		if why := inside(host); why != "" {
			steps = append(steps, finding.Step{Message: fmt.Sprintf("%s by %s: %s", clipped(host), file, why), File: fileOfSource(a, file)})
		}
	}
	for _, f := range kustomizationsOf(x, a) {
		for _, r := range f.refs() {
			if fetched(r.Entry) {
				say(r.Entry, f.Path)
			}
		}
	}
	dependencies, file := chartDependencies(x, a)
	for _, d := range dependencies {
		say(d[1], file)
	}
	if len(steps) == 0 {
		return nil
	}
	return one(Found{
		Object: a.Object, ID: applierID(a), Tenant: a.Tenant, File: steps[0].File, Steps: steps,
		Message: fmt.Sprintf("%s of %s lets a controller call %s", a, who(a.Tenant), steps[0].Message),
	})
}

// mixedRepositories finds repositories from which the platform and a tenant are applied.
func mixedRepositories(x *Context) (out []Found) {
	type use struct {
		platform *estate.Applier
		tenants  map[*estate.Tenant]*estate.Applier
	}
	uses := map[string]*use{}
	var order []string
	for _, c := range x.Clusters {
		for _, a := range c.Appliers {
			if a.Source.Repository == "" {
				continue
			}
			u := uses[a.Source.Repository]
			if u == nil {
				u = &use{tenants: map[*estate.Tenant]*estate.Applier{}}
				uses[a.Source.Repository] = u
				order = append(order, a.Source.Repository)
			}
			if a.Tenant == nil {
				if u.platform == nil {
					u.platform = a
				}
			} else if u.tenants[a.Tenant] == nil {
				u.tenants[a.Tenant] = a
			}
		}
	}
	slices.Sort(order)
	for _, repository := range order {
		u := uses[repository]
		if u.platform == nil {
			continue
		}
		for _, t := range x.Tenants {
			a := u.tenants[t]
			if a == nil {
				continue
			}
			found := Found{
				Object: a.Object, ID: applierID(a), Tenant: t, Field: "spec.sourceRef",
				Message: fmt.Sprintf("%s feeds %s of the platform and %s of %s", clipped(repository), u.platform, a, who(t)),
				Steps: []finding.Step{
					{Message: fmt.Sprintf("%s of the platform applies %s", u.platform, path.Clean("./"+u.platform.Path))},
					{Message: fmt.Sprintf("%s of %s applies %s", a, who(t), path.Clean("./"+a.Path))},
				},
			}
			if a.Own && owned(x, path.Join(a.Prefix, a.Path)) && owned(x, path.Join(u.platform.Prefix, u.platform.Path)) {
				found.Level = finding.Medium
			}
			out = append(out, found)
		}
	}
	return out
}

// owned reports whether CODEOWNERS of the repository under review names owners of a folder by a line of its own: not by one for all files.
func owned(x *Context, folder string) bool {
	lines := once(x, "codeowners", func() (out []string) {
		if x.Files == nil {
			return nil
		}
		for _, file := range []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS", ".gitlab/CODEOWNERS", ".gitea/CODEOWNERS"} {
			data, err := x.Files.ReadFile(file)
			if err != nil || len(data) > maxParsed {
				continue
			}
			for line := range strings.Lines(string(data)) {
				if fields := strings.Fields(line); len(fields) > 1 && strings.Contains(fields[1], "@") {
					out = append(out, fields[0])
				}
			}
			return out // the first is the one that counts
		}
		return out
	})
	return slices.ContainsFunc(lines, func(pattern string) bool {
		pattern = strings.TrimSuffix(strings.TrimSuffix(strings.Trim(pattern, "/"), "*"), "*")
		pattern = strings.Trim(pattern, "/")
		return pattern != "" && (folder == pattern || strings.HasPrefix(folder, pattern+"/"))
	})
}
