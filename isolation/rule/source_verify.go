package rule

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
)

// weakVerification finds verifications that let others through.
func weakVerification(x *Context, o *estate.Object) (out []Found) {
	at := []string{"spec", "verify"}
	switch {
	case o.Is(estate.SourceGroup, "GitRepository"), o.Is(estate.SourceGroup, "OCIRepository"), o.Is(estate.SourceGroup, "HelmChart"):
	case o.Is(estate.HelmGroup, "HelmRelease"):
		at = []string{"spec", "chart", "spec", "verify"}
	default:
		return nil
	}
	verify, _ := o.At(at...).(map[string]any)
	if verify == nil {
		return nil
	}
	field := strings.Join(at, ".")
	if o.ID.Kind == "GitRepository" {
		out = headForTag(o, field)
	} else {
		out = weakIdentities(o, verify, field)
	}
	return append(out, writableKeys(x, o, estate.Text(verify, "secretRef", "name"), field)...)
}

// headForTag finds a tag that is followed, of which the commit alone is verified.
func headForTag(o *estate.Object, field string) []Found {
	mode := o.Text("spec", "verify", "mode")
	tag := o.Text("spec", "ref", "tag") != "" || o.Text("spec", "ref", "semver") != "" || strings.HasPrefix(o.Text("spec", "ref", "name"), "refs/tags/")
	if !tag || mode == "Tag" || mode == "TagAndHEAD" || o.Text("spec", "ref", "commit") != "" {
		return nil
	}
	return one(Found{Message: fmt.Sprintf("%s follows a tag and verifies the commit only: who moves the tag to another signed commit is not noticed", o.ID), Field: field + ".mode"})
}

// weakIdentities finds patterns of identities that match those of others.
func weakIdentities(o *estate.Object, verify map[string]any, field string) (out []Found) {
	list := estate.List(verify, "matchOIDCIdentity")
	provider := estate.Text(verify, "provider")
	if len(list) == 0 {
		if estate.Text(verify, "secretRef", "name") != "" || provider != "" && provider != "cosign" {
			return nil
		}
		return one(Found{Message: fmt.Sprintf("%s takes every signature without a key, whoever made it", o.ID), Field: field + ".matchOIDCIdentity"})
	}
	for i, el := range list {
		for _, name := range []string{"issuer", "subject"} {
			why, level := loose(estate.Text(el, name))
			if name == "issuer" && !anything.MatchString(estate.Text(el, name)) {
				level = finding.Low // Sigstore knows a few issuers only
			}
			if why != "" {
				out = append(out, Found{
					Level: level, Field: fmt.Sprintf("%s.matchOIDCIdentity[%d].%s", field, i, name),
					Message: fmt.Sprintf("%s verifies that the %s is like %q, which %s", o.ID, name, clipped(estate.Text(el, name)), why),
				})
			}
		}
	}
	return out
}

// plainDot is a dot within a name that is not escaped: it stands for any letter.
var plainDot = regexp.MustCompile(`[A-Za-z0-9_-]\.[A-Za-z0-9_-]`)

// anything is what patterns are made of that say nothing.
var anything = regexp.MustCompile(`^\^?(\.[*+])?\$?$`)

// loose says why a pattern matches more than it seems to, and how bad that is; "" for a good one.
func loose(pattern string) (why string, level finding.Level) {
	switch {
	case anything.MatchString(pattern):
		return "is true for all", finding.Medium
	case !strings.HasPrefix(pattern, "^") || !strings.HasSuffix(pattern, "$") || strings.HasSuffix(pattern, `\$`):
		return "is not anchored at both ends", finding.Medium
	case plainDot.MatchString(pattern):
		return "has dots that are not escaped", finding.Low
	}
	return "", ""
}

// writableKeys finds keys of the platform's verifications that a tenant may write.
func writableKeys(x *Context, o *estate.Object, secret, field string) (out []Found) {
	if o.Tenant != nil || secret == "" {
		return nil
	}
	for _, p := range o.Cluster.Compartments {
		if steps, may := mayWrite(x, p, "secrets", o.ID.Namespace, secret); may {
			out = append(out, Found{
				Message: fmt.Sprintf("%s verifies with the keys of Secret/%s/%s, which %s may write", o.ID, o.ID.Namespace, clipped(secret), who(p.Tenant)),
				Tenant:  p.Tenant, Steps: steps, Field: field + ".secretRef",
			})
		}
	}
	return out
}
