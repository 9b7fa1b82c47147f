package rule

import (
	"fmt"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// remoteBuild finds addresses in the kustomizations of an applier.
func remoteBuild(x *Context, a *estate.Applier) []Found {
	k := a.Controller()
	forbidden := k != nil && k.On("--no-remote-bases")
	var steps []finding.Step
	var addresses []string
	for _, f := range kustomizationsOf(x, a) {
		for _, r := range f.refs() {
			if !fetched(r.Entry) {
				continue
			}
			addresses = append(addresses, shown(r.Entry))
			steps = append(steps, finding.Step{
				Message: fmt.Sprintf("%s of %s is %s, which %s", r.Field, f.Path, shown(r.Entry), remoteFate(r.Entry, forbidden)),
				File:    fileOfSource(a, f.Path),
			})
		}
	}
	if len(steps) == 0 {
		return nil
	}
	found := Found{Message: fmt.Sprintf("%s builds with %s, outside of its source", a, phrase.List(addresses, 3)), Steps: steps, File: steps[0].File}
	if a.Tenant == nil && !forbidden {
		found.Level = finding.Medium
	}
	return one(found)
}

// remoteFate says what becomes of an address in a build.
//
// Source: kustomize API v0.21.1: an address of HTTP is first asked for as a file, which needs no Git.
func remoteFate(entry string, forbidden bool) string {
	switch {
	case byHTTP(entry) && forbidden:
		return "the build asks for in spite of --no-remote-bases"
	case byHTTP(entry):
		return "the build asks for; --no-remote-bases would not stop it"
	case forbidden:
		return "--no-remote-bases refuses: the build fails"
	}
	return "the build clones; --no-remote-bases would stop it"
}
