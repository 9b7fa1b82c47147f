package values

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/pkg/apis/meta"
	"github.com/fluxcd/pkg/chartutil"
	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"pgregory.net/rapid"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// objects are manifests by "Kind/name"; all are in the namespace apps.
type objects map[string]map[string]any

var errNoAnswer = errors.New("the cluster would know")

func (o objects) get(kind, namespace, name string) (map[string]any, error) {
	if namespace != "apps" {
		return nil, fmt.Errorf("namespace %s", namespace)
	}
	if name == "unknown" {
		return nil, errNoAnswer
	}
	return o[kind+"/"+name], nil
}

func configMap(data map[string]any) map[string]any {
	return map[string]any{"kind": "ConfigMap", "data": data}
}

func encoded(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func parsed(tb testing.TB, text string) map[string]any {
	tb.Helper()
	out := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &out); err != nil {
		tb.Fatal(err)
	}
	return out
}

// store is what the tests refer to.
var store = objects{
	"ConfigMap/a": configMap(map[string]any{
		"values.yaml": "a: 1\nm: {x: 1, y: 2}\nl: [1, 2]\n", "other": "a: 2\nm: {x: null}\n", "number": "8080", "list": "{1,b}", "comma": "x,q=z",
		"quoted": `"8080"`, "broken": "a: [", "empty": "", "null": "null", "scalar": "1",
		"bomb": "a: &a " + strings.Repeat("x", 1<<10) + "\nb: &b [" + strings.Repeat("*a,", 1000) + "]\nc: [" + strings.Repeat("*b,", 1000) + "]\n",
	}),
	"Secret/s": {
		"data":       map[string]any{"values.yaml": encoded("db: {password: hunter2, port: 5432, tls: true, tries: 3}\n"), "token": encoded("from-data")},
		"stringData": map[string]any{"token": "s3cr3t", "commas": "s3cr3t,s3cr3t", "broken": "s3cr3t: [s3cr3t", "scalar": "s3cr3t, a text"},
	},
	"Secret/bad":    {"data": map[string]any{"values.yaml": "s3cr3t!"}},
	"Secret/worse":  {"data": "s3cr3t"},
	"ConfigMap/bad": configMap(map[string]any{"values.yaml": 1}),
}

