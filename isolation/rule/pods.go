package rule

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// pod is what a workload makes pods of.
type pod struct {
	object *estate.Object
	// template has the pod's metadata and spec; of a Pod it is the object.
	template map[string]any
	spec     map[string]any
	// at is where the spec is in the object: "spec.template.spec".
	at string
}

// templates says where workloads keep their pods, by kind as GROUP/KIND.
var templates = map[string][]string{ //nolint:gochecknoglobals // a constant table
	"/Pod":                   nil,
	"/ReplicationController": {"spec", "template"},
	"apps/DaemonSet":         {"spec", "template"},
	"apps/Deployment":        {"spec", "template"},
	"apps/ReplicaSet":        {"spec", "template"},
	"apps/StatefulSet":       {"spec", "template"},
	"batch/CronJob":          {"spec", "jobTemplate", "spec", "template"},
	"batch/Job":              {"spec", "template"},
}

// podOf reads an object of a kind that makes pods, and reports false for others and for one without a template.
func podOf(o *estate.Object) (pod, bool) {
	fields, ok := templates[o.ID.Group+"/"+o.ID.Kind]
	if !ok {
		return pod{}, false
	}
	template, _ := estate.At(o.Body().Map(), fields...).(map[string]any)
	spec, ok := template["spec"].(map[string]any)
	return pod{object: o, template: template, spec: spec, at: strings.Join(append(slices.Clone(fields), "spec"), ".")}, ok
}

// decode gives the pod as the API server reads it, and false when it does not fit.
func (p pod) decode() (out corev1.PodTemplateSpec, ok bool) {
	return out, runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"metadata": p.template["metadata"], "spec": p.spec}, &out) == nil
}

// field is a path below the pod's spec.
func (p pod) field(below string) string { return p.at + "." + below }

// lists of a pod's containers.
var containerLists = []string{"initContainers", "containers", "ephemeralContainers"} //nolint:gochecknoglobals // a constant list

// containers of all kinds, with their places: "spec.containers[0]".
func (p pod) containers() iter.Seq2[string, map[string]any] {
	return func(yield func(string, map[string]any) bool) {
		for _, list := range containerLists {
			for i, c := range estate.List(p.spec, list) {
				if !yield(p.field(fmt.Sprintf("%s[%d]", list, i)), c) {
					return
				}
			}
		}
	}
}

// volumes of the pod, with their places.
func (p pod) volumes() iter.Seq2[string, map[string]any] {
	return func(yield func(string, map[string]any) bool) {
		for i, v := range estate.List(p.spec, "volumes") {
			if !yield(p.field(fmt.Sprintf("volumes[%d]", i)), v) {
				return
			}
		}
	}
}

// account that the pod runs as. Of two fields the newer one counts, as in the API server's defaults.
func (p pod) account() estate.Account {
	for _, field := range []string{"serviceAccountName", "serviceAccount"} {
		if name := estate.Text(p.spec, field); name != "" {
			return estate.Account{Namespace: p.object.ID.Namespace, Name: name}
		}
	}
	return estate.Account{Namespace: p.object.ID.Namespace, Name: "default"}
}

// decided are the objects that the tenant decides on the cluster, with those that wait and those that Helm runs.
func decided(p *estate.Compartment) iter.Seq[*estate.Object] {
	return func(yield func(*estate.Object) bool) {
		for _, a := range p.Appliers {
			for _, list := range [][]*estate.Object{a.Objects, a.Held, a.Hooks} {
				for _, o := range list {
					if !yield(o) {
						return
					}
				}
			}
		}
	}
}

// legible is text of an object for a message: one short line.
func legible(text string) string { return legibleUpTo(text, 80) }

func legibleUpTo(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
	return phrase.Clip(strings.TrimRight(text, ". "), most)
}

// brief names an object without its group: "Deployment/shop/web".
func brief(o *estate.Object) string {
	id := o.ID
	id.Group = ""
	return id.String()
}

// namespaceID is the identity of a namespace that nobody brings.
func namespaceID(name string) *object.ID { return &object.ID{Kind: "Namespace", Name: name} }

// later reports whether a text has a variable that only the cluster fills in, or is encrypted.
func later(text string) bool { return strings.Contains(text, "${") || strings.HasPrefix(text, "ENC[") }
