package render

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"sigs.k8s.io/kustomize/kyaml/resid"
)

// idOf is the identity that kustomize reads off an object given as JSON.
func idOf(data []byte, before resid.ResId) resid.ResId {
	var m struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Metadata   struct {
			Name      any    `json:"name"`
			Namespace string `json:"namespace"`
		} `json:"metadata"`
	}
	if json.Unmarshal(data, &m) != nil {
		return before
	}
	name := ""
	if m.Metadata.Name != nil {
		name = fmt.Sprint(m.Metadata.Name)
	}
	defer useSchema(scopesOnly)() // NewGvk asks the global schema
	return resid.NewResIdWithNamespace(gvk(m.APIVersion, m.Kind), name, m.Metadata.Namespace)
}

func gvk(apiVersion, kind string) resid.Gvk {
	group, version, ok := strings.Cut(apiVersion, "/")
	if !ok {
		group, version = "", apiVersion
	}
	return resid.NewGvk(group, version, kind)
}

// holdsSOPS reports whether a base64 value is, or holds, SOPS ciphertext.
func holdsSOPS(value string) bool {
	data, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return false
	}
	return strings.Contains(string(data), "ENC[AES256_GCM,")
}
