package impact

import (
	"cmp"
	"encoding/base64"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/bulkhead-dev/bulkhead/object"
)

// compare lists what of the rule's field an update changes, once for each field that
// people name: "spec.template", and below a whole spec "spec.serviceName".
func (r fixed) compare(before, after *object.Body, u update) []finding {
	if r.check != nil {
		return r.check(u)
	}
	var out []finding
	edits := object.Diff(before, after, object.DiffOptions{IgnoreOrder: true, Skip: r.elsewhere})
	for _, e := range edits {
		at := fieldOf(e.Path)
		if !within(at, r.field) {
			continue // a whole parent of the field came or went: no valid object lacks it
		}
		f := finding{field: r.name(at), says: cmp.Or(r.says, immutable)}
		switch {
		case e.Op == object.Reorder, r.same(at, e):
			continue
		case opaque(e.From) || opaque(e.To):
			f.maybe = "the values are not known here"
		case e.From == nil && r.covers(r.begins, at), (e.From == nil || e.To == nil) && r.covers(r.filled, at):
			f.maybe = "what the cluster has filled in is not known here"
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// elsewhere reports whether a path leads away from the rule's field, or to what may
// change below it.
func (r fixed) elsewhere(p object.Path) bool {
	at := fieldOf(p)
	return !within(at, r.field) && !within(r.field, at) || r.covers(r.but, at)
}

func (r fixed) covers(list []string, at string) bool {
	return slices.ContainsFunc(list, func(f string) bool { return within(at, f) })
}

// name is the field that a finding is told of.
func (r fixed) name(at string) string {
	if r.field != "spec" {
		return r.field
	}
	rest, _, _ := strings.Cut(strings.TrimPrefix(at, "spec."), ".")
	return "spec." + rest
}

// same reports whether an edit changes nothing for the API server: a value that is
// absent on one side and empty or the default on the other, or two ways to
// write a quantity.
func (r fixed) same(at string, e object.Edit) bool {
	if r.blank(at, e.From) && r.blank(at, e.To) {
		return true
	}
	a, okA := e.From.(string)
	b, okB := e.To.(string)
	if !okA || !okB || !strings.Contains(at, "resources.") && !strings.HasSuffix(at, "sizeLimit") {
		return false
	}
	x, errX := resource.ParseQuantity(a)
	y, errY := resource.ParseQuantity(b)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}

// blank reports whether to write v is the same as to leave it out.
func (r fixed) blank(at string, v any) bool {
	if v == nil || v == "" {
		return true
	}
	if d, ok := r.standard(at); ok {
		return d == nil || slices.EqualFunc([]any{d}, []any{v}, equal)
	}
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			if !r.covers(r.but, at+"."+k) && !r.blank(at+"."+k, e) {
				return false
			}
		}
		return true
	case []any:
		return len(v) == 0
	case int64:
		return v == 0
	case float64:
		return v == 0
	case bool:
		return !v
	}
	return false
}

func equal(a, b any) bool {
	return object.NewBody(map[string]any{"": a}).Equal(object.NewBody(map[string]any{"": b}))
}

// standard is the default of a field, by the longest end of its path; nil stands for
// one that depends on other fields.
func (r fixed) standard(at string) (v any, ok bool) {
	for end := at; end != ""; {
		if v, ok := r.defaults[end]; ok {
			return v, true
		}
		if v, ok := podDefaults[end]; ok && r.pods {
			return v, true
		}
		_, end, _ = strings.Cut(end, ".")
	}
	return nil, false
}

// podDefaults are what the API server fills into a pod or its template.
//
// Source: k8s.io/kubernetes v1.36.3 pkg/apis/core/v1/defaults.go and zz_generated.defaults.go.
var podDefaults = map[string]any{ //nolint:gochecknoglobals // a constant map
	"dnsPolicy": "ClusterFirst", "spec.restartPolicy": "Always", "terminationGracePeriodSeconds": int64(30), "schedulerName": "default-scheduler",
	"terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": nil, // by the image's tag
	"protocol": "TCP", "timeoutSeconds": int64(1), "periodSeconds": int64(10), "successThreshold": int64(1), "failureThreshold": int64(3),
	"httpGet.path": "/", "httpGet.scheme": "HTTP", "defaultMode": int64(420), "expirationSeconds": int64(3600), "fieldRef.apiVersion": "v1",
	"volumeMode": "Filesystem", "procMount": "Default", "image.pullPolicy": nil, "resourceFieldRef.divisor": "0",
	"iscsi.iscsiInterface": "default", "rbd.pool": "rbd", "rbd.user": "admin", "rbd.keyring": "/etc/ceph/keyring",
	"azureDisk.cachingMode": "ReadWrite", "azureDisk.fsType": "ext4", "azureDisk.kind": "Shared",
	"scaleIO.storageMode": "ThinProvisioned", "scaleIO.fsType": "xfs",
}

// fieldOf is a path without its steps into lists.
func fieldOf(p object.Path) string {
	var names []string
	for _, s := range p {
		if s.Kind == object.Field {
			names = append(names, s.Field)
		}
	}
	return strings.Join(names, ".")
}

// within reports whether a field is that one or below it.
func within(field, of string) bool {
	return field == of || strings.HasPrefix(field, of+".")
}

// opaque reports whether a value holds what only the cluster knows: a variable that was
// left as it is, or SOPS ciphertext.
func opaque(v any) bool {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "${") || strings.Contains(v, "ENC[AES256_GCM,") {
			return true
		}
		if len(v) < 20 || !strings.HasPrefix(v, "RU5DW0") { // "ENC[" in base64
			return false
		}
		plain, err := base64.StdEncoding.DecodeString(v)
		return err == nil && strings.HasPrefix(string(plain), "ENC[AES256_GCM,")
	case map[string]any:
		for _, e := range v {
			if opaque(e) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, opaque)
	}
	return false
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
