package estate

import (
	"slices"
	"strings"
)

// The programs of Flux.
const (
	KustomizeController       = "kustomize-controller"
	HelmController            = "helm-controller"
	SourceController          = "source-controller"
	NotificationController    = "notification-controller"
	ImageReflectorController  = "image-reflector-controller"
	ImageAutomationController = "image-automation-controller"
	SourceWatcher             = "source-watcher"
	FluxOperator              = "flux-operator"
)

// Controllers of Flux, without the operator, in the order of its documentation.
func Controllers() []string {
	return []string{KustomizeController, HelmController, SourceController, NotificationController, ImageReflectorController, ImageAutomationController, SourceWatcher}
}

// Controller is a program of Flux on one cluster, as its Deployment or a FluxInstance has it.
type Controller struct {
	Name string
	// Object that says so.
	Object *Object
	// Version like "v1.9.5"; "" when the image does not say.
	Version string
	Image   string
	// Args are the flags in their order; of a FluxInstance, those that its operator would set.
	Args []string
	// Env are the names of the variables of its environment.
	Env     []string
	Account Account
	// Shard is true for a further Deployment of the same program with a label selector.
	Shard bool
}

// Flag is the value of a flag, "true" for one without a value, and whether it is set. The last of several wins.
func (c *Controller) Flag(name string) (value string, set bool) {
	for _, arg := range c.Args {
		key, v, has := strings.Cut(strings.TrimSpace(arg), "=")
		if strings.TrimLeft(key, "-") != strings.TrimLeft(name, "-") || !strings.HasPrefix(key, "-") {
			continue
		}
		if value, set = v, true; !has {
			value = "true"
		}
	}
	return value, set
}

// On reports whether a flag of a yes or no is set to yes.
func (c *Controller) On(name string) bool {
	v, _ := c.Flag(name)
	return truth(v)
}

// truth is what strconv.ParseBool takes for yes.
func truth(v string) bool {
	return slices.Contains([]string{"true", "1", "t", "T", "TRUE", "True"}, v)
}

// Release is the version in numbers, and whether it is known: major, minor, patch.
func (c *Controller) Release() ([]int, bool) { return numbers(c.Version) }

// Gate is the value of a feature gate, and whether it is set. Unlike other flags, that of the gates adds up when it is given again.
//
// Source: fluxcd/pkg/runtime v0.110.3 features, k8s.io/component-base MapStringBool.
func (c *Controller) Gate(name string) (on, set bool) {
	for _, arg := range c.Args {
		key, v, _ := strings.Cut(strings.TrimSpace(arg), "=")
		if !strings.HasPrefix(key, "-") || strings.TrimLeft(key, "-") != "feature-gates" {
			continue
		}
		for gate := range strings.SplitSeq(v, ",") {
			if k, value, ok := strings.Cut(gate, "="); ok && strings.TrimSpace(k) == name {
				on, set = truth(strings.TrimSpace(value)), true
			}
		}
	}
	return on, set
}

// Before reports whether the version is known and older than major.minor.patch.
func (c *Controller) Before(major, minor, patch int) bool {
	have, ok := numbers(c.Version)
	return ok && slices.Compare(have, []int{major, minor, patch}) < 0
}

// numbers of a version like v1.2.3, without what follows them.
func numbers(version string) ([]int, bool) {
	rest := strings.TrimPrefix(version, "v")
	rest, _, _ = strings.Cut(rest, "-")
	var out []int
	for part := range strings.SplitSeq(rest, ".") {
		n := 0
		if part == "" || len(part) > 6 {
			return nil, false
		}
		for _, d := range part {
			if d < '0' || d > '9' {
				return nil, false
			}
			n = 10*n + int(d-'0')
		}
		out = append(out, n)
	}
	return out, len(out) == 3
}
