package chart

import (
	"fmt"
	"net/url"
	"strings"
)

// NormalizeURL gives the URL of a chart repository as source-controller compares and
// reads it: without slashes at the end for oci, with one for others. Empty stays so.
//
// Source: source-controller v1.9.5 internal/helm/repository/utils.go.
func NormalizeURL(repository string) (string, error) {
	if repository == "" {
		return "", nil
	}
	u, err := url.Parse(repository)
	if err != nil {
		return "", fmt.Errorf("parse repository URL: %w", err)
	}
	end := "/"
	if u.Scheme == "oci" {
		end = ""
	}
	u.Path = strings.TrimRight(u.Path, "/") + end
	u.RawPath = strings.TrimRight(u.RawPath, "/") + end
	return u.String(), nil
}

// ResolveURL gives the address of a chart from its repository's URL and the reference
// in the repository's index, which may be relative.
//
// Source: Helm v4.2.4 pkg/repo/v1/chartrepo.go ResolveReferenceURL.
func ResolveURL(repository, ref string) (string, error) {
	to, err := url.Parse(ref)
	if err != nil {
		return "", fmt.Errorf("parse chart URL: %w", err)
	}
	if to.IsAbs() {
		return ref, nil
	}
	base, err := url.Parse(repository)
	if err != nil {
		return "", fmt.Errorf("parse repository URL: %w", err)
	}
	base.RawPath = strings.TrimSuffix(base.RawPath, "/") + "/"
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	resolved := base.ResolveReference(to)
	resolved.RawQuery = base.RawQuery
	return resolved.String(), nil
}
