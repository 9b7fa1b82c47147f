package render

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resmap"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/kustomize/kyaml/resid"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// build is what kustomize made of one folder: a value, shared by every applier
// and cluster that would make the same.
type build struct {
	spec    buildSpec
	tree    *tree.Tree // what it was built from; a later tree for which reads hold would do
	reads   tree.Trace
	items   []*item
	err     error
	remotes []string // remote bases left out
	lenient bool     // patches that matched nothing were let pass, because of remotes
	decrypt Decrypt  // nil: ciphertext stays

	// Of a plain build: its files in order, and the batches that its items are of.
	files   []string
	batches []*batch

	revealed []string // values of files that were ciphertext

	origins func() []string // the file of each item, found out when first asked
}

// item is one object of a build, before substitution.
type item struct {
	id     resid.ResId
	json   []byte
	usage  *usage // the variables its text refers to; nil when it holds none
	optOut bool   // kustomize.toolkit.fluxcd.io/substitute: disabled
	// secrets are values in it that were ciphertext.
	secrets []string
	// finished objects by the values they were made with.
	finished sync.Map // string -> *finished
}

// runBuild generates the kustomization file of spec and builds it, reading in
// alone. It never returns an error: a failed build is a value too.
func runBuild(ctx context.Context, t *tree.Tree, inspect *inspector, spec buildSpec, decrypt Decrypt) *build {
	rec := tree.Record(t)
	b := &build{spec: spec, tree: t}
	if spec.Decrypt {
		b.decrypt = decrypt
	}
	if !b.plain(ctx, rec, inspect) {
		b.make(ctx, rec, inspect)
	}
	b.reads = rec.Trace()
	b.origins = sync.OnceValue(func() []string { return b.findOrigins(inspect) }) //nolint:contextcheck // asked for later, when ctx may be done
	return b
}

// make lets kustomize build b.
func (b *build) make(ctx context.Context, rec *tree.Recorder, inspect *inspector) {
	m, err := kustomized(ctx, rec, inspect, b, false)
	var remote *remoteError
	if err != nil && len(b.remotes) > 0 && !errors.As(err, &remote) {
		// A patch for an object of the missing base matches nothing, and fails.
		if m2, err2 := kustomized(ctx, rec, inspect, b, true); err2 == nil {
			m, err, b.lenient = m2, nil, true
		}
	}
	if err == nil {
		b.items, err = readItems(m, b)
	}
	b.err = err
}

// kustomized runs one build and notes in b what was remote.
func kustomized(ctx context.Context, rec *tree.Recorder, inspect *inspector, b *build, lenient bool) (resmap.ResMap, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	manifest, name, err := generate(rec, inspect, &b.spec)
	if err != nil {
		return nil, err
	}
	if e, err := rec.Stat(name); err == nil && e.IsDir() {
		return nil, fmt.Errorf("write %s: it is a directory", name) // the controller writes the manifest there
	}
	open := &opener{in: rec, decrypt: b.decrypt, overlay: map[string][]byte{name: manifest}, visited: map[string]bool{}}
	if b.decrypt != nil {
		if err := open.sources(b.spec.Path); err != nil {
			return nil, err
		}
		b.revealed = open.revealed
	}
	var fsys *artifactFS
	var m resmap.ResMap
	for use := schemaAtHand(); ; use = fsys.asks {
		fsys = &artifactFS{in: rec, inspect: inspect, lenient: lenient, overlay: open.overlay, use: use}
		m, err = krustyRun(fsys, artifactRoot+"/"+b.spec.Path)
		if fsys.asks <= use {
			break
		}
	}
	b.remotes = unique(fsys.remotes)
	if fsys.refused != nil {
		return nil, fsys.refused
	}
	return m, err
}

// krustyRun builds dir as the controller does, with the use of the schema that fsys
// allows.
//
// Source: fluxcd/pkg/kustomize v1.35.6, Build.
func krustyRun(fsys *artifactFS, dir string) (m resmap.ResMap, err error) {
	defer useSchema(fsys.use)()
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered from kustomize build panic: %v", r)
		}
	}()
	return krusty.MakeKustomizer(&krusty.Options{
		LoadRestrictions: kustypes.LoadRestrictionsNone,
		PluginConfig:     kustypes.DisabledPluginConfig(),
	}).Run(fsys, dir)
}

// readItems takes the objects out of a build and checks what the controller
// checks of each.
//
// Source: kustomize-controller v1.9.5, KustomizationReconciler.build.
func readItems(m resmap.ResMap, b *build) ([]*item, error) {
	defer useSchema(scopesOnly)() // an object's identity asks the global schema
	items := make([]*item, 0, m.Size())
	for _, res := range m.Resources() {
		if res.GetName() == "" || res.GetKind() == "" || res.GetApiVersion() == "" {
			return nil, fmt.Errorf("an object has no apiVersion, kind or name: %s/%s/%s", res.GetApiVersion(), res.GetKind(), res.GetName())
		}
		data, err := jsonOf(res)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", res.CurId(), err)
		}
		it := &item{id: res.CurId(), secrets: b.revealed}
		if b.decrypt != nil {
			plain, secrets, err := (&opener{decrypt: b.decrypt}).resource(data)
			if err != nil {
				return nil, fmt.Errorf("decrypt %s: %w", res.CurId(), err)
			}
			data, it.secrets = plain, append(slices.Clone(it.secrets), secrets...)
		}
		it.json = data
		it.optOut = res.GetLabels()[substituteKey] == disabled || res.GetAnnotations()[substituteKey] == disabled
		if !it.optOut && strings.Contains(string(data), "$") {
			it.usage = newUsage(data)
		}
		items = append(items, it)
	}
	return items, nil
}

// key is spec as a map key.
func (s buildSpec) key() string {
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // plain strings and lists of them
	}
	return string(data)
}

func unique(list []string) []string {
	seen := map[string]bool{}
	var out []string
	for _, s := range list {
		if !seen[s] {
			seen[s] = true
			out = append(out, s)
		}
	}
	return out
}