func TestCompose(t *testing.T) {
	t.Parallel()
	from := func(kind, name, key, target string) meta.ValuesReference {
		return meta.ValuesReference{Kind: kind, Name: name, ValuesKey: key, TargetPath: target}
	}
	optional := func(r meta.ValuesReference) meta.ValuesReference { r.Optional = true; return r }
	literal := func(r meta.ValuesReference) meta.ValuesReference { r.Literal = true; return r }
	type refs = []meta.ValuesReference
	for name, c := range map[string]struct {
		inline    string
		refs      refs
		want      string
		sensitive []string
	}{
		"nothing":                     {want: "{}"},
		"inline":                      {inline: "a: {b: null}\n", want: "a: {b: null}"},
		"a reference":                 {refs: refs{from("ConfigMap", "a", "", "")}, want: "a: 1\nm: {x: 1, y: 2}\nl: [1, 2]"},
		"inline wins":                 {inline: "m: {y: 3}\nl: [3]", refs: refs{from("ConfigMap", "a", "", "")}, want: "a: 1\nm: {x: 1, y: 3}\nl: [3]"},
		"the later wins":              {refs: refs{from("ConfigMap", "a", "", ""), from("ConfigMap", "a", "other", "")}, want: "a: 2\nm: {x: null, y: 2}\nl: [1, 2]"},
		"a number at a path":          {refs: refs{from("ConfigMap", "a", "number", "p.port")}, want: "p: {port: 8080}"},
		"quoted at a path":            {refs: refs{from("ConfigMap", "a", "quoted", "p.port")}, want: "p: {port: '8080'}"},
		"a list at a path":            {refs: refs{from("ConfigMap", "a", "list", "p[1]")}, want: "p: [null, [1, b]]"},
		"more than one at a path":     {refs: refs{from("ConfigMap", "a", "comma", "p")}, want: "p: x\nq: z"},
		"literal at a path":           {refs: refs{literal(from("ConfigMap", "a", "comma", "p"))}, want: "p: 'x,q=z'"},
		"a dot in a path":             {refs: refs{from("ConfigMap", "a", "number", `p.a\.b/c`)}, want: "p: {a.b/c: 8080}"},
		"inline wins over a path":     {inline: "p: 1", refs: refs{from("ConfigMap", "a", "number", "p")}, want: "p: 1"},
		"but not over a nested one":   {inline: "p: {q: 1}", refs: refs{from("ConfigMap", "a", "number", "p.q")}, want: "p: {q: 8080}"},
		"unless a reference had that": {inline: "m: {x: 9}", refs: refs{from("ConfigMap", "a", "", ""), from("ConfigMap", "a", "number", "m.x")}, want: "a: 1\nm: {x: 9, y: 2}\nl: [1, 2]"},
		"optional, not there":         {refs: refs{optional(from("ConfigMap", "none", "", "")), optional(from("Secret", "none", "", "a"))}, want: "{}"},
		"optional key, not there":     {refs: refs{optional(from("ConfigMap", "a", "none", ""))}, want: "{}"},
		"empty and null":              {refs: refs{from("ConfigMap", "a", "empty", ""), from("ConfigMap", "a", "null", "")}, want: "{}"},
		"a secret": {
			refs: refs{from("Secret", "s", "", "")}, want: "db: {password: hunter2, port: 5432, tls: true, tries: 3}", sensitive: []string{"5432", "hunter2"},
		},
		"a secret's stringData": {refs: refs{from("Secret", "s", "token", "token")}, want: "token: s3cr3t", sensitive: []string{"s3cr3t"}},
		"a secret that is literal": {
			refs: refs{literal(from("Secret", "s", "commas", "a.b"))}, want: "a: {b: 's3cr3t,s3cr3t'}", sensitive: []string{"s3cr3t,s3cr3t"},
		},
	} {
		inline := parsed(t, c.inline)
		before := clone(inline)
		got, sensitive, err := Compose(t.Context(), "apps", inline, c.refs, store.get)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		// By way of YAML: whether a number is an int64 or a float64 shows nowhere.
		text, err := yaml.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(parsed(t, c.want), parsed(t, string(text))); diff != "" {
			t.Errorf("%s: values (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(c.sensitive, sensitive); diff != "" {
			t.Errorf("%s: sensitive values (-want +got):\n%s", name, diff)
		}
		if diff := cmp.Diff(before, any(inline)); diff != "" {
			t.Errorf("%s: the inline values were changed:\n%s", name, diff)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", maxTargetPath+1)
	for name, c := range map[string]struct {
		ref    meta.ValuesReference
		want   string
		reason error
	}{
		"no ConfigMap":         {meta.ValuesReference{Kind: "ConfigMap", Name: "none"}, "'apps/none'", chartutil.ErrResourceNotFound},
		"no Secret":            {meta.ValuesReference{Kind: "Secret", Name: "none"}, "'apps/none'", chartutil.ErrResourceNotFound},
		"no key":               {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "none"}, "'none'", chartutil.ErrKeyNotFound},
		"no such kind":         {meta.ValuesReference{Kind: "Pod", Name: "a"}, "unsupported values reference kind", chartutil.ErrUnsupportedRefKind},
		"not known":            {meta.ValuesReference{Kind: "ConfigMap", Name: "unknown"}, "look up ConfigMap apps/unknown", errNoAnswer},
		"optional, not known":  {meta.ValuesReference{Kind: "ConfigMap", Name: "unknown", Optional: true}, "look up ConfigMap apps/unknown", errNoAnswer},
		"no YAML":              {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "broken"}, "yaml: line 1", chartutil.ErrValuesDataRead},
		"no map":               {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "scalar"}, "cannot unmarshal", chartutil.ErrValuesDataRead},
		"aliases":              {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "bomb"}, "expand to more than 64 MiB", tree.ErrTooLarge},
		"no value":             {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "comma", TargetPath: "a."}, "", chartutil.ErrValueMerge},
		"a path with a value":  {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "number", TargetPath: "a=1,b"}, "not one that the HelmRelease's schema admits", chartutil.ErrValueMerge},
		"a long path":          {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "number", TargetPath: long}, "not one that the HelmRelease's schema admits", chartutil.ErrValueMerge},
		"a large index":        {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "number", TargetPath: "a[99999]"}, "index of 99999", chartutil.ErrValueMerge},
		"many large indexes":   {meta.ValuesReference{Kind: "ConfigMap", Name: "a", ValuesKey: "number", TargetPath: strings.Repeat("[65536]", 35)}, "list indexes ask", tree.ErrTooLarge},
		"not a string":         {meta.ValuesReference{Kind: "ConfigMap", Name: "bad"}, "data.values.yaml is not a string", nil},
		"secret, no base64":    {meta.ValuesReference{Kind: "Secret", Name: "bad"}, "data.values.yaml is not base64", nil},
		"secret, no map":       {meta.ValuesReference{Kind: "Secret", Name: "worse"}, "data is not a map", nil},
		"secret, no YAML":      {meta.ValuesReference{Kind: "Secret", Name: "s", ValuesKey: "broken"}, "read values data", chartutil.ErrValuesDataRead},
		"secret, no map there": {meta.ValuesReference{Kind: "Secret", Name: "s", ValuesKey: "scalar"}, "read values data", chartutil.ErrValuesDataRead},
		"secret, no value":     {meta.ValuesReference{Kind: "Secret", Name: "s", ValuesKey: "commas", TargetPath: "a"}, "merge value", chartutil.ErrValueMerge},
	} {
		_, _, err := Compose(t.Context(), "apps", nil, []meta.ValuesReference{c.ref}, store.get)
		if err == nil || !strings.Contains(err.Error(), c.want) || c.reason != nil && !errors.Is(err, c.reason) {
			t.Errorf("%s: got %v, want %q wrapping %v", name, err, c.want, c.reason)
		}
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), "s3cr3t") {
			t.Errorf("%s: the error says the secret: %v", name, err)
		}
		for at := err; at != nil; at = errors.Unwrap(at) {
			if strings.Contains(at.Error(), "s3cr3t") {
				t.Errorf("%s: a cause says the secret: %v", name, at)
			}
		}
	}
}

