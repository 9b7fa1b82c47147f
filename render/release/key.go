package release

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
)

// Key names what the render of in gives: inputs of one key give equal outputs and equal errors. The cluster's version and
// API versions count only when the release can read them. The cost is that of reading the chart once.
func (in Input) Key() string { return new(Renderer).Key(in) }

// Key is [Input.Key], with the charts that r keeps.
func (r *Renderer) Key(in Input) string {
	limits := in.Limits.orDefaults()
	l, digest := r.charts.get(in.Files, limits)
	uses := l.uses.or(valueUses(map[string]any(in.Values)))
	parts := struct {
		Files, Kubernetes string
		APIVersions       []string
		Values            Values
		Release           Release
		Sensitive         []string
		Limits            Limits
	}{Files: digest, Values: in.Values, Release: in.Release, Sensitive: slices.Sorted(slices.Values(in.Sensitive)), Limits: limits}
	if uses.KubeVersion {
		parts.Kubernetes = in.Kubernetes
	}
	if in.Kubernetes != "" {
		if _, err := kubeVersion(in.Kubernetes); err != nil {
			parts.Kubernetes = in.Kubernetes
		}
	}
	if uses.APIVersions {
		parts.APIVersions = slices.Compact(slices.Sorted(slices.Values(in.APIVersions)))
	}
	data, err := json.Marshal(parts)
	if err != nil { // values that Helm does not take: no key that another input could have
		data = []byte(err.Error())
	}
	sum := sha256.Sum256(append(data, "release 1"...))
	return hex.EncodeToString(sum[:])
}
