package review

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/bulkhead-dev/bulkhead/object"
)

// shortNames are the names of the objects without their group, unless that would make two of them one.
func shortNames(groups []Group) map[object.ID]string {
	owner := map[object.ID]object.ID{} // without the group, to the first with it
	twice := map[object.ID]bool{}
	plain := func(id object.ID) object.ID { id.Group = ""; return id }
	for i := range groups {
		id := groups[i].ID
		if first, ok := owner[plain(id)]; ok && first != id {
			twice[plain(id)] = true
		}
		owner[plain(id)] = id
	}
	out := map[object.ID]string{}
	for i := range groups {
		id := groups[i].ID
		out[id] = plain(id).String()
		if twice[plain(id)] {
			out[id] = id.String()
		}
	}
	return out
}

// keyOf is an anchor for a group: the same for the same change in every run.
func keyOf(g *Group) string {
	h := sha256.New()
	_, _ = fmt.Fprintf(h, "%s\x00%s\x00%q\x00%s\x00%s\x00%s\x00", g.Kind, g.ID, g.Clusters, g.Concern, g.Fate, g.Why)
	if data, err := json.Marshal(g.Edits); err == nil {
		h.Write(data)
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// groupOfApplier is the API group of an applier's kind.
//
// Source: Flux 2.9 and Flux Operator.
func groupOfApplier(kind string) string {
	switch kind {
	case "Kustomization":
		return "kustomize.toolkit.fluxcd.io"
	case "HelmRelease":
		return "helm.toolkit.fluxcd.io"
	case "ResourceSet":
		return "fluxcd.controlplane.io"
	default:
		return ""
	}
}

func idOf(a object.Applier) *object.ID {
	return &object.ID{Group: groupOfApplier(a.Kind), Kind: a.Kind, Namespace: a.Namespace, Name: a.Name}
}
