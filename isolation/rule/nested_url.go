package rule

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

func urlRule() Rule {
	return Rule{
		Rule: finding.Rule{
			ID: "NST-004", Level: finding.High, Title: "A tenant's source is none that its contract allows",
			Why:  "A source brings files that nobody of the fleet has reviewed, from wherever the tenant points it.",
			Hint: "take the source out, or allow its address in spec.contract.sourceURLs of the tenant",
		},
		Boundary: true,
		Unless:   "The address begins with one of spec.contract.sourceURLs, or is that of the tenant's repository.",
		Source:   "source-controller v1.9.5: spec.url, and spec.endpoint of Buckets",
		object:   foreignURL,
	}
}

func foreignURL(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil || o.ID.Group != estate.SourceGroup {
		return nil
	}
	field, address := "spec.url", o.Text("spec", "url")
	switch o.ID.Kind {
	case "GitRepository", "OCIRepository", "HelmRepository":
	case "Bucket":
		field, address = "spec.endpoint", o.Text("spec", "endpoint")+"/"+o.Text("spec", "bucketName")
	default:
		return nil
	}
	p := o.Compartment()
	if p == nil || address == "" || address == "/" {
		return nil
	}
	contract, known := p.Contract()
	if !known {
		return nil
	}
	if strings.Contains(address, "${") {
		return one(Found{Unproven: true, Field: field, Message: fmt.Sprintf("%s of tenant %s: its address holds a variable that is not known", short(o.ID), o.Tenant.Name)})
	}
	have, ok := canonicalURL(address)
	allowed := append(slices.Clone(contract.SourceURLs), o.Tenant.Document.Spec.URL())
	if ok && slices.ContainsFunc(allowed, func(prefix string) bool { return under(have, prefix, o.ID.Kind == "Bucket") }) {
		return nil
	}
	return one(Found{Field: field, Message: fmt.Sprintf("%s of tenant %s is from %s, which its contract does not list", short(o.ID), o.Tenant.Name, shownURL(address))})
}

// shownURL is an address without what may be a password.
func shownURL(address string) string {
	have, ok := canonicalURL(address)
	if !ok {
		return "an address that is no URL"
	}
	return have
}

// canonicalURL is a URL with one spelling: no user, no default port, no dots in the path, no case in scheme and host, no .git at the end.
func canonicalURL(address string) (string, bool) {
	if !strings.Contains(address, "://") {
		address = "https://" + address // endpoints have no scheme
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.Opaque != "" {
		return "", false
	}
	scheme, host, port := strings.ToLower(u.Scheme), strings.ToLower(u.Hostname()), u.Port()
	if port != "" && port != map[string]string{"https": "443", "http": "80", "ssh": "22", "oci": "443"}[scheme] {
		host += ":" + port
	}
	p := u.Path
	if p != "" {
		slash := strings.HasSuffix(p, "/") && path.Clean(p) != "/"
		if p = path.Clean("/" + p); p == "/" {
			p = ""
		}
		if slash {
			p += "/"
		}
	}
	return scheme + "://" + host + strings.TrimSuffix(p, ".git"), true
}

// under reports whether an address begins with a prefix, at the end of a word: your-org is no beginning of your-org-evil, but your-org- is, for who
// writes that.
func under(address, prefix string, anyScheme bool) bool {
	want, ok := canonicalURL(prefix)
	if !ok {
		return false
	}
	if anyScheme {
		_, address, _ = strings.Cut(address, "://")
		_, want, _ = strings.Cut(want, "://")
	}
	if strings.HasSuffix(strings.TrimSpace(prefix), "/") && !strings.HasSuffix(want, "/") {
		want += "/"
	}
	rest, ok := strings.CutPrefix(strings.TrimSuffix(address, "/")+"/", want)
	if !ok {
		return false
	}
	last := want[len(want)-1]
	word := last >= 'a' && last <= 'z' || last >= 'A' && last <= 'Z' || last >= '0' && last <= '9'
	return !word || strings.HasPrefix(rest, "/")
}
