package release

import (
	"fmt"
	"strings"
	"testing"
)

// chartLike is a chart of n templates that look like those of a scaffold: helpers, labels, conditions, toYaml.
func chartLike(n int) []File {
	helpers := `{{- define "c.fullname" -}}
{{- printf "%s-%s" .Release.Name (.Values.nameOverride | default .Chart.Name) | trunc 63 | trimSuffix "-" -}}
{{- end }}
{{- define "c.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "c.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}
{{- define "c.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}
`
	deployment := `{{- if .Values.enabled }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "c.fullname" . }}-NUMBER
  labels:
    {{- include "c.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  selector:
    matchLabels:
      {{- include "c.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "c.labels" . | nindent 8 }}
    spec:
      containers:
        - name: main
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
          env:
            {{- range $k, $v := .Values.env }}
            - name: {{ $k }}
              value: {{ $v | quote }}
            {{- end }}
          resources:
            {{- toYaml .Values.resources | nindent 12 }}
      {{- with .Values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end }}
`
	values := "enabled: true\nreplicas: 2\nimage: {repository: nginx, tag: \"1.0\"}\nenv: {A: \"1\", B: \"2\", C: \"3\"}\nresources: {limits: {cpu: 1}, requests: {cpu: 1}}\nnodeSelector: {a: b}\n"
	files := append(chartOf("templates/_helpers.tpl", helpers), File{Name: "values.yaml", Data: []byte(values)})
	for i := range n {
		files = append(files, File{Name: fmt.Sprintf("templates/d%d.yaml", i), Data: []byte(strings.ReplaceAll(deployment, "NUMBER", fmt.Sprint(i)))})
	}
	return files
}

func BenchmarkRender(b *testing.B) {
	for _, n := range []int{2, 100} {
		b.Run(fmt.Sprintf("templates=%d", n), func(b *testing.B) {
			r := new(Renderer)
			in := inputFor(chartLike(n), nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Render(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(fmt.Sprintf("helm/templates=%d", n), func(b *testing.B) {
			in := inputFor(chartLike(n), nil)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := plainHelm(&in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkKey(b *testing.B) {
	r := new(Renderer)
	in := inputFor(chartLike(100), nil)
	for b.Loop() {
		r.Key(in)
	}
}

func BenchmarkLoad(b *testing.B) {
	in := inputFor(chartLike(100), nil)
	for b.Loop() {
		new(Renderer).Key(in)
	}
}
