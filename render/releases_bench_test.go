package render_test

import (
	"fmt"
	"testing"

	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// The fleet of [BenchmarkReleases].
const (
	releaseClusters = 100
	releasesOnEach  = 10
	releaseValues   = 3 // that differ: cluster i has number i modulo this
)

// releaseFleet has on each cluster the same releases of one chart in the repository.
func releaseFleet(b *testing.B) map[string]string {
	b.Helper()
	files := map[string]string{
		"charts/app/Chart.yaml":  "apiVersion: v2\nname: app\nversion: 1.0.0\n",
		"charts/app/values.yaml": "replicas: 1\nenv: {LOG: info}\n",
		"charts/app/templates/_helpers.tpl": `{{- define "app.labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
`,
	}
	for i := range 10 {
		files[fmt.Sprintf("charts/app/templates/d%d.yaml", i)] = fmt.Sprintf(`apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-%d
  labels: {{- include "app.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels: {{- include "app.labels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "app.labels" . | nindent 8 }}
    spec:
      containers:
        - name: main
          image: example.com/app:1
          env:
            {{- range $k, $v := .Values.env }}
            - {name: {{ $k }}, value: {{ $v | quote }}}
            {{- end }}
`, i)
	}
	for i := range releaseClusters {
		cluster := fmt.Sprintf("c%03d", i)
		sync, err := fleetcase.Sync(cluster, nil)
		if err != nil {
			b.Fatal(err)
		}
		files["clusters/"+cluster+"/flux-system/gotk-sync.yaml"] = sync
		for j := range releasesOnEach {
			files[fmt.Sprintf("clusters/%s/r%d.yaml", cluster, j)] = fmt.Sprintf(`apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: r%d, namespace: apps}
spec:
  interval: 10m
  chart: {spec: {chart: charts/app, sourceRef: {kind: GitRepository, name: flux-system, namespace: flux-system}}}
  values: {replicas: %d, env: {LOG: debug}}
`, j, 2+i%releaseValues)
		}
	}
	return files
}

// BenchmarkReleases renders 100 clusters x 10 releases of one chart, with values of three
// kinds, from nothing. Equal releases are rendered once, however many clusters have them.
func BenchmarkReleases(b *testing.B) {
	files := releaseFleet(b)
	b.ReportAllocs()
	for b.Loop() {
		r, err := render.Fleet(b.Context(), render.Repository{URL: fleetcase.URL, Tree: tree.FromMap(files)}, render.Options{})
		if err != nil {
			b.Fatal(err)
		}
		report(b, r)
		if want := releasesOnEach * releaseValues; r.Stats.ReleasesRun != want {
			b.Fatalf("%d releases were rendered, want %d", r.Stats.ReleasesRun, want)
		}
		b.ReportMetric(float64(r.Stats.Releases), "releases")
		b.ReportMetric(float64(r.Stats.ReleasesRun), "releases-run")
	}
}
