package render

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	securejoin "github.com/cyphar/filepath-securejoin"
	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	fluxkustomize "github.com/fluxcd/pkg/kustomize"
	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/normalize"
	ssautil "github.com/fluxcd/pkg/ssa/utils"
	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	apischema "k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// settled runs an engine and gives its evaluations.
func settled(t *testing.T, tr *tree.Tree, opts Options) (*engine, map[nodeKey]*evaluation) {
	t.Helper()
	return settledRepo(t, Repository{Tree: tr}, opts)
}

func settledRepo(tb testing.TB, repo Repository, opts Options) (*engine, map[nodeKey]*evaluation) {
	tb.Helper()
	f, err := entryPoints(tb.Context(), repo.Tree, &opts, &Cache{})
	if err != nil {
		tb.Fatal(err)
	}
	e := &engine{fleet: f, cache: &Cache{}, opts: &opts, sources: newSources(repo, f, &opts), targets: newTargets(f)}
	e.cache.init(0)
	evals, err := e.settle(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	return e, evals
}

// clusterReader answers the Get calls of the upstream substitution with what was
// rendered for a cluster.
type clusterReader struct {
	client.Client
	objects map[object.ID]*object.Object
}

func (r clusterReader) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	kind := "ConfigMap"
	if strings.HasSuffix(fmt.Sprintf("%T", obj), "Secret") {
		kind = "Secret"
	}
	o := r.objects[object.ID{Kind: kind, Namespace: key.Namespace, Name: key.Name}]
	if o == nil {
		return apierrors.NewNotFound(apischema.GroupResource{Resource: kind}, key.Name)
	}
	return runtime.DefaultUnstructuredConverter.FromUnstructured(o.Body().Map(), obj)
}

// disks keeps one folder per artifact.
type disks map[*tree.Tree]string

func (d disks) of(t *testing.T, artifact *tree.Tree) string {
	t.Helper()
	if d[artifact] == "" {
		tmp, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		writeTree(t, artifact, tmp)
		d[artifact] = tmp
	}
	return d[artifact]
}