// TestBounds: what is small in a repository, and large once it is read.
func TestBounds(t *testing.T) {
	t.Parallel()
	many := func(n int, ref meta.ValuesReference) []meta.ValuesReference {
		refs := make([]meta.ValuesReference, n)
		for i := range refs {
			refs[i] = ref
		}
		return refs
	}
	wide := map[string]any{}
	for i := range 50_000 {
		wide[fmt.Sprint(i)] = i
	}
	big := objects{
		"ConfigMap/b": configMap(map[string]any{
			"values.yaml": "a: " + strings.Repeat("x", 1<<20), "lists": "1" + strings.Repeat(",a[65536]=1", 80_000),
			"ascending": func() string {
				var b strings.Builder
				b.WriteString("1")
				for i := range 60_000 {
					fmt.Fprintf(&b, ",a[%d]=1", i)
				}
				return b.String()
			}(),
			"nested": "1," + strings.Repeat("a[65536]", 1)[:1] + strings.Repeat("[65536]", 100_000) + "=1",
			"hidden": "1" + strings.Repeat(`,a[6\5\536]=1`, 80_000),
			"dots":   "1," + strings.Repeat("a.", 500_000) + "b=1",
			"one":    "1", "large": strings.Repeat("x", 30<<20),
		}),
	}
	ref := func(key, target string) meta.ValuesReference {
		return meta.ValuesReference{Kind: "ConfigMap", Name: "b", ValuesKey: key, TargetPath: target}
	}
	for name, c := range map[string]struct {
		inline map[string]any
		refs   []meta.ValuesReference
		want   string
	}{
		"one ConfigMap many times":       {nil, many(10_000, ref("", "")), "too many references"},
		"large ConfigMaps":               {nil, many(3, ref("large", "p")), "more than 64 MiB"},
		"many lists":                     {nil, many(1, ref("lists", "p")), "list indexes"},
		"a list that grows":              {nil, many(1, ref("ascending", "p")), "list indexes"},
		"lists in lists":                 {nil, many(1, ref("nested", "p")), "list indexes"},
		"indexes in disguise":            {nil, many(1, ref("hidden", "p")), "list indexes"},
		"deep maps":                      {nil, many(1, ref("dots", "p")), "nested level"},
		"many references to many values": {wide, many(20_000, ref("one", "p")), "too many references"},
	} {
		start := time.Now()
		_, _, err := Compose(t.Context(), "apps", c.inline, c.refs, big.get)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %.200v, want %q", name, err, c.want)
		}
		if took := time.Since(start); took > 5*time.Minute {
			t.Errorf("%s: took %v", name, took)
		}
	}
	stop, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := Compose(stop, "apps", nil, many(1, ref("", "")), big.get); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// typed is a client over typed objects, as the API server would store them.
type typed struct {
	client.Client
	objects objects
}

