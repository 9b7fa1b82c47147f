package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestHostileTemplates holds that templates which would never end, or fill the memory, end soon with an error.
func TestHostileTemplates(t *testing.T) {
	if raceDetector {
		t.Skip("SKIPPED: a minute under the race detector; make hermetic runs it without")
	}
	define := func(body string) string { return `{{ define "x" }}` + body + `{{ end }}` }
	tests := map[string]string{
		"loops":               `{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}x{{ end }}{{ end }}{{ end }}`,
		"loop in block":       `{{ block "b" . }}{{ range until 5000 }}{{ range until 5000 }}{{ end }}{{ end }}{{ end }}`,
		"include loop":        define(`{{ include "x" . }}`) + `{{ include "x" . }}`,
		"template loop":       define(`{{ template "x" . }}`) + `{{ template "x" . }}`,
		"tpl loop":            `{{ $t := "{{ tpl . . }}" }}{{ tpl $t $t }}`,
		"tpl in value":        `{{ tpl .Values.loop . }}`,
		"until":               `{{ until 2000000000 }}`,
		"untilStep":           `{{ untilStep 0 9000000000000 1 }}`,
		"seq":                 `{{ seq 0 2000000000 }}`,
		"repeat":              `{{ repeat 2000000000 "x" }}`,
		"repeat in pipe":      `{{ "xxxxxxxx" | repeat 1000000 | repeat 1000000 }}`,
		"indent":              `{{ repeat 100000 "\n" | indent 100000 }}`,
		"printf width":        `{{ range until 2000 }}{{ $x := printf "%1000000d%1000000d%1000000d" 1 2 3 }}{{ end }}`,
		"printf star":         `{{ range until 2000 }}{{ $x := printf "%*d" 1000000 1 }}{{ end }}`,
		"printf index":        `{{ $s := repeat 1000000 "x" }}{{ printf (repeat 1000 "%[1]s") $s }}`,
		"print doubling":      `{{ $s := "x" }}{{ range until 60 }}{{ $s = print $s $s }}{{ end }}`,
		"cat doubling":        `{{ $s := "x" }}{{ range until 60 }}{{ $s = cat $s $s }}{{ end }}`,
		"list doubling":       `{{ $s := list 1 }}{{ range until 60 }}{{ $s = concat $s $s }}{{ end }}`,
		"join doubling":       `{{ $s := "x" }}{{ range until 60 }}{{ $s = list $s $s | join "" }}{{ end }}`,
		"replace doubling":    `{{ $s := "x" }}{{ range until 60 }}{{ $s = replace "x" "xx" $s }}{{ end }}`,
		"regex doubling":      `{{ $s := "x" }}{{ range until 60 }}{{ $s = regexReplaceAll "x" $s "xx" }}{{ end }}`,
		"include doubling":    define(`{{ . }}{{ . }}`) + `{{ $s := "x" }}{{ range until 60 }}{{ $s = include "x" $s }}{{ end }}`,
		"include of a dict":   define(`{{ .a }}{{ .a }}`) + `{{ $s := "x" }}{{ range until 60 }}{{ $s = include "x" (dict "a" $s) }}{{ end }}`,
		"toYaml doubling":     `{{ $s := "x" }}{{ range until 60 }}{{ $s = toYaml (list $s $s) }}{{ end }}`,
		"tpl doubling":        `{{ $s := "x" }}{{ range until 60 }}{{ $s = tpl (print $s $s) . }}{{ end }}`,
		"random":              `{{ randAlphaNum 2000000000 }}`,
		"derivePassword":      `{{ range until 1000 }}{{ derivePassword 1 "long" "p" "u" "s" }}{{ end }}`,
		"blocks":              strings.Repeat("{{ if 1 }}", 5000) + strings.Repeat("{{ end }}", 5000),
		"nested printf quote": `{{ $s := "\\" }}{{ range until 60 }}{{ $s = quote $s }}{{ end }}`,
	}
	for name, text := range tests {
		t.Run(name, func(t *testing.T) {
			in := inputFor(chartOf("templates/a.yaml", text), Values{"loop": "{{ tpl .Values.loop . }}{{ tpl .Values.loop . }}"})
			in.Limits = Limits{Steps: 100_000, Bytes: 16 << 20}
			start := time.Now()
			_, err := Render(t.Context(), in)
			var e *Error
			if !errors.As(err, &e) || e.Stage != StageLimit && !strings.Contains(e.Message, "nested reference") {
				t.Errorf("error %.300v", err)
			}
			if e != nil && e.Stage == StageLimit && !errors.Is(err, ErrLimit) {
				t.Error("no ErrLimit")
			}
			if d := time.Since(start); d > 5*time.Minute {
				t.Errorf("takes %s", d)
			}
		})
	}
}

