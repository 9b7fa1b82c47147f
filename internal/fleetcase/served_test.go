package fleetcase

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	repo "helm.sh/helm/v4/pkg/repo/v1"

	"github.com/bulkhead-dev/bulkhead/tree"
)

const shop = `-- a.yaml --
-- before/@charts/web-1.0.0/Chart.yaml --
{apiVersion: v2, name: web, version: 1.0.0}
-- @charts/web-1.1.0/Chart.yaml --
{apiVersion: v2, name: web, version: 1.1.0}
-- @charts/web-1.1.0/templates/a.yaml --
a: {{ .Values.a }}
-- @charts/web-2.0.0-rc.1/Chart.yaml --
{apiVersion: v2, name: web, version: 2.0.0-rc.1}
-- @oci/charts/web:1.0.0/Chart.yaml --
{apiVersion: v2, name: web, version: 1.0.0}
-- @oci/apps:v1/dir/a.yaml --
a: 1
-- after/@oci/apps:v2/a.yaml --
a: 2
`

func servedOf(t *testing.T, revision int) *Served {
	t.Helper()
	c, err := Parse("shop.txtar", []byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Served(revision)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func oci(url string, ref *sourcev1.OCIRepositoryRef, layer *sourcev1.OCILayerSelector) *sourcev1.OCIRepository {
	r := &sourcev1.OCIRepository{}
	r.Spec.URL, r.Spec.Reference, r.Spec.LayerSelector = url, ref, layer
	return r
}

func repository(url string) *sourcev1.HelmRepository {
	r := &sourcev1.HelmRepository{}
	r.Spec.URL = url
	return r
}

// TestServedSides: what is served is of one revision or of both, and no file of the fleet.
func TestServedSides(t *testing.T) {
	c, err := Parse("shop.txtar", []byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	if !c.Two || !c.Serves() || len(c.Before) != 1 || len(c.After) != 1 || len(c.Others) != 0 {
		t.Errorf("two %v, serves %v, before %v, after %v, others %v", c.Two, c.Serves(), c.Before, c.After, c.Others)
	}
	for revision, want := range []int{3, 2} {
		s := servedOf(t, revision)
		if len(s.charts) != want || len(s.images["apps"]) != revision+1 {
			t.Errorf("revision %d: %d charts, %d apps", revision, len(s.charts), len(s.images["apps"]))
		}
	}
	if c, err := Parse("a", []byte("-- a.yaml --\n")); err != nil || c.Serves() {
		t.Errorf("a case without charts serves some (%v)", err)
	}
}

// TestServedIsStable: the same files give the same bytes, which digests stand for.
func TestServedIsStable(t *testing.T) {
	a, b := servedOf(t, 1), servedOf(t, 1)
	if len(a.blobs) != 8 {
		t.Errorf("%d blobs, want a layer and a manifest of each of three artifacts, and two configurations", len(a.blobs))
	}
	for digest, data := range a.blobs {
		if !bytes.Equal(b.blobs[digest], data) {
			t.Errorf("%s is not the same", digest)
		}
	}
	x, errX := a.Index()
	y, errY := b.Index()
	if errX != nil || errY != nil || !bytes.Equal(x, y) {
		t.Errorf("indexes (%v, %v):\n%s\n%s", errX, errY, x, y)
	}
}

func TestServedAnswers(t *testing.T) {
	s := servedOf(t, 1)
	for name, c := range map[string]struct {
		get  func() (*Answer, error)
		want string // revision; of an error its text
		err  error
	}{
		"newest chart": {func() (*Answer, error) { return s.Chart(t.Context(), repository(ChartsURL+"/"), "web", "") }, "1.1.0", nil},
		"with a dash":  {func() (*Answer, error) { return s.Chart(t.Context(), repository(ChartsURL), "web", ">1.1.0-0") }, "2.0.0-rc.1", nil},
		"no version":   {func() (*Answer, error) { return s.Chart(t.Context(), repository(ChartsURL), "web", "9.x") }, "no 'web' chart with version matching '9.x' found", ErrMissing},
		"no chart":     {func() (*Answer, error) { return s.Chart(t.Context(), repository(ChartsURL), "wob", "") }, "no chart name found: wob", ErrMissing},
		"of a registry": {func() (*Answer, error) {
			return s.Chart(t.Context(), repository(RegistryURL+"/charts"), "web", "1.x")
		}, "1.0.0", nil},
		"other host": {func() (*Answer, error) { return s.Chart(t.Context(), repository("https://example.com"), "web", "") }, "https://example.com", ErrUnknown},
		"range": {func() (*Answer, error) {
			return s.OCI(t.Context(), oci(RegistryURL+"/apps", &sourcev1.OCIRepositoryRef{SemVer: ">=1"}, nil))
		}, "v2@" + s.images["apps"]["v2"].digest, nil},
		"digest": {func() (*Answer, error) {
			return s.OCI(t.Context(), oci(RegistryURL+"/apps", &sourcev1.OCIRepositoryRef{Tag: "v2", Digest: s.images["apps"]["v1"].digest}, nil))
		}, s.images["apps"]["v1"].digest, nil},
		"no tag": {func() (*Answer, error) { return s.OCI(t.Context(), oci(RegistryURL+"/apps", nil, nil)) }, "the server answers 404", ErrMissing},
		"no layer": {func() (*Answer, error) {
			return s.OCI(t.Context(), oci(RegistryURL+"/apps", &sourcev1.OCIRepositoryRef{Tag: "v1"}, &sourcev1.OCILayerSelector{MediaType: "application/x"}))
		}, "failed to find layer with media type 'application/x' in artifact", ErrMissing},
		"a chart taken apart": {func() (*Answer, error) {
			return s.OCI(t.Context(), oci(RegistryURL+"/charts/web", &sourcev1.OCIRepositoryRef{Tag: "1.0.0"}, nil))
		}, "a chart is not taken apart", ErrUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := c.get()
			switch {
			case c.err != nil:
				if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("error %v, want %v with %q", err, c.err, c.want)
				}
			case err != nil:
				t.Error(err)
			case got.Revision != c.want || (got.Tree == nil) == (got.Data == nil):
				t.Errorf("got %+v, want revision %s, and either a tree or data", got, c.want)
			}
		})
	}
}

// TestServedOverHTTP: Helm reads the index and the package that are served, and a
// registry's client finds tag, manifest and layer.
func TestServedOverHTTP(t *testing.T) {
	s := servedOf(t, 1)
	server := httptest.NewServer(s)
	defer server.Close()
	get := func(path string, want int) []byte {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := server.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		data, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s: %s, %v", path, res.Status, err)
		}
		return data
	}
	file := filepath.Join(t.TempDir(), "index.yaml")
	if err := os.WriteFile(file, get("/index.yaml", http.StatusOK), 0o600); err != nil {
		t.Fatal(err)
	}
	index, err := repo.LoadIndexFile(file)
	if err != nil {
		t.Fatal(err)
	}
	v, err := index.Get("web", "~1")
	if err != nil {
		t.Fatal(err)
	}
	c, err := loader.LoadArchive(bytes.NewReader(get("/"+v.URLs[0], http.StatusOK)))
	if err != nil || c.Metadata.Version != "1.1.0" || len(c.Templates) != 1 {
		t.Errorf("chart %+v, error %v", c, err)
	}
	if got, want := string(get("/v2/apps/tags/list", http.StatusOK)), `{"name":"apps","tags":["v1","v2"]}`+"\n"; got != want {
		t.Errorf("tags %s, want %s", got, want)
	}
	var m struct {
		Layers []struct{ MediaType, Digest string }
	}
	if err := json.Unmarshal(get("/v2/apps/manifests/v1", http.StatusOK), &m); err != nil || len(m.Layers) != 1 || m.Layers[0].MediaType != fluxLayerType {
		t.Fatalf("manifest %+v, error %v", m, err)
	}
	if layer := get("/v2/apps/blobs/"+m.Layers[0].Digest, http.StatusOK); !bytes.Equal(layer, s.images["apps"]["v1"].layer) {
		t.Error("the layer is not the artifact's")
	}
	get("/v2/", http.StatusOK)
	for _, path := range []string{"/web-9.tgz", "/v2/nobody/tags/list", "/v2/apps/manifests/v9", "/v2/nobody/blobs/" + m.Layers[0].Digest} {
		get(path, http.StatusNotFound)
	}
}