// upstream runs the controller's own pipeline on the artifact in folder tmp:
// generator, secure build, substitution, reading, labels, normalisation, common
// metadata. It leaves the folder as it was.
func upstream(t *testing.T, ks *kustomizev1.Kustomization, tmp string, reader client.Client, p Profile) ([]*unstructured.Unstructured, error) {
	t.Helper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ks)
	if err != nil {
		t.Fatal(err)
	}
	u := unstructured.Unstructured{Object: content}
	dir, err := securejoin.SecureJoin(tmp, ks.Spec.Path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	action, err := fluxkustomize.NewGenerator(tmp, u).WriteFile(dir, fluxkustomize.WithSaveOriginalKustomization())
	if err != nil {
		return nil, err
	}
	defer func() {
		if err := fluxkustomize.CleanDirectory(dir, action); err != nil {
			t.Fatal(err)
		}
	}()
	m, err := fluxkustomize.SecureBuild(tmp, dir, false)
	if err != nil {
		return nil, err
	}
	for _, res := range m.Resources() {
		if res.GetName() == "" || res.GetKind() == "" || res.GetApiVersion() == "" {
			return nil, errors.New("no apiVersion, kind or name")
		}
		if ks.Spec.PostBuild == nil {
			continue
		}
		out, err := fluxkustomize.SubstituteVariables(t.Context(), reader, u, res, fluxkustomize.SubstituteWithStrict(p.strict()),
			fluxkustomize.SubstituteWithAlways(ks.GetSubstituteStrategy() == kustomizev1.SubstituteStrategyAlways))
		if err != nil {
			return nil, err
		}
		if out != nil {
			if _, err := m.Replace(res); err != nil {
				return nil, err
			}
		}
	}
	text, err := m.AsYaml()
	if err != nil {
		return nil, err
	}
	objects, err := ssautil.ReadObjects(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	ssa.NewResourceManager(nil, nil, ssa.Owner{Group: kustomizev1.GroupVersion.Group}).SetOwnerLabels(objects, ks.Name, ks.Namespace)
	if err := normalize.UnstructuredList(objects); err != nil {
		return nil, err
	}
	if c := ks.Spec.CommonMetadata; c != nil {
		ssautil.SetCommonMetadata(objects, c.Labels, c.Annotations)
	}
	return objects, nil
}

// compareWithUpstream compares one evaluation and reports whether it could be.
func compareWithUpstream(t *testing.T, e *engine, ev *evaluation, objects map[object.ID]*object.Object, d disks) bool {
	t.Helper()
	a := ev.applier
	if ev.ks == nil || a.build == nil || len(a.build.remotes) > 0 || len(a.build.spec.Path) == 0 {
		return false
	}
	for _, u := range ev.unresolved {
		if u.Kind == UnresolvedSource || u.Kind == UnresolvedRemote || u.Kind == UnresolvedPath {
			return false // upstream has no answer without the missing part either
		}
	}
	objects = withMissing(t, ev, objects, e.fleet.variables[a.Home])
	ask := &asker{state: &state{fresh: index{a.Home: &shelf{objects: objects}}}}
	ks := ev.ks.DeepCopy()
	ks.Name = a.Name // differs for a cluster's second entry folder
	want, err := upstream(t, ks, d.of(t, a.build.tree), clusterReader{objects: objects}, e.profile(ask, a.Home, kustomizeController))
	failed := a.State == Failed
	if failed != (err != nil) {
		t.Errorf("%s on %s: failed %v (%v), upstream says %v", a, a.Home, failed, ev.failures, err)
		return true
	}
	got := ev.applied()
	if err == nil && len(got) != len(want) {
		t.Errorf("%s on %s: %d objects, upstream has %d", a, a.Home, len(got), len(want))
		return true
	}
	for i := range want {
		if err != nil {
			break
		}
		if diff := cmp.Diff(plainJSON(t, want[i].Object), plainJSON(t, got[i].Body().Map())); diff != "" {
			t.Errorf("%s on %s: object %d %s differs (-upstream +ours):\n%s", a, a.Home, i, got[i].ID, diff)
			return true
		}
	}
	return true
}

// withMissing adds the ConfigMaps and Secrets that are not in Git, with a value
// for each variable that stays open: itself, as render leaves it in the text.
// supplied are the values that the caller of Fleet gave.
func withMissing(t *testing.T, ev *evaluation, objects map[object.ID]*object.Object, supplied map[string]string) map[object.ID]*object.Object {
	t.Helper()
	if ev.ks.Spec.PostBuild == nil {
		return objects
	}
	data := map[string]any{"unrelated": "1"} // what is not in Git is taken to hold something
	for _, u := range ev.unresolved {
		if u.Kind != UnresolvedVariable {
			continue
		}
		for _, it := range ev.applier.build.items {
			if it.usage != nil && slices.Contains(it.usage.names, u.Subject) && !it.usage.fallback[u.Subject] {
				data[u.Subject] = "${" + u.Subject + "}"
			}
		}
	}
	for name, value := range supplied {
		data[name] = value
	}
	out := maps.Clone(objects)
	if out == nil {
		out = map[object.ID]*object.Object{}
	}
	for _, ref := range ev.ks.Spec.PostBuild.SubstituteFrom {
		id := object.ID{Kind: ref.Kind, Namespace: ev.applier.Namespace, Name: ref.Name}
		if o := out[id]; o != nil && !sopsHeld(o) || o == nil && ref.Optional && len(supplied) == 0 {
			continue
		}
		values := maps.Clone(data)
		if ref.Kind == "Secret" {
			for k, v := range values {
				values[k] = base64.StdEncoding.EncodeToString([]byte(v.(string)))
			}
		}
		o, err := object.New(object.NewBody(map[string]any{
			"apiVersion": "v1", "kind": ref.Kind,
			"metadata": map[string]any{"name": ref.Name, "namespace": id.Namespace}, "data": values,
		}), object.Origin{})
		if err != nil {
			t.Fatal(err)
		}
		out[id] = o
	}
	return out
}

// plainJSON is a value as it goes over the wire.
func plainJSON(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestLikeUpstreamOnCorpora compares every Kustomization of the public fleets
// with the controller's own pipeline on disk. With the race detector on, where
// each upstream build takes seconds, it takes a sample of the small fleets.
func TestLikeUpstreamOnCorpora(t *testing.T) {
	compared, skipped := 0, 0
	for _, bundle := range corpora(t) {
		name := strings.TrimSuffix(filepath.Base(bundle), ".bundle")
		t.Run(name, func(t *testing.T) {
			if info, err := os.Stat(bundle); raceDetector && err == nil && info.Size() > 40_000 {
				t.Skip("left to the run without the race detector: make differential")
			}
			tr := checkout(t, bundle)
			if _, err := entryPoints(t.Context(), tr, &Options{}, &Cache{}); errors.Is(err, ErrNoClusters) {
				t.Skip("SKIPPED: no cluster in it without a declaration")
			}
			e, evals := settled(t, tr, Options{})
			t.Cleanup(preloadSchema) // upstream leaves no schema behind
			now := index{}
			for _, key := range sortedKeys(evals) {
				for _, o := range evals[key].applied() {
					now.add(o.Origin.Cluster, o)
				}
			}
			sample := 0
			d := disks{}
			for _, key := range sortedKeys(evals) {
				if evals[key].ks == nil {
					continue
				}
				if raceDetector && sample >= 2 {
					break
				}
				if compareWithUpstream(t, e, evals[key], now.on(key.home), d) {
					compared++
					sample++
				} else {
					skipped++
				}
			}
		})
	}
	t.Logf("%d Kustomizations compared with upstream, %d not comparable offline", compared, skipped)
}