func (c typed) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	kind := "ConfigMap"
	if _, ok := obj.(*corev1.Secret); ok {
		kind = "Secret"
	}
	manifest, ok := c.objects[kind+"/"+key.Name]
	if !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
	}
	data, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, obj); err != nil {
		return err
	}
	if s, ok := obj.(*corev1.Secret); ok {
		for k, v := range s.StringData {
			if s.Data == nil {
				s.Data = map[string][]byte{}
			}
			s.Data[k] = []byte(v)
		}
	}
	return nil
}

// TestComposeLikeUpstream: for references that the API server admits, Compose is what
// helm-controller computes.
func TestComposeLikeUpstream(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
		var refs []meta.ValuesReference
		for range rapid.IntRange(0, 4).Draw(t, "references") {
			kind := draw("kind", "ConfigMap", "Secret")
			refs = append(refs, meta.ValuesReference{
				Kind: kind, Name: map[string]string{"ConfigMap": "a", "Secret": "s"}[kind],
				ValuesKey:  draw("key", "", "other", "number", "list", "comma", "quoted", "token", "commas", "none", "scalar"),
				TargetPath: draw("path", "", "", "m.x", "a", "l[1]", "l[3].x", "m", "a[0]", "db.port", "b."),
				Optional:   rapid.Bool().Draw(t, "optional"), Literal: rapid.Bool().Draw(t, "literal"),
			})
		}
		inline := map[string]any{}
		if err := yaml.Unmarshal([]byte(draw("inline", "", "m: {x: 7, z: 8}\n", "l: [{x: 1}]\n", "a: {b: c}\ndb: null\n")), &inline); err != nil {
			t.Fatal(err)
		}
		copied, _ := clone(inline).(map[string]any)
		want, wantErr := chartutil.ChartValuesFromReferences(context.Background(), logr.Discard(), typed{objects: store}, "apps", copied, refs...)
		got, _, gotErr := Compose(context.Background(), "apps", inline, refs, store.get)
		if (wantErr == nil) != (gotErr == nil) {
			t.Fatalf("got error %v, upstream %v", gotErr, wantErr)
		}
		if wantErr != nil {
			return
		}
		if diff := cmp.Diff(want.AsMap(), got); diff != "" {
			t.Fatalf("values (-upstream +got):\n%s", diff)
		}
	})
}

// FuzzCompose sets anything at any path, and reads it as a document.
func FuzzCompose(f *testing.F) {
	for _, seed := range [][3]string{
		{"a.b[0].c", "1", "a: 1"},
		{"a[999]", "{1,2}", "a: []"},
		{`a\.b`, "'x'", "a.b: {}"},
		{"[0][1]", "1,b[2][3].c=4", ""},
		{"a", "1,a.b=2", "a: {b: [1]}"},
		{"l[65536]", "1,l[65536][65536]=2", "l: &a [1]\nm: *a"},
		{"a..b", `x\,y`, "null"},
		{"a/b-c_d", "", "a: &a [*a]"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, path, value, document string) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		o := objects{
			"Secret/s":    {"stringData": map[string]any{"v": value, "values.yaml": document}},
			"ConfigMap/c": configMap(map[string]any{"v": value, "values.yaml": document}),
		}
		for _, kind := range []string{"ConfigMap", "Secret"} {
			name := strings.ToLower(kind[:1])
			refs := []meta.ValuesReference{
				{Kind: kind, Name: name},
				{Kind: kind, Name: name, ValuesKey: "v", TargetPath: path},
				{Kind: kind, Name: name, ValuesKey: "v", TargetPath: path, Literal: true},
			}
			for i := range refs {
				got, _, err := Compose(ctx, "apps", map[string]any{"a": map[string]any{"b": []any{"c"}}}, refs[i:], o.get)
				if err == nil && got == nil {
					t.Error("neither values nor an error")
				}
				const secret = 6
				if kind == "Secret" && err != nil && len(value) >= secret && !strings.Contains("compose values: could not resolve Secret chart values reference 'apps/s' with key 'v' failed to merge value read values data "+path, value) && strings.Contains(err.Error(), value) {
					t.Errorf("the error says the secret: %v", err)
				}
			}
		}
	})
}

func BenchmarkCompose(b *testing.B) {
	refs := []meta.ValuesReference{{Kind: "ConfigMap", Name: "a"}, {Kind: "Secret", Name: "s"}, {Kind: "ConfigMap", Name: "a", ValuesKey: "number", TargetPath: "m.z"}}
	inline := map[string]any{"m": map[string]any{"z": int64(1)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Compose(b.Context(), "apps", inline, refs, store.get); err != nil {
			b.Fatal(err)
		}
	}
}
