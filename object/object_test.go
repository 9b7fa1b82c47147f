package object

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNew(t *testing.T) {
	for name, c := range map[string]struct {
		doc, id, apiVersion, err string
	}{
		"namespaced":   {doc: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, namespace: shop}}", id: "apps/Deployment/shop/web", apiVersion: "apps/v1"},
		"core":         {doc: "{apiVersion: v1, kind: Service, metadata: {name: web, namespace: shop}}", id: "Service/shop/web", apiVersion: "v1"},
		"cluster":      {doc: "{apiVersion: v1, kind: Namespace, metadata: {name: shop, namespace: null}}", id: "Namespace/shop", apiVersion: "v1"},
		"no version":   {doc: "{kind: Service, metadata: {name: web}}", err: "read object: apiVersion is missing"},
		"odd version":  {doc: "{apiVersion: a/b/c, kind: Service, metadata: {name: web}}", err: `read object: apiVersion "a/b/c" is not GROUP/VERSION`},
		"half version": {doc: "{apiVersion: apps/, kind: Service, metadata: {name: web}}", err: `read object: apiVersion "apps/" is not GROUP/VERSION`},
		"no kind":      {doc: "{apiVersion: v1, kind: '', metadata: {name: web}}", err: "read object: kind is empty"},
		"no metadata":  {doc: "{apiVersion: v1, kind: List, metadata: []}", err: "read object: List: metadata is missing or not a map"},
		"no name":      {doc: "{apiVersion: v1, kind: Pod, metadata: {generateName: a-}}", err: "read object: name is missing (in metadata of a Pod)"},
		"number":       {doc: "{apiVersion: v1, kind: Pod, metadata: {name: 1}}", err: "read object: name is not a string (in metadata of a Pod)"},
		"slash":        {doc: "{apiVersion: v1, kind: Pod, metadata: {name: a, namespace: b/c}}", err: `read object: namespace "b/c" holds a slash (in metadata of Pod a)`},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := New(NewBody(parse(t, c.doc)), Origin{})
			if err != nil || c.err != "" {
				if err == nil || err.Error() != c.err {
					t.Fatalf("error %v, want %q", err, c.err)
				}
				return
			}
			if o.String() != c.id || o.APIVersion() != c.apiVersion {
				t.Errorf("%s of %s, want %s of %s", o, o.APIVersion(), c.id, c.apiVersion)
			}
			if id, err := ParseID(c.id); err != nil || id != o.ID {
				t.Errorf("ParseID(%q) = %#v, %v; want %#v", c.id, id, err, o.ID)
			}
		})
	}
	if _, err := New(nil, Origin{}); err == nil {
		t.Error("no body is no error")
	}
}

func TestParseIDErrors(t *testing.T) {
	for _, s := range []string{"", "Pod", "/", "Pod/", "/a", "a//b", "apps/Deployment/", "a/b/c/d/e"} {
		if id, err := ParseID(s); err == nil {
			t.Errorf("ParseID(%q) = %#v, want an error", s, id)
		}
	}
}

