package render

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxcd/pkg/envsubst"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// seeds adds the files of testdata/cases whose name ends with suffix.
func seeds(f *testing.F, suffix string, add func(data string)) {
	f.Helper()
	for _, c := range allCases(f) {
		for p, b := range c.Before {
			if strings.HasSuffix(p, suffix) && len(b.Data) < 4000 {
				add(b.Data)
			}
		}
	}
}

// finishes renders and fails when that takes longer than anything so small may.
func finishes(t *testing.T, files map[string]string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	r, err := Fleet(ctx, Repository{Tree: tree.FromMap(files)}, Options{})
	var bad *v1alpha1.DocumentError
	switch {
	case errors.Is(err, ErrNoClusters), errors.As(err, &bad):
	case err != nil:
		t.Fatal(err)
	default:
		for _, c := range r.Clusters {
			for _, a := range c.Appliers {
				if a.State == Failed && len(c.Failures) == 0 {
					t.Errorf("%s failed without a failure", a)
				}
			}
		}
	}
}

// FuzzDiscover takes anything for a gotk-sync.yaml.
func FuzzDiscover(f *testing.F) {
	seeds(f, "gotk-sync.yaml", func(data string) { f.Add([]byte(data)) })
	seeds(f, "instance.yaml", func(data string) { f.Add([]byte(data)) })
	f.Fuzz(func(t *testing.T, data []byte) {
		finishes(t, map[string]string{
			"clusters/a/flux-system/gotk-sync.yaml": string(data), "clusters/a/instance.yaml": string(data),
			"clusters/a/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\n",
		})
	})
}

// FuzzKustomizationFile takes anything for a kustomization file, at the root and
// one level below.
func FuzzKustomizationFile(f *testing.F) {
	seeds(f, "kustomization.yaml", func(data string) { f.Add([]byte(data)) })
	sync := syncOf(&testing.T{}, "a", []byte("path: ./app\npostBuild: {substitute: {x: X}}"))
	var asked atomic.Bool
	old := http.DefaultTransport
	http.DefaultTransport = noting{&asked}
	f.Cleanup(func() { http.DefaultTransport = old })
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range []string{"app/kustomization.yaml", "app/below/kustomization.yaml"} {
			finishes(t, map[string]string{
				"clusters/a/flux-system/gotk-sync.yaml": sync, p: string(data),
				"app/a.yaml":       "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: b}\ndata: {k: '${x}'}\n",
				"app/below/b.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: a, namespace: b}\n",
			})
		}
		if asked.Load() {
			t.Error("the network was asked")
		}
	})
}

// noting notes that the network was asked.
type noting struct{ asked *atomic.Bool }

func (n noting) RoundTrip(*http.Request) (*http.Response, error) {
	n.asked.Store(true)
	return nil, errors.New("no network here")
}

// FuzzSubstitute compares our use of parsed templates with upstream's evaluation
// of the same text. It must also agree on what is an error.
//
// Source: fluxcd/pkg/kustomize v1.35.6, varSubstitution.
func FuzzSubstitute(f *testing.F) {
	for _, text := range []string{
		"${x}", "a ${x:=d} b", "${y:-${x}}", "$$", "$${x}", "$x $(x)", "${x^^} ${x,}", "${x:1:2}", "${x#a*}", "${x%%b}", "${x//a/b}", "${#x}",
		"${x/#a/b}", "${x?m}", "${x-d}", "${a[@]}", "${", "}", "${}", "${x", "$", "${x:2:-1}", "${é}", "\\${x}", "${x:?m}", "${y=}", "${x//}", "${x:x}",
	} {
		f.Add(text, "value", false)
		f.Add(text, "", true)
	}
	f.Fuzz(func(t *testing.T, text, value string, strict bool) {
		v := &variables{values: map[string]string{"x": strings.ReplaceAll(value, "\n", "")}, sensitive: map[string]bool{}, strict: strict}
		body := object.NewBody(map[string]any{"apiVersion": "v1", "kind": "A", "metadata": map[string]any{"name": "a"}, "text": text})
		data := []byte(plain1(t, body.Map()))
		got, _, err := newUsage(data).substitute(v)

		asYAML, yamlErr := yaml.JSONToYAML(data)
		if yamlErr != nil {
			t.Skip(yamlErr)
		}
		out, wantErr := envsubst.Eval(string(asYAML), func(name string) (string, bool) {
			value, ok := v.values[name]
			return value, ok || !strict
		})
		var want []byte
		if wantErr == nil {
			want, wantErr = yaml.YAMLToJSON([]byte(out))
		}
		if (err != nil) != (wantErr != nil) {
			if err == nil || strings.Contains(err.Error(), "UnmarshalJSON") || strings.Contains(err.Error(), "more than") {
				t.Skip("kustomize refuses the result")
			}
			t.Fatalf("error %v, upstream says %v", err, wantErr)
		}
		if err == nil && plain1(t, plainJSON(t, rawJSON(got))) != plain1(t, plainJSON(t, rawJSON(want))) {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

type rawJSON []byte

func (r rawJSON) MarshalJSON() ([]byte, error) { return r, nil }
