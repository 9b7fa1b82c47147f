package render

import (
	"bytes"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/kyaml/openapi"
)

// schema guards kustomize's global OpenAPI schema. A build that brings a schema
// of its own holds it alone; all others share it.
//
// The built-in schema is parsed, in a tenth of a second, when the first build needs
// more of it than the scopes of kinds. Those kustomize has in a table that agrees
// with the schema, and whose look-ups without a lock allow for no parsing meanwhile.
//
// Source: fluxcd/pkg/kustomize v1.35.6 Build resets and parses the built-in
// schema before each build, which is 97 % of the time of a build.
var schema struct { //nolint:gochecknoglobals // kustomize's schema is global, and so is what guards it
	sync.RWMutex
	once   sync.Once
	parsed bool // the built-in schema is
}

// demand is what a build asks of the global schema.
type demand uint8

const (
	scopesOnly demand = iota // which kinds are namespaced: [openapi.IsNamespaceScoped]
	merging                  // how lists are merged: the schema is parsed
	ownSchema                // the schema is changed: the build is alone with it
)

// preloadSchema puts the global schema into the state that builds start from: the
// built-in one, parsed when it is needed.
func preloadSchema() {
	openapi.ResetOpenAPI()
	schema.parsed = false
}

// parseSchema parses the built-in schema unless it is.
func parseSchema() {
	schema.Lock()
	defer schema.Unlock()
	if !schema.parsed {
		_ = openapi.Schema()
		schema.parsed = true
	}
}

// useSchema waits until the global schema is as d demands, and returns what ends the
// use.
func useSchema(d demand) (done func()) {
	schema.once.Do(preloadSchema)
	if d == ownSchema {
		schema.Lock()
		preloadSchema()
		_ = openapi.Schema() // what the build brings adds to it
		return func() {
			preloadSchema()
			schema.Unlock()
		}
	}
	for {
		schema.RLock()
		if d == scopesOnly || schema.parsed {
			return schema.RUnlock
		}
		schema.RUnlock()
		parseSchema() // a build with its own schema may come in between
	}
}

// schemaAtHand is the most that a build may ask of the schema as it is.
func schemaAtHand() demand {
	schema.once.Do(preloadSchema)
	schema.RLock()
	defer schema.RUnlock()
	if schema.parsed {
		return merging
	}
	return scopesOnly
}

// demandOf is what the fields of a kustomization file ask of the schema. It says
// too much rather than too little. Patches in files are left out and returned:
// it is their content that decides.
//
// Source: kustomize v0.21.1: of all that its builds run, only the filter
// api/filters/patchstrategicmerge looks at the schema itself, which PatchTransformer
// and PatchStrategicMergeTransformer run. Scopes are asked for by kyaml/resid.NewGvk.
func demandOf(m map[string]any) (d demand, patchFiles []string) {
	for key, value := range m {
		switch fold(key) {
		case "openapi":
			d = ownSchema
		case "generators", "transformers", "validators", "patchesstrategicmerge", "helmcharts", "helmchartinflationgenerator":
			if list, ok := value.([]any); value != nil && (!ok || len(list) > 0) {
				d = max(d, merging)
			}
		case "patches":
			list, ok := value.([]any)
			if value != nil && !ok || key != "patches" { // which of two spellings counts is left to kustomize
				d = max(d, merging)
			}
			for _, e := range list {
				more, file := demandOfPatch(e)
				d = max(d, more)
				if file != "" {
					patchFiles = append(patchFiles, file)
				}
			}
		}
	}
	return d, patchFiles
}

func demandOfPatch(entry any) (d demand, file string) {
	m, _ := entry.(map[string]any)
	patch, inline := m["patch"].(string)
	file, apart := m["path"].(string)
	for key := range m {
		if fold(key) != key {
			return merging, ""
		}
	}
	switch {
	case inline && m["path"] == nil && !mergesObjects([]byte(strings.TrimSpace(patch))):
		return scopesOnly, ""
	case apart && m["patch"] == nil:
		return scopesOnly, file
	}
	return merging, ""
}

// mergesObjects reports whether a patch may be a strategic merge patch: PatchTransformer
// takes it for one when this very call succeeds. A build asks while it runs.
func mergesObjects(patch []byte) bool {
	_, err := decodedAlready(patch)
	return err == nil
}

// spelledOut reports whether every letter of a word in data is there as itself: no
// escape of YAML spells a letter, nor joins two lines into a word.
func spelledOut(data []byte) bool {
	for at := 0; ; at++ {
		i := bytes.IndexByte(data[at:], '\\')
		if i < 0 || at+i+1 == len(data) {
			return true
		}
		at += i
		if strings.IndexByte("xuU\n\r\xc2\xe2", data[at+1]) >= 0 { // line breaks, of which some have several bytes
			return false
		}
	}
}