func TestOriginJSON(t *testing.T) {
	o := Origin{
		Cluster: "prod",
		Chain:   []Applier{{"Kustomization", "flux-system", "flux-system"}, {"HelmRelease", "apps", "web"}},
		Source:  Source{URL: "https://example.com/r", Revision: "main@sha1:1"},
		File:    "apps/web.yaml",
	}
	got, err := json.Marshal(o)
	want := `{"cluster":"prod","chain":[{"kind":"Kustomization","namespace":"flux-system","name":"flux-system"},` +
		`{"kind":"HelmRelease","namespace":"apps","name":"web"}],` +
		`"source":{"url":"https://example.com/r","revision":"main@sha1:1"},"file":"apps/web.yaml"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	var back Origin
	if err := json.Unmarshal(got, &back); err != nil || cmp.Diff(o, back) != "" {
		t.Errorf("read back as %v, %v", back, err)
	}
	if empty, _ := json.Marshal(Origin{}); string(empty) != "{}" {
		t.Errorf("the zero origin is %s", empty)
	}
	if got := o.Owner().String(); got != "HelmRelease/apps/web" {
		t.Errorf("owner %q", got)
	}
	if got := (Origin{}).Owner().String(); got != "" {
		t.Errorf("owner of the zero origin %q", got)
	}
	if id, _ := json.Marshal(ID{Group: "apps", Kind: "Deployment", Name: "a"}); string(id) != `{"group":"apps","kind":"Deployment","name":"a"}` {
		t.Errorf("ID is %s", id)
	}
}

// pod makes a Pod with a name and a value.
func pod(tb testing.TB, name, value string) *Object {
	tb.Helper()
	o, err := New(NewBody(map[string]any{
		"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": name}, "value": value,
	}), Origin{})
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

// show writes a set as text.
func show(s Set) []string {
	var out []string
	for o := range s.All() {
		out = append(out, o.ID.Name+o.Body().Map()["value"].(string))
	}
	return out
}

func TestSet(t *testing.T) {
	s := NewSet(pod(t, "c", "1"), nil, pod(t, "a", "1"), pod(t, "c", "2"))
	if got := show(s); !slices.Equal(got, []string{"a1", "c2"}) {
		t.Errorf("NewSet %v", got)
	}
	more := s.With(pod(t, "b", "1"), pod(t, "c", "3"), pod(t, "d", "1"), pod(t, "b", "2"))
	if got := show(more); !slices.Equal(got, []string{"a1", "b2", "c3", "d1"}) {
		t.Errorf("With %v", got)
	}
	less := more.Without(pod(t, "a", "").ID, pod(t, "x", "").ID)
	if got := show(less); !slices.Equal(got, []string{"b2", "c3", "d1"}) {
		t.Errorf("Without %v", got)
	}
	same := more.Exchange([]*Object{pod(t, "c", "3"), pod(t, "a", "1")}, []*Object{pod(t, "c", "4"), pod(t, "a", "2")})
	other := more.Exchange([]*Object{pod(t, "c", "3"), pod(t, "a", "1")}, []*Object{pod(t, "b", "9"), pod(t, "e", "1")})
	if a, b := show(same), show(other); !slices.Equal(a, []string{"a2", "b2", "c4", "d1"}) || !slices.Equal(b, []string{"b9", "d1", "e1"}) {
		t.Errorf("Exchange %v, of others %v", a, b)
	}
	if got := show(more); !slices.Equal(got, []string{"a1", "b2", "c3", "d1"}) {
		t.Errorf("the set is %v after Exchange", got)
	}
	if got := show(s); !slices.Equal(got, []string{"a1", "c2"}) {
		t.Errorf("the first set is %v afterwards", got)
	}
	if o, ok := more.Get(pod(t, "c", "").ID); !ok || o.Body().Map()["value"] != "3" {
		t.Errorf("Get c: %v %v", o, ok)
	}
	if o, ok := more.Get(pod(t, "x", "").ID); ok || o != nil {
		t.Errorf("Get x: %v %v", o, ok)
	}
	if more.Equal(s) || !more.Equal(NewSet(slices.Collect(more.All())...)) || s.Equal(NewSet(pod(t, "a", "1"), pod(t, "c", "1"))) {
		t.Error("Equal is wrong")
	}
	var zero Set
	if zero.Len() != 0 || !zero.Equal(NewSet()) || zero.With(pod(t, "a", "1")).Len() != 1 {
		t.Error("the zero set is not empty")
	}
}

func TestJoin(t *testing.T) {
	a := NewSet(pod(t, "a", "1"), pod(t, "b", "1"))
	b := NewSet(pod(t, "b", "2"), pod(t, "c", "1"))
	name := func(o *Object) string {
		if o == nil {
			return "-"
		}
		return o.ID.Name
	}
	var got []string
	for x, y := range Join(a, b) {
		got = append(got, name(x)+name(y))
	}
	if want := []string{"a-", "bb", "-c"}; !slices.Equal(got, want) {
		t.Errorf("Join %v, want %v", got, want)
	}
	for range Join(a, b) {
		break
	}
}
