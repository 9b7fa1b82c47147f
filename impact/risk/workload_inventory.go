package risk

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
)

// inventory finds objects of a cluster by their namespace. It keeps those of the cluster that it
// was asked of last; the zero inventory is ready.
type inventory struct {
	of    *context
	sides [2]map[string]*shelf
	users map[use][]*object.Object // after the change; nil until it is asked for
	// doomed are the Namespaces and kinds that are deleted, see [inventory.goneWith].
	doomed map[[2]string]bool
}

// shelf is one namespace.
type shelf struct {
	named   map[[2]string]bool           // kind and name of its objects
	scalers map[[2]string]*object.Object // by the kind and name of what they scale
	running []running                    // what has pods, but for jobs, which nobody calls or drains
	labeled map[string][]running         // the same, by "KEY=VALUE" of each label
	calls   map[string][]service         // by "KEY=VALUE" of one label that they select
}

// running is an object with the labels of its pods.
type running struct {
	*object.Object
	labels labels.Set
}

// service is a Service with its selector.
type service struct {
	name     string
	selector labels.Selector
}

// use is what a pod needs, and where.
type use struct {
	namespace string
	need
}

// turn forgets another cluster.
func (v *inventory) turn(x *context) {
	if v.of != x {
		*v = inventory{of: x}
	}
}

// shelf is that of a namespace before (0) or after (1) the change; never nil.
func (v *inventory) shelf(x *context, side int, namespace string) *shelf {
	v.turn(x)
	if v.sides[side] == nil {
		v.sides[side] = map[string]*shelf{}
		for _, o := range x.rendered(side, func(*object.Object) bool { return true }) {
			s := v.sides[side][o.ID.Namespace]
			if s == nil {
				s = &shelf{map[[2]string]bool{}, map[[2]string]*object.Object{}, nil, map[string][]running{}, map[string][]service{}}
				v.sides[side][o.ID.Namespace] = s
			}
			s.put(o)
		}
	}
	if s := v.sides[side][namespace]; s != nil {
		return s
	}
	return &shelf{}
}

func (s *shelf) put(o *object.Object) {
	s.named[[2]string{o.ID.Kind, o.ID.Name}] = true
	if kind, name := targets(o); name != "" {
		s.scalers[[2]string{kind, name}] = o
	}
	if p := podOf(o); p.has() && o.ID.Group != "batch" {
		r := running{o, labelsOf(p)}
		s.running = append(s.running, r)
		for k, v := range r.labels {
			s.labeled[k+"="+v] = append(s.labeled[k+"="+v], r)
		}
	}
	if o.ID.Group == "" && o.ID.Kind == "Service" {
		selector := fits(o)
		if label := labelIn(selector); label != "" {
			s.calls[label] = append(s.calls[label], service{o.ID.Name, selector})
		}
	}
}

// labelIn is "KEY=VALUE" of one label that a selector asks for; "" when it asks for no single value.
func labelIn(selector labels.Selector) string {
	requirements, _ := selector.Requirements()
	for _, r := range requirements {
		if v, ok := selector.RequiresExactMatch(r.Key()); ok {
			return r.Key() + "=" + v
		}
	}
	return ""
}

func labelsOf(p pod) labels.Set {
	set := labels.Set{}
	for k, v := range dict(p.meta, "labels") {
		if s, ok := v.(string); ok {
			set[k] = s
		}
	}
	return set
}

// selectorOf reads a label selector; one that is absent or wrong picks nothing, an empty one everything.
func selectorOf(m map[string]any) labels.Selector {
	var s metav1.LabelSelector
	if m == nil || runtime.DefaultUnstructuredConverter.FromUnstructured(m, &s) != nil {
		return labels.Nothing()
	}
	compiled, err := metav1.LabelSelectorAsSelector(&s)
	if err != nil {
		return labels.Nothing()
	}
	return compiled
}

// most is how many workloads one selector is taken to pick; more are left out.
const most = 64

// covered are the workloads of a namespace whose pods a label selector picks, [most] of them.
func (v *inventory) covered(x *context, side int, namespace string, selector labels.Selector) (out []running) {
	s := v.shelf(x, side, namespace)
	candidates := s.running
	if label := labelIn(selector); label != "" {
		candidates = s.labeled[label]
	}
	for _, o := range candidates {
		if selector.Matches(o.labels) {
			if out = append(out, o); len(out) == most {
				break
			}
		}
	}
	return out
}

// podsOf is how many replicas workloads have together; 0 when that is not known.
func (v *inventory) podsOf(x *context, side int, workloads []running) (sum int) {
	const all = 1 << 20
	if len(workloads) == most {
		return 0
	}
	for _, o := range workloads {
		n, _, known := replicas(o.Object)
		if !known || n < 0 || n > all || v.scaler(x, side, o.ID) != nil {
			return 0
		}
		sum += int(n)
	}
	return sum
}

// scaler is what scales an object by itself, nil for nothing that is rendered.
func (v *inventory) scaler(x *context, side int, id object.ID) *object.Object {
	return v.shelf(x, side, id.Namespace).scalers[[2]string{id.Kind, id.Name}]
}

// needing are the workloads after the change whose pods do not start without an object, or a key of it.
func (v *inventory) needing(x *context, id object.ID, key string) []*object.Object {
	v.turn(x)
	if v.users == nil {
		v.users = map[use][]*object.Object{}
		for _, o := range x.rendered(1, func(o *object.Object) bool { return podOf(o).has() }) {
			for _, n := range needs(podOf(o)) {
				at := use{o.ID.Namespace, n}
				v.users[at] = append(v.users[at], o)
			}
		}
	}
	return v.users[use{id.Namespace, need{id.Kind, id.Name, key}}]
}

// moot reports whether what an object was for was rendered before and is no longer.
func (v *inventory) moot(x *context, ch *impact.Change, selector labels.Selector) bool {
	return len(v.covered(x, 0, ch.ID.Namespace, selector)) > 0 && len(v.covered(x, 1, ch.ID.Namespace, selector)) == 0
}

// goneWith reports whether the change's object goes because its Namespace or its kind is
// deleted, of which there is a risk already.
func (v *inventory) goneWith(x *context, ch *impact.Change) bool {
	v.turn(x)
	if v.doomed == nil {
		v.doomed = map[[2]string]bool{}
		for _, o := range x.Changes {
			if o.Kind != impact.Removed || o.Fate != impact.Deleted {
				continue
			}
			if isKind(o, "", "Namespace") {
				v.doomed[[2]string{"", o.ID.Name}] = true
			}
			if group, kind := defines(o.Before); kind != "" {
				v.doomed[[2]string{group + "/", kind}] = true
			}
		}
	}
	return ch.ID.Namespace != "" && v.doomed[[2]string{"", ch.ID.Namespace}] || v.doomed[[2]string{ch.ID.Group + "/", ch.ID.Kind}]
}

// goneWith is [inventory.goneWith] for a rule that asks now and then.
func (x *context) goneWith(ch *impact.Change) bool { return (&inventory{}).goneWith(x, ch) }
