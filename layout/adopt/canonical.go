package adopt

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/object"
)

// canonical is the content of an object with one spelling for what has one effect: defaults that are written out, durations, quantities,
// paths. Of an object that is there, names that it refers to are those that they become.
func (p *pairing) canonical(o *object.Object, there bool) map[string]any {
	c := runtime.DeepCopyJSON(o.Body().Map())
	delete(c, "status")
	meta, _ := c["metadata"].(map[string]any)
	delete(meta, "creationTimestamp")
	for _, field := range []string{"labels", "annotations"} {
		if m, ok := meta[field].(map[string]any); ok {
			maps.DeleteFunc(m, func(k string, _ any) bool { return ownership(k) })
		} else if meta != nil {
			meta[field] = map[string]any{} // so that each one is a difference of its own
		}
	}
	spec, ok := c["spec"].(map[string]any)
	if !ok {
		spec = map[string]any{} // so that it can be written; it is no part of c
	}
	switch o.ID.Kind {
	case "Namespace":
		if labels, ok := meta["labels"].(map[string]any); ok {
			delete(labels, "kubernetes.io/metadata.name")
		}
		if len(spec) == 0 {
			delete(c, "spec")
		}
	case "Kustomization":
		p.kustomization(o, spec, there)
	case "GitRepository", "OCIRepository":
		source(o.ID.Kind, spec)
	case "RoleBinding":
		p.subjects(o, c, there)
	case "ResourceQuota":
		quantities(spec["hard"])
	case "LimitRange":
		limits, _ := spec["limits"].([]any)
		for _, l := range limits {
			item, _ := l.(map[string]any)
			for _, amounts := range item {
				quantities(amounts)
			}
		}
	}
	return c
}

// ownership says whether it is Flux that writes a label: which Kustomization or HelmRelease applies the object.
func ownership(key string) bool {
	prefix, name, _ := strings.Cut(key, "/")
	return (prefix == kustomizeGroup || prefix == "helm.toolkit.fluxcd.io") && (name == "name" || name == "namespace")
}

func (p *pairing) kustomization(o *object.Object, spec map[string]any, there bool) {
	dropFalse(spec, "wait", "force", "suspend")
	durations(spec, "interval", "retryInterval", "timeout")
	if _, ok := spec["timeout"]; !ok {
		if every, err := time.ParseDuration(textOf(spec["interval"])); err == nil {
			spec["timeout"] = timeout(every).String()
		}
	}
	spec["deletionPolicy"] = cmp.Or(textOf(spec["deletionPolicy"]), "MirrorPrune")
	spec["path"] = clamp(textOf(spec["path"]))
	ref, ok := spec["sourceRef"].(map[string]any)
	if !ok {
		return
	}
	namespace := cmp.Or(textOf(ref["namespace"]), o.ID.Namespace)
	if namespace == o.ID.Namespace {
		delete(ref, "namespace")
	}
	if !there {
		return
	}
	if to, ok := p.partner[object.ID{Group: sourceGroup, Kind: textOf(ref["kind"]), Namespace: namespace, Name: textOf(ref["name"])}]; ok {
		ref["name"] = to.Name
		delete(ref, "namespace")
	}
	if to, ok := p.partner[object.ID{Kind: rbacv1.ServiceAccountKind, Namespace: o.ID.Namespace, Name: textOf(spec["serviceAccountName"])}]; ok {
		spec["serviceAccountName"] = to.Name
	}
}

func source(kind string, spec map[string]any) {
	dropFalse(spec, "suspend", "insecure", "recurseSubmodules")
	durations(spec, "interval", "timeout")
	if textOf(spec["provider"]) == "generic" {
		delete(spec, "provider")
	}
	if textOf(spec["timeout"]) == "1m0s" { // the default
		delete(spec, "timeout")
	}
	if ref, _ := spec["ref"].(map[string]any); len(ref) == 0 && kind == "GitRepository" {
		spec["ref"] = map[string]any{"branch": "master"}
	}
	if ignore, ok := spec["ignore"]; ok && ignore == nil {
		delete(spec, "ignore")
	}
}

// subjects spells out what Kubernetes adds to them.
func (p *pairing) subjects(o *object.Object, c map[string]any, there bool) {
	list, _ := c["subjects"].([]any)
	for _, s := range list {
		subject, ok := s.(map[string]any)
		if !ok {
			continue
		}
		if textOf(subject["kind"]) != rbacv1.ServiceAccountKind {
			subject["apiGroup"] = rbacv1.GroupName
			continue
		}
		if textOf(subject["apiGroup"]) == "" {
			delete(subject, "apiGroup")
		}
		namespace := cmp.Or(textOf(subject["namespace"]), o.ID.Namespace)
		subject["namespace"] = namespace
		if to, ok := p.partner[object.ID{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: textOf(subject["name"])}]; there && ok {
			subject["namespace"], subject["name"] = to.Namespace, to.Name
		}
	}
	if ref, ok := c["roleRef"].(map[string]any); ok {
		ref["apiGroup"] = rbacv1.GroupName
	}
}

func textOf(v any) string {
	text, _ := v.(string)
	return text
}

func dropFalse(m map[string]any, fields ...string) {
	for _, f := range fields {
		if m[f] == false {
			delete(m, f)
		}
	}
}

func durations(m map[string]any, fields ...string) {
	for _, f := range fields {
		if d, err := time.ParseDuration(textOf(m[f])); err == nil {
			m[f] = d.String()
		}
	}
}

// quantities writes amounts as Kubernetes does.
func quantities(v any) {
	m, _ := v.(map[string]any)
	for _, k := range slices.Sorted(maps.Keys(m)) {
		switch x := m[k].(type) {
		case string:
			if q, err := resource.ParseQuantity(x); err == nil {
				m[k] = q.String()
			}
		case int64:
			m[k] = resource.NewQuantity(x, resource.DecimalSI).String()
		}
	}
}
