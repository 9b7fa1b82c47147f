package render

import (
	"bytes"
	"context"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"weak"

	"sigs.k8s.io/kustomize/api/konfig"
	kustypes "sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// A plain build is one of kustomizations that list resources and do nothing else, as
// those that stand in for a folder without a kustomization file. What kustomize does
// with one object then depends on no other, but for its identity, which must be its
// own: the build is that of its files in batches, one after the other. That costs
// linear time, where kustomize compares each object with each. What is not certainly
// plain is left to kustomize, and so is whatever fails, for its words.
//
// Source: kustomize v0.21.1 api/internal/target/kusttarget.go. No transformer
// runs. The name reference transformer looks for objects by a previous name, and only
// transformers and annotations of kustomize's own give an object one.

// batch is what krusty makes of some files.
type batch struct {
	items []*item
	ok    bool
}

// plain builds b of the files that a plain build consists of. It reports false when
// kustomize must do it.
func (b *build) plain(ctx context.Context, rec *tree.Recorder, inspect *inspector) bool {
	s := &b.spec
	if b.decrypt != nil || s.origins || !s.changesNothing() {
		return false
	}
	kus, name, err := generated(rec, inspect, s, false)
	if err != nil {
		return false
	}
	w := &plainWalk{fsys: &artifactFS{in: rec, inspect: inspect, overlay: map[string][]byte{name: {}}}, seen: map[string]bool{}}
	if e, err := rec.Stat(name); err == nil && e.IsDir() || len(w.kustomizationFiles(artifactRoot+"/"+s.Path)) != 1 {
		return false
	}
	if !w.kustomization(kus, artifactRoot+"/"+s.Path, nil) {
		return false
	}
	var items []*item
	var batches []*batch
	for _, pieces := range batched(w.files) {
		made := inspect.batch(ctx, pieces)
		if !made.ok {
			return false
		}
		items, batches = append(items, made.items...), append(batches, made)
	}
	if !distinct(items) {
		return false
	}
	b.items, b.batches, b.files = items, batches, w.names
	return true
}

// changesNothing reports whether the spec adds nothing to the kustomization file.
func (s *buildSpec) changesNothing() bool {
	return s.TargetNamespace == "" && s.NamePrefix == "" && s.NameSuffix == "" && len(s.Patches) == 0 &&
		len(s.Components) == 0 && len(s.Images) == 0 && len(s.BuildMetadata) == 0
}

// plainWalk collects the files of plain kustomizations.
type plainWalk struct {
	fsys  *artifactFS
	names []string // from the artifact's root
	files [][]byte
	seen  map[string]bool
	// any lets pass what changes objects and neither makes nor sorts any.
	any bool
}

// kustomization takes the resources of a kustomization file in dir, an absolute path,
// that those in roots led to; false when it is not plain.
func (w *plainWalk) kustomization(kus *kustypes.Kustomization, dir string, roots []string) bool {
	kus.FixKustomization()
	if kus.CheckEmpty() != nil || len(kus.EnforceFields()) > 0 {
		return false
	}
	rest := *kus
	rest.TypeMeta, rest.Resources = kustypes.TypeMeta{}, nil
	if w.any {
		rest = makes(&rest)
	}
	if kind := kus.Kind; kind != kustypes.KustomizationKind && (!w.any || kind != kustypes.ComponentKind) || !reflect.ValueOf(rest).IsZero() {
		return false
	}
	dir = path.Clean(dir)
	roots = append(slices.Clip(roots), dir)
	for _, entry := range slices.Concat(kus.Resources, kus.Components) { // no components in what is plain
		if !w.resource(entry, dir, roots) {
			return false
		}
	}
	return true
}

func (w *plainWalk) resource(entry, dir string, roots []string) bool {
	if entry == "" || path.IsAbs(entry) || isRemote(entry) || !utf8.ValidString(entry) {
		return false
	}
	at := path.Join(dir, entry)
	p, ok := rel(at)
	if !ok {
		return false
	}
	e, found := w.fsys.stat(at)
	if !found || e.Mode == tree.Symlink || w.seen[at] { // what is there twice does not differ
		return false
	}
	w.seen[at] = true
	if e.IsDir() {
		for _, root := range roots {
			if root == at || strings.HasPrefix(root, at+"/") {
				return false // a cycle
			}
		}
		return w.folder(at, roots)
	}
	if isKustomizationFile(p) {
		return false
	}
	data, err := w.fsys.ReadFile(at)
	if err != nil || !w.any && !unmarked(data) {
		return false
	}
	w.names, w.files = append(w.names, p), append(w.files, data)
	return true
}

func (w *plainWalk) folder(dir string, roots []string) bool {
	found := w.kustomizationFiles(dir)
	var kus kustypes.Kustomization
	if len(found) != 1 || found[0] == nil || len(w.fsys.remotes) > 0 || kus.Unmarshal(found[0]) != nil {
		return false
	}
	return w.kustomization(&kus, dir, roots)
}

// kustomizationFiles are those in dir; nil for one that is there and may not be read.
func (w *plainWalk) kustomizationFiles(dir string) (found [][]byte) {
	for _, base := range konfig.RecognizedKustomizationFileNames() {
		name := path.Join(dir, base)
		data, err := w.fsys.ReadFile(name)
		if err == nil || w.fsys.Exists(name) {
			found = append(found, data)
		}
	}
	return found
}

// unmarked reports whether data certainly holds no annotation by which kustomize drops
// an object or remembers other names of it.
func unmarked(data []byte) bool {
	marked := func(s []byte) bool {
		return bytes.Contains(s, []byte("config.kubernetes.io")) || bytes.Contains(s, []byte("config.k8s.io"))
	}
	if !disguised(data) && spelledOut(data) && !marked(data) {
		return true
	}
	objects, err := decoded(data)
	if err != nil {
		return false
	}
	for _, o := range objects {
		for key := range o.GetAnnotations() {
			if marked([]byte(key)) {
				return false
			}
		}
	}
	return true
}

// distinct reports whether all items are different for kustomize.
func distinct(items []*item) bool {
	type identity struct{ group, version, kind, namespace, name string }
	seen := make(map[identity]bool, len(items))
	for _, it := range items {
		k := identity{it.id.Group, it.id.Version, it.id.Kind, it.id.EffectiveNamespace(), it.id.Name}
		if seen[k] {
			return false
		}
		seen[k] = true
	}
	return true
}

// batch sizes, in YAML documents: so many that what each run of kustomize costs is
// shared, so few that comparing each with each costs nothing.
const (
	smallBatch = 6
	largeBatch = 24
)

// batched groups files. The content of a file says whether it is the last of a batch,
// so that one more or less changes few batches.
func batched(files [][]byte) [][][]byte {
	var all [][][]byte
	var now [][]byte
	size := 0
	for _, file := range files {
		for _, piece := range split(file) {
			now = append(now, piece)
			size += 1 + bytes.Count(piece, []byte("\n---"))
			if size >= largeBatch || size >= smallBatch && tree.HashBlob(piece)[0]%8 == 0 {
				all, now, size = append(all, now), nil, 0
			}
		}
	}
	if len(now) > 0 {
		all = append(all, now)
	}
	return all
}

// separator is what kustomize takes for the end of a document.
//
// Source: kustomize v0.21.1 kyaml/kio/byteio_reader.go splitDocuments.
var separator = regexp.MustCompile(`\n---.*\n`)

// split cuts a file of many documents into files that hold the same. Files with a List
// stay whole: kustomize puts what it lists at the end of its file.
func split(file []byte) [][]byte {
	if bytes.Count(file, []byte("\n---")) < largeBatch || bytes.Contains(file, []byte("\r")) ||
		bytes.Contains(file, []byte("List")) || disguised(file) || !spelledOut(file) {
		return [][]byte{file}
	}
	ends := separator.FindAllIndex(file, -1)
	var out [][]byte
	from := 0
	for i := smallBatch - 1; i+smallBatch < len(ends); i += smallBatch {
		piece := append(bytes.Clone(file[from:ends[i][0]]), '\n')
		if len(separator.FindAllIndex(piece, -1)) != smallBatch-1 {
			return [][]byte{file}
		}
		out, from = append(out, piece), ends[i][1]
	}
	return append(out, file[from:])
}

// batch builds files, given by content, as the resources of one kustomization. Batches
// in use are found again by the content of their files.
func (in *inspector) batch(ctx context.Context, files [][]byte) *batch {
	var key strings.Builder
	for _, f := range files {
		h := tree.HashBlob(f)
		key.Write(h[:])
	}
	in.mu.Lock()
	known := in.batches[key.String()].Value()
	in.mu.Unlock()
	if known != nil {
		return known
	}
	made := &batch{}
	if ctx.Err() != nil {
		return made
	}
	overlay := map[string][]byte{}
	kus := kustypes.Kustomization{TypeMeta: kustypes.TypeMeta{APIVersion: kustypes.KustomizationVersion, Kind: kustypes.KustomizationKind}}
	for i, f := range files {
		name := strconv.Itoa(i) + ".yaml"
		overlay[name] = f
		kus.Resources = append(kus.Resources, name)
	}
	manifest, err := yaml.Marshal(kus)
	if err != nil {
		return made
	}
	overlay[konfig.DefaultKustomizationFileName()] = manifest
	m, err := krustyRun(&artifactFS{in: tree.Record(noTree), inspect: in, overlay: overlay}, artifactRoot)
	if err != nil {
		return made
	}
	if made.items, err = readItems(m, &build{}); err != nil {
		return made
	}
	made.ok = true
	in.keep(key.String(), made)
	return made
}

var noTree = tree.FromMap(nil) //nolint:gochecknoglobals // a constant

// keep remembers a batch as long as a build holds it.
func (in *inspector) keep(key string, made *batch) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.batches == nil {
		in.batches = map[string]weak.Pointer[batch]{}
	}
	if len(in.batches) >= in.sweepAt {
		for k, p := range in.batches {
			if p.Value() == nil {
				delete(in.batches, k)
			}
		}
		in.sweepAt = 2*len(in.batches) + 1024
	}
	in.batches[key] = weak.Make(made)
}
