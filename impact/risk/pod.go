package risk

import (
	"strconv"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// pod is the pod of a workload on one side: a Pod itself, or the template of one. The zero pod
// is that of an object without.
type pod struct {
	// meta and spec are of the Pod or template: nil when they are absent or no maps. Read only.
	meta, spec map[string]any
	// path leads to what holds metadata and spec: "spec.template", and nothing for a Pod.
	path object.Path
}

// podOf is the pod of an object; nil stands for an object without.
//
// Beside the built-in kinds, whatever has containers in spec.template.spec is taken for a workload: a
// Rollout of Argo, a Service of Knative.
func podOf(o *object.Object) pod {
	if o == nil {
		return pod{}
	}
	var at []string
	switch o.ID.Group + "/" + o.ID.Kind {
	case "/Pod":
	case "/PodTemplate":
		at = []string{"template"}
	case "batch/CronJob":
		at = []string{"spec", "jobTemplate", "spec", "template"}
	case "/ReplicationController", "apps/Deployment", "apps/StatefulSet", "apps/DaemonSet", "apps/ReplicaSet", "batch/Job":
		at = []string{"spec", "template"}
	default:
		at = []string{"spec", "template"}
		if len(list(o.Body().Map(), "spec", "template", "spec", "containers")) == 0 {
			return pod{}
		}
	}
	m := o.Body().Map()
	if len(at) > 0 {
		m = dict(m, at...)
	}
	return pod{meta: dict(m, "metadata"), spec: dict(m, "spec"), path: fields(at...)}
}

// has reports whether there is a pod at all.
func (p pod) has() bool { return p.spec != nil }

// field is the path of a field of the pod, such as "spec.template.spec.hostNetwork".
func (p pod) field(names ...string) string { return path(p.path, fields(names...)).String() }

// pods is the pod of a change's object on both sides.
func pods(ch *impact.Change) (before, after pod) { return podOf(ch.Before), podOf(ch.After) }

// container is one container of a pod on both sides, paired by its name, which is unique
// within a pod.
type container struct {
	name string
	// before and after are nil on a side without it. Read only.
	before, after map[string]any
	// kindBefore and kindAfter are the list that it is in: "containers", "initContainers" or
	// "ephemeralContainers"; "" on a side without it.
	kindBefore, kindAfter string

	path object.Path
}

// field is the path of a field of the container on the side after, or before when it is only
// there: "spec.template.spec.containers[name=app].image". Without names it is that of the container.
func (c *container) field(names ...string) string { return path(c.path, fields(names...)).String() }

// kind is the list that the container is in after, or before when it is only there.
func (c *container) kind() string {
	if c.kindAfter != "" {
		return c.kindAfter
	}
	return c.kindBefore
}

// containers are those of a change's object: of all lists, in the order of the side after, then
// those that are only before. What is no map is left out.
func containers(ch *impact.Change) []*container {
	before, after := pods(ch)
	var out []*container
	byKey := map[string]*container{}
	for i, p := range []pod{after, before} {
		for _, kind := range []string{"containers", "initContainers", "ephemeralContainers"} {
			for n, e := range list(p.spec, kind) {
				m, ok := e.(map[string]any)
				if !ok {
					continue
				}
				step, key := object.Step{Kind: object.Index, Index: n}, kind+"#"+strconv.Itoa(n)
				name := text(m, "name")
				if name != "" {
					step, key = object.Step{Kind: object.Key, Keys: []object.KeyValue{{Name: "name", Value: name}}}, "="+name
				}
				c := byKey[key]
				if c == nil {
					c = &container{name: name, path: path(p.path, fields("spec", kind), object.Path{step})}
					byKey[key] = c
					out = append(out, c)
				}
				switch {
				case i == 0 && c.after == nil:
					c.after, c.kindAfter = m, kind
				case i == 1 && c.before == nil:
					c.before, c.kindBefore = m, kind
				}
			}
		}
	}
	return out
}

// fields is a path of names of fields.
func fields(names ...string) object.Path {
	p := make(object.Path, 0, len(names))
	for _, n := range names {
		p = append(p, object.Step{Kind: object.Field, Field: n})
	}
	return p
}

// path is paths one after the other.
func path(parts ...object.Path) object.Path {
	var out object.Path
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}
