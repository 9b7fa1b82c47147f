package render

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// artifactRoot is where an artifact's root lies in the file system that
// kustomize sees. It is not "/", so that a path above it can be told.
const artifactRoot = "/artifact"

// maxBuildBytes bounds what one build may read, in bytes: far above any real
// kustomization, far below what would hurt.
const maxBuildBytes = 128 << 20

// maxBuildObjects bounds the objects that one build may read. What kustomize does
// with n objects takes it n*n steps: 600 take a second, 8,000 some minutes.
const maxBuildObjects = 8000

var (
	errReadOnly    = errors.New("read-only file system")
	errBuildBytes  = fmt.Errorf("the build reads more than %d MiB", maxBuildBytes>>20)
	errBuildMany   = fmt.Errorf("the build reads more than %d objects", maxBuildObjects)
	errSchema      = errors.New("the build needs more of the OpenAPI schema")
	errOutsideTree = errors.New("path is outside of the source")
)

// artifactFS shows an artifact to kustomize: read-only, in memory, confined to
// the artifact, as pkg/kustomize's secure file system confines the controller
// (filesys/fs_secure.go, v1.35.6). Kustomization files pass through the
// inspector, which keeps remote references from being fetched.
type artifactFS struct {
	in      *tree.Recorder
	inspect *inspector
	lenient bool // serve kustomizations with patches that may match nothing
	// use is what the build may ask of the global schema. A file that asks for more is
	// refused with errSchema.
	use demand

	mu      sync.Mutex
	overlay map[string][]byte // by path from the artifact's root
	bytes   int64
	objects int
	remotes []string
	asks    demand // the most that a file asked for
	refused error  // why a file was not given to kustomize, which then calls it missing
}

var _ filesys.FileSystem = (*artifactFS)(nil)

// rel is the path from the artifact's root, or false when p leads out of it.
func rel(p string) (string, bool) {
	if !path.IsAbs(p) {
		p = path.Join(artifactRoot, p)
	}
	p = path.Clean(p)
	if p == artifactRoot {
		return ".", true
	}
	return strings.CutPrefix(p, artifactRoot+"/")
}

func (f *artifactFS) ReadFile(name string) ([]byte, error) {
	p, ok := rel(name)
	if !ok {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errOutsideTree}
	}
	data, err := f.read(p)
	if err != nil {
		return nil, err
	}
	if !isKustomizationFile(p) {
		if err := f.inspect.bomb(p, data); err != nil {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.refused = err
			return nil, err
		}
		return data, nil
	}
	info, err := f.inspect.file(p, data)
	if err == nil {
		err = f.plugins(p, info.plugins)
	}
	asks := scopesOnly
	if err == nil {
		asks = f.demand(p, info)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.refused = err
		return nil, err
	}
	f.remotes = append(f.remotes, info.remotes...)
	if f.asks = max(f.asks, asks); f.asks > f.use {
		return nil, errSchema
	}
	if f.lenient {
		return f.inspect.relax(info.local, func(name string) ([]byte, error) { return f.in.ReadFile(path.Join(path.Dir(p), name)) }), nil
	}
	return info.local, nil
}

// demand is what the kustomization file at p asks of the global schema.
func (f *artifactFS) demand(p string, info *inspected) demand {
	for _, name := range info.patches {
		if info.schema >= merging || f.use >= merging {
			break
		}
		at, _ := rel(path.Join(artifactRoot, path.Dir(p), name))
		if data, err := f.in.ReadFile(at); err != nil || f.inspect.bomb(at, data) != nil || mergesObjects(data) {
			return merging
		}
	}
	return info.schema
}

func (f *artifactFS) read(p string) ([]byte, error) {
	f.mu.Lock()
	data, ok := f.overlay[p]
	f.mu.Unlock()
	if ok {
		return data, nil
	}
	data, err := f.in.ReadFile(p)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if errors.Is(err, tree.ErrTooLarge) {
			f.refused = err
		}
		return nil, err
	}
	if f.bytes += int64(len(data)); f.bytes > maxBuildBytes {
		f.refused = errBuildBytes
		return nil, errBuildBytes
	}
	if f.objects += bytes.Count(data, []byte("apiVersion")); f.objects > maxBuildObjects {
		f.refused = errBuildMany
		return nil, errBuildMany
	}
	return data, nil
}

func (f *artifactFS) stat(name string) (tree.Entry, bool) {
	p, ok := rel(name)
	if !ok {
		return tree.Entry{}, false
	}
	f.mu.Lock()
	_, ok = f.overlay[p]
	f.mu.Unlock()
	if ok {
		return tree.Entry{Name: path.Base(p), Mode: tree.File}, true
	}
	e, err := f.in.Stat(p)
	return e, err == nil
}

func (f *artifactFS) Exists(name string) bool {
	_, ok := f.stat(name)
	return ok
}

func (f *artifactFS) IsDir(name string) bool {
	e, ok := f.stat(name)
	return ok && e.IsDir()
}

func (f *artifactFS) CleanedAbs(name string) (filesys.ConfirmedDir, string, error) {
	p, ok := rel(name)
	if !ok {
		return "", "", &fs.PathError{Op: "open", Path: name, Err: errOutsideTree}
	}
	e, ok := f.stat(name)
	if !ok {
		return "", "", &fs.PathError{Op: "open", Path: p, Err: fs.ErrNotExist}
	}
	abs := path.Join(artifactRoot, p)
	if e.IsDir() {
		return filesys.ConfirmedDir(abs), "", nil
	}
	return filesys.ConfirmedDir(path.Dir(abs)), path.Base(abs), nil
}

func (f *artifactFS) ReadDir(name string) ([]string, error) {
	p, ok := rel(name)
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errOutsideTree}
	}
	entries, err := f.in.ReadDir(p)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
	}
	return names, nil
}

// Glob and Walk complete the interface; kustomize calls neither in a build.
func (f *artifactFS) Glob(string) ([]string, error)        { return nil, errReadOnly }
func (f *artifactFS) Walk(string, filepath.WalkFunc) error { return errReadOnly }
func (f *artifactFS) Create(string) (filesys.File, error)  { return nil, errReadOnly }
func (f *artifactFS) Mkdir(string) error                   { return errReadOnly }
func (f *artifactFS) MkdirAll(string) error                { return errReadOnly }
func (f *artifactFS) RemoveAll(string) error               { return errReadOnly }
func (f *artifactFS) Open(string) (filesys.File, error)    { return nil, errReadOnly }
func (f *artifactFS) WriteFile(string, []byte) error       { return errReadOnly }
