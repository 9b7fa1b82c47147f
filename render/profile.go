package render

import (
	"path"
	"regexp"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
)

// Profile is what of a cluster's Flux controllers decides how they render:
// version and flags, read from the install manifests in Git. The zero value is
// the newest controller with its default flags.
type Profile struct {
	// Version of kustomize-controller, like "v1.9.5"; "" when Git does not say.
	Version string `json:"version,omitempty"`
	// NoCrossNamespaceRefs forbids a sourceRef into another namespace.
	NoCrossNamespaceRefs bool `json:"noCrossNamespaceRefs,omitempty"`
	NoRemoteBases        bool `json:"noRemoteBases,omitempty"`
	// DefaultServiceAccount is impersonated where spec.serviceAccountName is empty.
	DefaultServiceAccount string `json:"defaultServiceAccount,omitempty"`
	// Gates are the feature gates that are set, by name.
	Gates map[string]bool `json:"featureGates,omitempty"`
	// WatchLabelSelector shards the controller; unselected appliers are left alone.
	WatchLabelSelector string `json:"watchLabelSelector,omitempty"`

	version [3]int
}

// newestController is what [Profile] assumes when Git does not say.
const newestController = "v1.9.5"

// before reports whether the controller is older than version 1.minor.patch.
func (p Profile) before(minor, patch int) bool {
	if p.Version == "" {
		return false
	}
	want := [3]int{1, minor, patch}
	for i, n := range p.version {
		if n != want[i] {
			return n < want[i]
		}
	}
	return false
}

// strict reports whether an unset variable is an error.
//
// Source: kustomize-controller internal/features: StrictPostBuildSubstitutions
// is off by default before 1.9 and on from then.
func (p Profile) strict() bool {
	if on, set := p.Gates["StrictPostBuildSubstitutions"]; set {
		return on
	}
	return !p.before(9, 0)
}

var versionTag = regexp.MustCompile(`v?(\d+)\.(\d+)\.(\d+)`)

func (p *Profile) setVersion(tag string) {
	m := versionTag.FindStringSubmatch(tag)
	if m == nil {
		return
	}
	p.Version = "v" + m[1] + "." + m[2] + "." + m[3]
	for i := range p.version {
		p.version[i], _ = strconv.Atoi(m[i+1])
	}
}

func (p *Profile) setFlag(arg string) {
	name, value, hasValue := strings.Cut(strings.TrimSpace(arg), "=")
	on := !hasValue || value == "true"
	switch name {
	case "--no-cross-namespace-refs":
		p.NoCrossNamespaceRefs = on
	case "--no-remote-bases":
		p.NoRemoteBases = on
	case "--default-service-account":
		p.DefaultServiceAccount = value
	case "--watch-label-selector":
		p.WatchLabelSelector = value
	case "--feature-gates":
		for gate := range strings.SplitSeq(value, ",") {
			if k, v, ok := strings.Cut(gate, "="); ok {
				if p.Gates == nil {
					p.Gates = map[string]bool{}
				}
				p.Gates[k] = v == "true"
			}
		}
	}
}

// The controllers that a profile is read of.
const (
	kustomizeController = "kustomize-controller"
	helmController      = "helm-controller"
)

// profileOf reads the profile of a cluster's controller from what is rendered
// for it: the Deployment of that name, else the FluxInstance.
func profileOf(ask *asker, cluster, controller string, entry *Entry) Profile {
	var p Profile
	namespace := "flux-system"
	if entry != nil {
		namespace = entry.Namespace
	}
	d := ask.get(cluster, object.ID{Group: "apps", Kind: "Deployment", Namespace: namespace, Name: controller})
	if d != nil {
		for _, c := range containers(d) {
			image, _ := c["image"].(string)
			name, _, _ := strings.Cut(path.Base(image), "@")
			name, tag, _ := strings.Cut(name, ":")
			if !strings.HasSuffix(name, controller) {
				continue
			}
			p.setVersion(tag)
			for _, a := range stringsOf(c["args"]) {
				p.setFlag(a)
			}
		}
		return p
	}
	if entry != nil && entry.instance != nil {
		p = entry.instance.profile() // its flags are set for all controllers
	}
	return p
}

func containers(o *object.Object) []map[string]any {
	spec, _ := at(o.Body().Map(), "spec", "template", "spec").(map[string]any)
	list, _ := spec["containers"].([]any)
	var out []map[string]any
	for _, c := range list {
		if m, ok := c.(map[string]any); ok {
			out = append(out, m)
		}
	}
	return out
}

// at follows keys into nested maps; nil when one is missing.
func at(m map[string]any, keys ...string) any {
	var v any = m
	for _, k := range keys {
		next, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = next[k]
	}
	return v
}

func textAt(m map[string]any, keys ...string) string {
	s, _ := at(m, keys...).(string)
	return s
}
