package render

import (
	"bytes"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"weak"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// inspector reads kustomization files before kustomize does. Offline, an entry
// that kustomize would fetch (a Git URL or an HTTP file) is taken out and named,
// so that nothing is ever run or fetched for it. Answers are kept by content.
type inspector struct {
	mu      sync.Mutex
	files   map[tree.Hash]*inspected
	decoded map[tree.Hash]error // whether a file holds objects
	names   map[tree.Hash][]named
	batches map[string]weak.Pointer[batch]
	sweepAt int // batches is searched for those that are gone
}

// inspected is what one kustomization file says.
type inspected struct {
	local   []byte   // the content without remote entries; the content itself when there are none
	remotes []string // resources, bases and components taken out
	fatal   []string // other remote references: without them the build means nothing
	plugins []string // generators, transformers and validators: inline, or paths from the file's folder
	schema  demand   // what the file asks of kustomize's global schema
	patches []string // files of patches, which may ask for more
}

// triggers are the words without which a kustomization file holds no remote
// reference, plugin or patch and asks nothing of the schema. Keys match without case,
// and ſ is an s.
var triggers = [][]byte{ //nolint:gochecknoglobals // a constant list
	[]byte("://"), []byte("github.com"), []byte("git::"), []byte("gh:"), []byte("@"), []byte("openapi"),
	[]byte("generators"), []byte("transformers"), []byte("validators"), []byte("ſ"),
	[]byte("patches"), []byte("helmchart"),
}

// fold turns a key into what encoding/json compares.
func fold(key string) string { return strings.ToLower(strings.ToUpper(key)) }

// scpLike is a user before a host, as in git@host:path.
var scpLike = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*@`)

// isRemote reports whether kustomize could take entry for something to fetch.
// It says yes to more than kustomize does, never to less.
//
// Source: kustomize api/internal/git/repospec.go NewRepoSpecFromURL and
// api/internal/loader/fileloader.go IsRemoteFile, v0.21.1.
func isRemote(entry string) bool {
	s := strings.TrimPrefix(strings.ToLower(entry), "git::")
	if strings.Contains(s, "\n") {
		return false // inline YAML
	}
	return strings.Contains(s, "://") || strings.HasPrefix(s, "github.com") || strings.HasPrefix(s, "www.github.com") ||
		strings.HasPrefix(s, "gh:") || scpLike.MatchString(s)
}

func isKustomizationFile(p string) bool {
	return slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(p))
}

// file inspects the kustomization file at p. The error names a remote reference
// that makes the build unknowable.
func (in *inspector) file(p string, data []byte) (*inspected, error) {
	key := tree.HashBlob(data)
	in.mu.Lock()
	info := in.files[key]
	in.mu.Unlock()
	if info == nil {
		if err := in.bomb(p, data); err != nil {
			return nil, err
		}
		info = inspect(data)
		in.mu.Lock()
		in.files[key] = info
		in.mu.Unlock()
	}
	if len(info.fatal) > 0 {
		return nil, &remoteError{file: p, url: info.fatal[0]}
	}
	return info, nil
}

// remoteError says that a build needs something from the network.
type remoteError struct{ file, url string }

func (e *remoteError) Error() string {
	return fmt.Sprintf("%s needs %s, which is not fetched", e.file, e.url)
}

func inspect(data []byte) *inspected {
	info := &inspected{local: data}
	lower := bytes.ToLower(data)
	found := disguised(data) || !spelledOut(data)
	for _, t := range triggers {
		found = found || bytes.Contains(lower, t)
	}
	var m map[string]any
	if !found {
		return info
	}
	if yaml.Unmarshal(data, &m) != nil {
		info.schema = merging
		return info // kustomize reports what does not parse
	}
	info.schema, info.patches = demandOf(m)
	changed := false
	for key, value := range m {
		switch fold(key) {
		case "resources", "bases", "components":
			kept, gone := splitRemote(value)
			if len(gone) > 0 {
				m[key], changed = kept, true
				info.remotes = append(info.remotes, gone...)
			}
		case "openapi":
			info.fatal = append(info.fatal, remoteIn(value, "path")...)
		case "generators", "transformers", "validators":
			info.plugins = append(info.plugins, stringsOf(value)...)
			_, gone := splitRemote(value)
			info.fatal = append(info.fatal, gone...)
		case "crds", "configurations", "patchesstrategicmerge":
			_, gone := splitRemote(value)
			info.fatal = append(info.fatal, gone...)
		case "patches", "patchesjson6902", "replacements":
			info.fatal = append(info.fatal, remoteIn(value, "path")...)
		case "configmapgenerator", "secretgenerator":
			info.fatal = append(info.fatal, remoteIn(value, "files", "envs", "env")...)
		}
	}
	if changed {
		if out, err := yaml.Marshal(m); err == nil {
			info.local = out
		}
	}
	return info
}

// splitRemote parts the entries of a list into those to keep and the remote ones.
func splitRemote(value any) (kept []any, gone []string) {
	list, _ := value.([]any)
	kept = []any{}
	for _, e := range list {
		if s, ok := e.(string); ok && isRemote(s) {
			gone = append(gone, s)
			continue
		}
		kept = append(kept, e)
	}
	return kept, gone
}

// remoteIn finds remote references under the given keys of a map or of each map
// of a list. An entry may have the form key=reference.
func remoteIn(value any, keys ...string) (found []string) {
	switch v := value.(type) {
	case []any:
		for _, e := range v {
			found = append(found, remoteIn(e, keys...)...)
		}
	case map[string]any:
		for k, below := range v {
			if !slices.Contains(keys, fold(k)) {
				continue
			}
			for _, s := range stringsOf(below) {
				_, ref, ok := strings.Cut(s, "=")
				if isRemote(s) || ok && isRemote(ref) {
					found = append(found, s)
				}
			}
		}
	}
	return found
}

func stringsOf(value any) []string {
	switch v := value.(type) {
	case string:
		return []string{v}
	case []any:
		var out []string
		for _, e := range v {
			if s, ok := e.(string); ok {
				out = append(out, s)
			}
		}
		return out
	}
	return nil
}
