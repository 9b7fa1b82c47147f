package render

import (
	"regexp"
	"strings"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
)

// instance is the part of a FluxInstance that says where a cluster syncs from
// and how its controllers are started. Field names are those of the public API
// documentation of Flux Operator (fluxcd.controlplane.io/v1).
type instance struct {
	spec map[string]any
}

// sync is spec.sync; nil when there is none.
func (i *instance) sync() map[string]any {
	s, _ := i.spec["sync"].(map[string]any)
	if s == nil || textAt(s, "path") == "" {
		return nil
	}
	return s
}

// ref turns spec.sync.ref, for Git a full ref name, into a GitRepository's.
func (i *instance) ref() *sourcev1.GitRepositoryRef {
	name := textAt(i.sync(), "ref")
	if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
		return &sourcev1.GitRepositoryRef{Branch: branch}
	}
	if tag, ok := strings.CutPrefix(name, "refs/tags/"); ok {
		return &sourcev1.GitRepositoryRef{Tag: tag}
	}
	return &sourcev1.GitRepositoryRef{Name: name}
}

// distribution takes the minor version out of a Flux version or range. Flux 2.N
// ships kustomize-controller 1.N.
var distribution = regexp.MustCompile(`^v?2\.(\d+)`)

var flagInPatch = regexp.MustCompile(`(?m)value:\s*["']?(--[A-Za-z-]+(?:=[^"'\s]+)?)`)

// maxPattern bounds the regular expressions of a FluxInstance, in bytes.
const maxPattern = 1000

// account is the one that Flux Operator puts on the sync of a cluster that is locked down; "" for none.
//
// Source: Flux Operator, the multitenant profile of internal/builder/profiles.go.
func (i *instance) account() string {
	if on, _ := at(i.spec, "cluster", "multitenant").(bool); on {
		return kustomizeController
	}
	return ""
}

// profile reads version and flags from the distribution, the multitenancy
// switches and the patches of the controllers.
func (i *instance) profile() Profile {
	var p Profile
	if m := distribution.FindStringSubmatch(textAt(i.spec, "distribution", "version")); m != nil {
		p.setVersion("1." + m[1] + ".0")
		if !p.before(9, 0) {
			p = Profile{} // the newest patch of the newest engine we have
		}
	}
	if on, _ := at(i.spec, "cluster", "multitenant").(bool); on {
		p.NoCrossNamespaceRefs, p.NoRemoteBases = true, true
		p.DefaultServiceAccount = textAt(i.spec, "cluster", "tenantDefaultServiceAccount")
		if p.DefaultServiceAccount == "" {
			p.DefaultServiceAccount = "default"
		}
	}
	patches, _ := at(i.spec, "kustomize", "patches").([]any)
	for _, entry := range patches {
		m, _ := entry.(map[string]any)
		target := textAt(m, "target", "name")
		if len(target) > maxPattern {
			continue
		}
		if re, err := regexp.Compile("^(?:" + target + ")$"); target == "" || err != nil || !re.MatchString("kustomize-controller") {
			continue
		}
		for _, flag := range flagInPatch.FindAllStringSubmatch(textAt(m, "patch"), -1) {
			p.setFlag(flag[1])
		}
	}
	return p
}