// TestPeacefulTemplates holds that what people write passes.
func TestPeacefulTemplates(t *testing.T) {
	text := `{{ range $i := until 200 }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: "c-{{ $i }}"}
data:
  text: {{ repeat 100 "line\n" | indent 4 | quote }}
  sum: {{ range until 20 }}{{ printf "%05d" . | sha256sum | trunc 2 }}{{ end }}
{{ end }}`
	if out := mustRender(t, inputFor(chartOf("templates/a.yaml", text), nil)); len(out.Objects) != 200 {
		t.Errorf("%d objects", len(out.Objects))
	}
}

// TestLargeFiles holds that what a chart brings along costs nothing when a template is included.
func TestLargeFiles(t *testing.T) {
	files := append(chartOf("templates/a.yaml", `{{ define "x" }}1{{ end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data:
  a: "{{ range until 1000 }}{{ include "x" $ }}{{ end }}"`), File{Name: "files/large", Data: bytes.Repeat([]byte("x"), 1<<20)})
	if out := mustRender(t, inputFor(files, nil)); len(out.Objects) != 1 {
		t.Errorf("%d objects", len(out.Objects))
	}
}

// TestDeadline holds that a context ends the templates.
func TestDeadline(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	in := inputFor(chartOf("templates/a.yaml", `{{ range until 100000 }}{{ range until 100000 }}{{ end }}{{ end }}`), nil)
	in.Limits.Steps = 1 << 40
	if _, err := Render(ctx, in); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func packedChart(t *testing.T, name string, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for file, text := range files {
		if err := w.WriteHeader(&tar.Header{Name: name + "/" + file, Mode: 0o600, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestPackedSubcharts holds that a packed subchart counts like an unpacked one, and that its size is bounded.
func TestPackedSubcharts(t *testing.T) {
	inner := packedChart(t, "inner", map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: inner\nversion: 1.0.0\n", "templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: inner}\n",
	})
	sub := packedChart(t, "sub", map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: sub\nversion: 1.0.0\n", "templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: sub}\n",
		"charts/inner-1.0.0.tgz": string(inner),
	})
	files := append(chartOf(), File{Name: "charts/sub-1.0.0.tgz", Data: sub}, File{Name: "charts/_ignored.tgz", Data: sub}, File{Name: "charts/sub.tgz.prov", Data: sub})
	out := mustRender(t, inputFor(files, nil))
	if len(out.Objects) != 2 || out.Objects[0].File != "c/charts/sub/charts/inner/templates/a.yaml" {
		t.Errorf("objects %+v", out.Objects)
	}
	bomb := packedChart(t, "b", map[string]string{"Chart.yaml": "apiVersion: v2\nname: b\nversion: 1.0.0\n", "x": strings.Repeat("x", 5<<20)})
	for i := range 20 {
		files = append(files, File{Name: fmt.Sprintf("charts/b%d.tgz", i), Data: bomb})
	}
	in := inputFor(files, nil)
	in.Limits.Files = 20 << 20
	if _, err := Render(t.Context(), in); !errors.Is(err, ErrLimit) {
		t.Errorf("error %v", err)
	}
}

func TestIllegalNames(t *testing.T) {
	for _, name := range []string{"../x", "/etc/passwd", "a/../../b", "", ".", "a//b", `templates\a.yaml`} {
		if _, err := Render(t.Context(), inputFor(append(chartOf(), File{Name: name}), nil)); err == nil {
			t.Errorf("%q is no error", name)
		}
	}
}

// FuzzRender holds that no template and no values make a panic, a hang or two answers.
func FuzzRender(f *testing.F) {
	for _, in := range cases(f) {
		for _, file := range in.Files {
			if strings.HasPrefix(file.Name, "templates/") {
				f.Add(string(file.Data), `{"a": {"b": 1}, "text": "{{ .x }}"}`)
			}
		}
	}
	f.Fuzz(func(t *testing.T, template, values string) {
		var v Values
		if v.UnmarshalJSON([]byte(values)) != nil {
			return
		}
		in := inputFor(chartOf("templates/a.yaml", template, "templates/_h.tpl", `{{ define "h" }}{{ . }}{{ end }}`, "values.yaml", "a: {b: 2}\n"), v)
		in.Limits = Limits{Steps: 20_000, Bytes: 4 << 20, Nodes: 20_000}
		if a, b := answer(t, new(Renderer), in), answer(t, new(Renderer), in); a != b {
			t.Errorf("two answers:\n%s\n%s", a, b)
		}
	})
}
