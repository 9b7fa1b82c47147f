package fleetcase

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/Masterminds/semver/v3"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Answer is what a case gives for a source: render.Fetched under another name.
type Answer struct {
	Revision string
	Tree     *tree.Tree
	Data     []byte
}

// Errors of answers.
var (
	ErrMissing = errors.New("not served")          // the server has no such thing, and says so
	ErrUnknown = errors.New("no server of a case") // it is not asked
)

// missing is an [ErrMissing] with the words of who asks.
type missing string

func (m missing) Error() string   { return string(m) }
func (missing) Is(err error) bool { return err == ErrMissing }

// Chart answers for a chart of a repository, of the newest version in a range.
//
// Source: helm v4.2.4 pkg/repo/v1 IndexFile.Get.
func (s *Served) Chart(_ context.Context, r *sourcev1.HelmRepository, name, version string) (*Answer, error) {
	url := strings.TrimRight(r.Spec.URL, "/")
	if below, ok := strings.CutPrefix(url+"/", RegistryURL+"/"); ok {
		tags := s.images[below+name]
		if tags[version] == nil {
			found, err := newest(tags, version)
			if err != nil {
				return nil, err
			}
			version = found
		}
		return &Answer{Revision: version, Data: tags[version].layer}, nil
	}
	if url != ChartsURL {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, url)
	}
	if len(s.index.Entries[name]) == 0 {
		return nil, missing("no chart name found: " + name)
	}
	v, err := s.index.Get(name, version)
	if err != nil {
		return nil, missing(fmt.Sprintf("no '%s' chart with version matching '%s' found", name, version))
	}
	return &Answer{Revision: v.Version, Data: s.charts[v.URLs[0]]}, nil
}

// OCI answers for an OCIRepository.
func (s *Served) OCI(_ context.Context, r *sourcev1.OCIRepository) (*Answer, error) {
	name, ok := strings.CutPrefix(r.Spec.URL, RegistryURL+"/")
	if !ok {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, r.Spec.URL)
	}
	ref := r.Spec.Reference
	if ref == nil {
		ref = &sourcev1.OCIRepositoryRef{}
	}
	tags, tag := s.images[name], "latest"
	switch {
	case ref.Digest != "":
		for _, m := range tags {
			if m.digest == ref.Digest {
				return m.answer(r, ref.Digest)
			}
		}
		return nil, missing("the server answers 404")
	case ref.SemVer != "":
		var err error
		if tag, err = newest(tags, ref.SemVer); err != nil {
			return nil, err
		}
	case ref.Tag != "":
		tag = ref.Tag
	}
	if m := tags[tag]; m != nil {
		return m.answer(r, tag+"@"+m.digest)
	}
	return nil, missing("the server answers 404")
}

func (m *image) answer(r *sourcev1.OCIRepository, revision string) (*Answer, error) {
	if l := r.Spec.LayerSelector; l != nil && l.MediaType != "" && l.MediaType != m.layerType {
		return nil, missing(fmt.Sprintf("failed to find layer with media type '%s' in artifact", l.MediaType))
	}
	if r.GetLayerOperation() == sourcev1.OCILayerCopy {
		return &Answer{Revision: revision, Data: m.layer}, nil
	}
	if m.tree == nil {
		return nil, fmt.Errorf("%w: a chart is not taken apart", ErrUnknown)
	}
	return &Answer{Revision: revision, Tree: m.tree}, nil
}

// newest is the tag of the highest version in a range.
func newest[M any](tags map[string]M, within string) (string, error) {
	c, err := semver.NewConstraint(within)
	if err != nil {
		return "", missing(err.Error())
	}
	var best *semver.Version
	for _, t := range slices.Sorted(maps.Keys(tags)) {
		if v, err := semver.NewVersion(t); err == nil && c.Check(v) && (best == nil || best.LessThan(v)) {
			best = v
		}
	}
	if best == nil {
		return "", missing("no match found for semver: " + within)
	}
	return best.Original(), nil
}

// ServeHTTP is the chart repository, and below /v2/ the registry.
//
// Source: the pull part of the OCI distribution specification 1.1.
func (s *Served) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	below, ok := strings.CutPrefix(r.URL.Path, "/v2/")
	switch {
	case !ok:
		s.serveCharts(w, r)
	case below == "":
	case strings.HasSuffix(below, "/tags/list"):
		name := strings.TrimSuffix(below, "/tags/list")
		if s.images[name] == nil {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"name": name, "tags": slices.Sorted(maps.Keys(s.images[name]))})
	default:
		s.serveBlob(w, r, below)
	}
}

func (s *Served) serveCharts(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	data, ok := s.charts[name]
	if name == "index.yaml" {
		var err error
		if data, err = s.Index(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		ok = true
	}
	if !ok {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(data)
}

// serveBlob serves REPOSITORY/manifests/REF or REPOSITORY/blobs/DIGEST.
func (s *Served) serveBlob(w http.ResponseWriter, r *http.Request, below string) {
	name, digest, ok := strings.Cut(below, "/blobs/")
	mediaType := "application/octet-stream"
	if !ok {
		name, digest, ok = strings.Cut(below, "/manifests/")
		mediaType = manifestType
	}
	if m := s.images[name][digest]; m != nil && mediaType == manifestType {
		digest = m.digest
	}
	data := s.blobs[digest]
	if !ok || s.images[name] == nil || data == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", mediaType)
	w.Header().Set("Docker-Content-Digest", digest)
	w.Header().Set("Content-Length", fmt.Sprint(len(data)))
	_, _ = w.Write(data)
}
