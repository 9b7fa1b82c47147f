package fleetcase

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	repo "helm.sh/helm/v4/pkg/repo/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Where manifests find what is served beside Git. The hosts exist in tests only.
const (
	ChartsURL   = "https://charts.example.com"
	RegistryURL = "oci://registry.example.com"
	BucketHost  = "s3.example.com" // spec.endpoint of a Bucket; a bucket whose name ends in "-private" wants credentials
)

const (
	chartsDir = "@charts/"
	ociDir    = "@oci/"
	bucketDir = "@bucket/"
)

// Media types of artifacts.
//
// Source: helm v4.2.4 pkg/registry/constants.go; fluxcd/pkg/oci v0.69.0 constants.go.
const (
	manifestType    = "application/vnd.oci.image.manifest.v1+json"
	chartConfigType = "application/vnd.cncf.helm.config.v1+json"
	chartLayerType  = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
	fluxConfigType  = "application/vnd.cncf.flux.config.v1+json"
	fluxLayerType   = "application/vnd.cncf.flux.content.v1.tar+gzip"
)

// made is when all that is served was made.
var made = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) //nolint:gochecknoglobals // a constant

// Served is what is served beside Git in one revision: the charts of the repository at
// [ChartsURL], the artifacts of the registry at [RegistryURL] and the buckets at
// [BucketHost]. The same files give the same bytes.
type Served struct {
	charts  map[string][]byte               // packages, by file name
	index   *repo.IndexFile                 // of charts
	images  map[string]map[string]*image    // by repository and tag
	blobs   map[string][]byte               // of images: layers, configurations and manifests, by digest
	buckets map[string]map[string]tree.Blob // objects, by bucket and key

	mu      sync.Mutex
	answers map[string]*Answer // of buckets, by what is asked of them
}

// image is an artifact of one layer.
type image struct {
	digest    string // of the manifest
	layer     []byte
	layerType string
	tree      *tree.Tree // of the layer; nil for a chart
}

// Serves reports whether anything is served beside Git.
func (c *Case) Serves() bool { return len(c.served[0])+len(c.served[1]) > 0 }

// newServed is one that serves nothing yet.
func newServed() *Served {
	s := &Served{
		charts: map[string][]byte{}, index: repo.NewIndexFile(),
		images: map[string]map[string]*image{}, blobs: map[string][]byte{},
		buckets: map[string]map[string]tree.Blob{}, answers: map[string]*Answer{},
	}
	s.index.Generated = made
	return s
}

// Served packs what is served before the commit, 0, or after it, 1.
func (c *Case) Served(revision int) (*Served, error) {
	s := newServed()
	for _, dir := range slices.Sorted(maps.Keys(c.served[revision])) {
		add := s.addChart
		switch {
		case strings.HasPrefix(dir, ociDir):
			add = s.addImage
		case strings.HasPrefix(dir, bucketDir):
			add = s.addBucket
		}
		if err := add(dir, c.served[revision][dir]); err != nil {
			return nil, fmt.Errorf("%s: pack %s: %w", c.File, dir, err)
		}
	}
	s.index.SortEntries()
	return s, nil
}

func (s *Served) addChart(dir string, files map[string]tree.Blob) error {
	data, meta, err := pack(files)
	if err != nil {
		return err
	}
	name := meta.Name + "-" + meta.Version
	if dir != chartsDir+name {
		return fmt.Errorf("its Chart.yaml says %s", name)
	}
	return s.serveChart(meta, data)
}

func (s *Served) serveChart(meta *chart.Metadata, data []byte) error {
	name := meta.Name + "-" + meta.Version
	s.charts[name+".tgz"] = data
	if err := s.index.MustAdd(meta, name+".tgz", "", digest(data)); err != nil {
		return err
	}
	for _, v := range s.index.Entries[meta.Name] {
		v.Created = made
	}
	return nil
}

// Index is the index.yaml of the chart repository.
func (s *Served) Index() ([]byte, error) { return yaml.Marshal(s.index) }

func (s *Served) addImage(dir string, files map[string]tree.Blob) error {
	name, tag, ok := strings.Cut(strings.TrimPrefix(dir, ociDir), ":")
	if !ok || name == "" || tag == "" {
		return errors.New("want REPOSITORY:TAG")
	}
	m := &image{layerType: fluxLayerType}
	config, configType := []byte("{}"), fluxConfigType
	annotations := map[string]string{"org.opencontainers.image.created": made.Format(time.RFC3339)}
	if _, ok := files["Chart.yaml"]; ok {
		data, meta, err := pack(files)
		if err != nil {
			return err
		}
		if config, err = json.Marshal(meta); err != nil {
			return err
		}
		m.layer, m.layerType, configType = data, chartLayerType, chartConfigType
		annotations["org.opencontainers.image.title"], annotations["org.opencontainers.image.version"] = meta.Name, meta.Version
	} else {
		var err error
		if m.layer, err = archived(files); err != nil {
			return err
		}
		m.tree = tree.FromBlobs(files)
		annotations["org.opencontainers.image.source"] = URL
		annotations["org.opencontainers.image.revision"] = "main@sha1:" + strings.Repeat("0", 40)
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": manifestType, "annotations": annotations,
		"config": s.blob(configType, config), "layers": []any{s.blob(m.layerType, m.layer)},
	})
	if err != nil {
		return err
	}
	m.digest = digest(manifest)
	s.blobs[m.digest] = manifest
	if s.images[name] == nil {
		s.images[name] = map[string]*image{}
	}
	s.images[name][tag] = m
	return nil
}

// blob keeps data and describes it, as a manifest does.
func (s *Served) blob(mediaType string, data []byte) map[string]any {
	d := digest(data)
	s.blobs[d] = data
	return map[string]any{"mediaType": mediaType, "digest": d, "size": len(data)}
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// pack makes the package of a chart, as helm package does.
func pack(files map[string]tree.Blob) ([]byte, *chart.Metadata, error) {
	var list []*archive.BufferedFile
	for _, name := range slices.Sorted(maps.Keys(files)) {
		list = append(list, &archive.BufferedFile{Name: name, ModTime: made, Data: []byte(files[name].Data)})
	}
	c, err := loader.LoadFiles(list)
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "fleetcase")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file, err := chartutil.Save(c, dir)
	if err != nil {
		return nil, nil, err
	}
	data, err := os.ReadFile(file) //nolint:gosec // G304: it was just written
	return data, c.Metadata, err
}

// archived makes the layer of an artifact, as flux push artifact does.
func archived(files map[string]tree.Blob) ([]byte, error) {
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	out := tar.NewWriter(zip)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		text := files[name].Data
		if err := out.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}); err != nil {
			return nil, err
		}
		if _, err := out.Write([]byte(text)); err != nil {
			return nil, err
		}
	}
	err := errors.Join(out.Close(), zip.Close())
	return data.Bytes(), err
}
