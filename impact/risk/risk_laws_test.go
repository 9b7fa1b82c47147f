package risk

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// TestNoChange: what does not change is no risk.
func TestNoChange(t *testing.T) {
	for _, r := range Rules() {
		for _, name := range []string{"bad", "good"} {
			s := sampleOf(t, r.ID, name)
			for _, side := range []*render.Result{s.before, s.after, nil} {
				if found := Assess(side, side, impact.Between(side, side, impact.Options{})); len(found) > 0 {
					t.Errorf("%s/%s: no change, and risks:\n%s", r.ID, name, printRisks(found))
				}
			}
		}
	}
}

// TestAgain: the same change has the same risks, in the same order.
func TestAgain(t *testing.T) {
	for _, r := range Rules() {
		s := sampleOf(t, r.ID, "bad")
		a, b := Assess(s.before, s.after, s.report), Assess(s.before, s.after, s.report)
		if printRisks(a) != printRisks(b) {
			t.Errorf("%s: first:\n%sthen:\n%s", r.ID, printRisks(a), printRisks(b))
		}
	}
}

// TestMangled: whatever the objects hold, nothing panics, and the texts are in order.
func TestMangled(t *testing.T) {
	var all []*sample
	for _, r := range Rules() {
		all = append(all, sampleOf(t, r.ID, "bad"), sampleOf(t, r.ID, "good"))
	}
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.SampledFrom(all).Draw(rt, "sample")
		m := &mangler{t: rt, done: map[*object.Object]*object.Object{}}
		before, after := m.result(s.before), m.result(s.after)
		report := *s.report
		report.Clusters = nil
		for _, c := range s.report.Clusters {
			report.Clusters = append(report.Clusters, m.cluster(c))
		}
		for _, k := range Assess(before, after, &report) {
			checkText(t, k)
		}
	})
}

// mangler makes copies in which values have other types.
type mangler struct {
	t    *rapid.T
	done map[*object.Object]*object.Object
}

func (m *mangler) result(r *render.Result) *render.Result {
	out := *r
	out.Clusters = nil
	for _, c := range r.Clusters {
		d := *c
		var objects []*object.Object
		for o := range c.Objects.All() {
			objects = append(objects, m.object(o))
		}
		d.Objects, d.Appliers = object.NewSet(objects...), nil
		for _, a := range c.Appliers {
			b := *a
			b.Objects, b.Held = m.objects(a.Objects), m.objects(a.Held)
			d.Appliers = append(d.Appliers, &b)
		}
		out.Clusters = append(out.Clusters, &d)
	}
	return &out
}

func (m *mangler) cluster(c *impact.Cluster) *impact.Cluster {
	out := *c
	out.Changes = nil
	for _, ch := range c.Changes {
		d := *ch
		d.Before, d.After = m.object(ch.Before), m.object(ch.After)
		if updated(&d) {
			d.Edits = object.Diff(d.Before.Body(), d.After.Body(), object.DiffOptions{})
		}
		out.Changes = append(out.Changes, &d)
	}
	return &out
}

func (m *mangler) objects(list []*object.Object) (out []*object.Object) {
	for _, o := range list {
		out = append(out, m.object(o))
	}
	return out
}

// object is a copy that still is an object of that ID.
func (m *mangler) object(o *object.Object) *object.Object {
	if o == nil {
		return nil
	}
	if done := m.done[o]; done != nil {
		return done
	}
	body := maps.Clone(o.Body().Map())
	for _, k := range slices.Sorted(maps.Keys(body)) {
		if k != "apiVersion" && k != "kind" && k != "metadata" {
			body[k] = m.value(body[k])
		}
	}
	if meta, ok := body["metadata"].(map[string]any); ok {
		meta = maps.Clone(meta)
		for _, k := range slices.Sorted(maps.Keys(meta)) {
			if k != "name" && k != "namespace" {
				meta[k] = m.value(meta[k])
			}
		}
		body["metadata"] = meta
	}
	made, err := object.New(object.NewBodySensitive(body, o.Body().Sensitive()), o.Origin)
	if err != nil {
		m.t.Fatal(err)
	}
	m.done[o] = made
	return made
}

// odd are values where another one is expected.
var odd = []any{
	nil, "", "x", "${UNKNOWN}", "ENC[x]", "line\nbreak\x1b[31m.", int64(-1), int64(1) << 62, 1.5, true,
	[]any{},
	map[string]any{},
	[]any{nil, "a", map[string]any{"name": int64(1)}},
	map[string]any{"name": "a", "spec": []any{map[string]any{}}},
}

// value is a copy of v: sometimes something else, or something else below it.
func (m *mangler) value(v any) any {
	if rapid.IntRange(0, 14).Draw(m.t, "other") == 0 {
		return rapid.SampledFrom(odd).Draw(m.t, "value")
	}
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			out[k] = m.value(v[k])
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			out[i] = m.value(e)
		}
		return out
	}
	return v
}
