package rule

import (
	"encoding/base64"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// publicKeys are keys of Secrets whose values everybody may know.
var publicKeys = []string{"username", "known_hosts", "ca.crt", "tls.crt", "ca.pem", "url", "address", "type", "project"} //nolint:gochecknoglobals // a constant list

// plainSecret finds values of Secrets, and private keys in ConfigMaps, that are written in Git as they are. Charts make Secrets of values, and of chance:
// what they make says nothing about Git. The message names keys and never values.
func plainSecret(x *Context, o *estate.Object) []Found {
	switch {
	case o.Applier == nil || o.Applier.Kind != estate.KustomizationKind || o.ID.Group != "":
		return nil
	case o.ID.Kind == "ConfigMap":
		return privateKeys(o)
	case o.ID.Kind != "Secret":
		return nil
	}
	var keys []string
	given := o.Body().Sensitive()
	for _, field := range []string{"data", "stringData"} {
		values, _ := o.At(field).(map[string]any)
		for k, v := range values {
			text, ok := v.(string)
			if !ok || slices.Contains(publicKeys, k) || path.Ext(k) == ".pub" {
				continue
			}
			if field == "data" {
				if plain, err := base64.StdEncoding.DecodeString(text); err == nil {
					text = string(plain)
				}
			}
			if plainValue(text) && !slices.ContainsFunc(given, func(s string) bool { return s != "" && strings.Contains(text, s) }) {
				keys = append(keys, k)
			}
		}
	}
	if len(keys) == 0 || decrypted(x, o) {
		return nil
	}
	slices.Sort(keys)
	keys = slices.Compact(keys)
	found := Found{Message: fmt.Sprintf("%s has %s in plain text in Git: %s", o.ID, phrase.Count(len(keys), "value"), clipped(phrase.List(keys, 4)))}
	if !slices.ContainsFunc(keys, func(k string) bool { return !isYAML(k) }) {
		found.Level = finding.Low // values of charts, which kustomize's generators keep in Secrets
	}
	return one(found)
}

// plainValue reports whether a value is neither empty nor encrypted nor public.
func plainValue(text string) bool {
	text = strings.TrimSpace(text)
	if strings.Contains(text, "ENC[AES256_GCM") || strings.HasPrefix(text, "ENC[") {
		return false
	}
	certificate := strings.HasPrefix(text, "-----BEGIN CERTIFICATE-----") || strings.HasPrefix(text, "-----BEGIN PUBLIC KEY-----")
	return text != "" && (!certificate || strings.Contains(text, "PRIVATE KEY-----"))
}

// decrypted reports whether the render has opened what is encrypted in Git: the applier decrypts, and an encrypted file that it reads has the object's name.
func decrypted(x *Context, o *estate.Object) bool {
	k := o.Applier.Kustomization
	if k == nil || k.Spec.Decryption == nil {
		return false
	}
	for _, docs := range sopsRead(x, o.Applier) {
		for _, d := range docs {
			// A prefix or suffix of kustomize may be around the name. A file without a name is one of a generator.
			if d.Name == "" || strings.Contains(o.ID.Name, d.Name) {
				return true
			}
		}
	}
	return generated(o)
}

// generated reports whether a Secret's name ends like those of kustomize's generators, whose files may be of any format.
func generated(o *estate.Object) bool {
	i := strings.LastIndexByte(o.ID.Name, '-')
	if i < 0 || len(o.ID.Name)-i != 11 {
		return false
	}
	return !strings.ContainsFunc(o.ID.Name[i+1:], func(r rune) bool { return !strings.ContainsRune("bcdfghkmt2456789", r) })
}

// privateKeys finds private keys in ConfigMaps.
func privateKeys(o *estate.Object) []Found {
	data, _ := o.At("data").(map[string]any)
	var keys []string
	for k, v := range data {
		if text, ok := v.(string); ok && strings.Contains(text, "PRIVATE KEY-----") && strings.Contains(text, "-----BEGIN ") {
			keys = append(keys, k)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	slices.Sort(keys)
	return one(Found{Message: fmt.Sprintf("%s has a private key in plain text in Git: %s", o.ID, clipped(phrase.List(keys, 4)))})
}

// tokenSecret finds Secrets of a tenant into which Kubernetes puts the token of an account that the tenant did not make.
func tokenSecret(_ *Context, o *estate.Object) []Found {
	if o.Tenant == nil || !o.Is("", "Secret") || o.Text("type") != "kubernetes.io/service-account-token" {
		return nil
	}
	name := o.Annotations()["kubernetes.io/service-account.name"]
	makers := makersOf(o.Cluster, "ServiceAccount", o.ID.Namespace, name)
	if name == "" || slices.ContainsFunc(makers, func(m *estate.Object) bool { return m.Tenant == o.Tenant }) {
		return nil
	}
	owner := "nobody's in Git"
	if len(makers) > 0 {
		owner = whose(makers[0].Tenant)
	}
	return one(Found{
		Message: fmt.Sprintf("%s of %s asks for the token of account %s/%s, which is %s", o.ID, who(o.Tenant), o.ID.Namespace, clipped(name), owner),
		Field:   "metadata.annotations[kubernetes.io/service-account.name]",
	})
}