// TestBadServed: what is not named after its chart, or not whole, is an error.
func TestBadServed(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"another version": {"-- @charts/web-1.0.0/Chart.yaml --\n{apiVersion: v2, name: web, version: 1.0.1}\n", "its Chart.yaml says web-1.0.1"},
		"no chart":        {"-- @charts/web-1.0.0/a.yaml --\n", "Chart.yaml file is missing"},
		"no tag":          {"-- @oci/web/a.yaml --\n", "not the path of a file"},
		"no file":         {"-- @charts/web-1.0.0 --\n", "not the path of a file"},
		"twice":           {"-- @oci/a:1/x --\n-- before/@oci/a:1/x --\n", "that is there twice"},
		"file and folder": {"-- @oci/a:1/x --\n-- @oci/a:1/x/y --\n", "files of after/@oci/a:1"},
	} {
		t.Run(name, func(t *testing.T) {
			parsed, err := Parse("bad.txtar", []byte(c.text))
			if err == nil {
				_, err = parsed.Served(0)
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

// TestShortRelease: the short form of a HelmRelease has a chart unless it names one.
func TestShortRelease(t *testing.T) {
	c, err := Parse("a", []byte("-- x/web.hr --\nvalues: {a: 1}\n-- x/ref.hr --\nchartRef: {kind: OCIRepository, name: web}\n"))
	if err != nil {
		t.Fatal(err)
	}
	const head = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: %s\n  namespace: flux-system\nspec:\n"
	want := map[string]tree.Blob{
		"x/web.yaml": {Data: strings.Replace(head, "%s", "web", 1) + "  chart:\n    spec:\n      chart: web\n      sourceRef:\n        kind: HelmRepository\n        name: charts\n" +
			"  interval: 10m0s\n  timeout: 20s\n  values:\n    a: 1\n"},
		"x/ref.yaml": {Data: strings.Replace(head, "%s", "ref", 1) + "  chartRef:\n    kind: OCIRepository\n    name: web\n  interval: 10m0s\n  timeout: 20s\n"},
	}
	for name, b := range want {
		if c.Before[name] != b {
			t.Errorf("%s is\n%s", name, c.Before[name].Data)
		}
	}
}
