package release

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"pgregory.net/rapid"
)

// cases are the inputs of testdata.
func cases(tb testing.TB) map[string]Input {
	tb.Helper()
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		tb.Fatalf("no cases: %v", err)
	}
	out := map[string]Input{}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			tb.Fatal(err)
		}
		out[filepath.Base(file)] = inputOf(tb, archive)
	}
	return out
}

// answer is all that a render says.
func answer(tb testing.TB, r *Renderer, in Input) string {
	tb.Helper()
	out, err := r.Render(context.Background(), in)
	return mustJSON(tb, out) + fmt.Sprint(err)
}

// TestSameAnswer renders each case again: with one renderer for all, at once, with the files in another order, through JSON.
func TestSameAnswer(t *testing.T) {
	r := new(Renderer)
	var wg sync.WaitGroup
	for name, in := range cases(t) {
		want := answer(t, new(Renderer), in)
		shuffled := in
		shuffled.Files = slices.Clone(in.Files)
		slices.Reverse(shuffled.Files)
		shuffled.APIVersions = slices.Clone(in.APIVersions)
		slices.Reverse(shuffled.APIVersions)
		var sent Input
		if err := json.Unmarshal([]byte(mustJSON(t, in)), &sent); err != nil {
			t.Fatal(err)
		}
		before := mustJSON(t, in)
		for i, again := range []Input{in, shuffled, sent} {
			if key := again.Key(); key != in.Key() {
				t.Errorf("%s: key %d differs", name, i)
			}
			wg.Go(func() {
				if diff := cmp.Diff(want, answer(t, r, again)); diff != "" {
					t.Errorf("%s, way %d: -want +got\n%s", name, i, diff)
				}
				if mustJSON(t, in) != before {
					t.Errorf("%s: the input changed", name)
				}
			})
		}
	}
	wg.Wait()
}

func TestOutputThroughJSON(t *testing.T) {
	for name, in := range cases(t) {
		out, err := Render(t.Context(), in)
		if err != nil {
			var e, back *Error
			if !errors.As(err, &e) || json.Unmarshal([]byte(mustJSON(t, e)), &back) != nil || back.Error() != err.Error() {
				t.Errorf("%s: error %v came back as %v", name, err, back)
			}
			continue
		}
		var back *Output
		if err := json.Unmarshal([]byte(mustJSON(t, out)), &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(out, back); diff != "" {
			t.Errorf("%s: -sent +received\n%s", name, diff)
		}
	}
}

// TestValuesThroughJSON holds that values keep their types on the way.
func TestValuesThroughJSON(t *testing.T) {
	var value *rapid.Generator[any]
	value = rapid.Custom(func(t *rapid.T) any {
		switch rapid.IntRange(0, 7).Draw(t, "kind") {
		case 0:
			return rapid.Int64().Draw(t, "int")
		case 1:
			return rapid.Float64Range(-1e300, 1e300).Draw(t, "float")
		case 2:
			return float64(rapid.Int32().Draw(t, "whole"))
		case 3:
			return rapid.String().Draw(t, "text")
		case 4:
			return rapid.Bool().Draw(t, "bool")
		case 5:
			return nil
		case 6:
			return append([]any{}, rapid.SliceOfN(value, 0, 3).Draw(t, "list")...)
		default:
			return rapid.MapOfN(rapid.String(), value, 0, 3).Draw(t, "map")
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		want := Values(rapid.MapOfN(rapid.String(), value, 0, 4).Draw(t, "values"))
		data, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Values
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got\n%s", diff)
		}
	})
	if _, err := json.Marshal(Values{"x": uint8(1)}); err == nil {
		t.Error("a type that Helm's values do not have is no error")
	}
}

// TestKey holds that what counts changes the key, and nothing else does.
func TestKey(t *testing.T) {
	plain := chartOf("templates/a.yaml", "{{ .Values.x | toYaml }}{{ with .Values }}{{ toJson . }}{{ end }}{{ include \"x\" $ }}{{ dict \"context\" $ | include \"y\" }}")
	in := inputFor(plain, Values{"x": "y"})
	other := func(change func(*Input)) string {
		x := in
		change(&x)
		return x.Key()
	}
	for name, change := range map[string]func(*Input){
		"values":    func(x *Input) { x.Values = Values{"x": "z"} },
		"type":      func(x *Input) { x.Values = Values{"x": int64(1)} },
		"release":   func(x *Input) { x.Release.Name = "other" },
		"upgrade":   func(x *Input) { x.Release.Upgrade = false },
		"file":      func(x *Input) { x.Files = append(slices.Clone(x.Files), File{Name: "a"}) },
		"sensitive": func(x *Input) { x.Sensitive = []string{"y"} },
		"unread":    func(x *Input) { x.Kubernetes = "nonsense" },
	} {
		if other(change) == in.Key() {
			t.Errorf("%s does not change the key", name)
		}
	}
	for name, change := range map[string]func(*Input){
		"version":      func(x *Input) { x.Kubernetes = "1.30" },
		"API versions": func(x *Input) { x.APIVersions = []string{"v1"} },
		"order":        func(x *Input) { x.Files = []File{x.Files[1], x.Files[0]} },
		"defaults":     func(x *Input) { x.Limits = Limits{}.orDefaults() },
	} {
		if other(change) != in.Key() {
			t.Errorf("%s changes the key", name)
		}
	}
}

func TestUses(t *testing.T) {
	both := Uses{KubeVersion: true, APIVersions: true}
	tests := map[string]struct {
		template string
		values   Values
		want     Uses
	}{
		"none":           {"{{ .Release.Name }}", nil, Uses{}},
		"version":        {"{{ .Capabilities.KubeVersion.Minor }}", nil, Uses{KubeVersion: true}},
		"apis":           {"{{ $.Capabilities.APIVersions.Has \"v1\" }}", nil, Uses{APIVersions: true}},
		"helm":           {"{{ .Capabilities.HelmVersion }}", nil, Uses{}},
		"alias":          {"{{ $c := .Capabilities }}{{ $c.KubeVersion }}", nil, both},
		"computed":       {"{{ index $ (print \"Capa\" \"bilities\") }}", nil, both},
		"computed dot":   {"{{ (get . (print \"Capa\" \"bilities\")).KubeVersion }}", nil, both},
		"whole":          {"{{ toYaml $ }}", nil, both},
		"whole piped":    {"{{ . | toJson }}", nil, both},
		"whole ranged":   {"{{ range $k, $v := . }}{{ end }}", nil, both},
		"passed on":      {"{{ include \"x\" $ | quote }}{{ include \"y\" (dict \"root\" $) | toYaml }}{{ tpl (toYaml .Values.x) $ }}", nil, Uses{}},
		"dump of values": {"{{ toYaml $.Values }}{{ with .Values.x }}{{ toYaml . }}{{ end }}", nil, Uses{}},
		"in a value":     {"{{ tpl .Values.x . }}", Values{"x": "{{ .Capabilities.APIVersions }}"}, Uses{APIVersions: true}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			l := load(chartOf("templates/a.yaml", tt.template), strings.Repeat("0", 64), Limits{}.orDefaults())
			if l.err != nil {
				t.Fatal(l.err)
			}
			if got := l.uses.or(valueUses(map[string]any(tt.values))); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// TestUsesNothing holds that what does not use the cluster renders alike on any.
func TestUsesNothing(t *testing.T) {
	for name, in := range cases(t) {
		key := in.Key()
		moved := in
		moved.Kubernetes, moved.APIVersions = "v1.21.0", []string{"v1"}
		if moved.Key() == key && answer(t, new(Renderer), in) != answer(t, new(Renderer), moved) {
			t.Errorf("%s renders otherwise on another cluster, under one key", name)
		}
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Render(ctx, inputFor(chartOf("templates/a.yaml", ""), nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestKept holds that a renderer loads a chart once, and keeps no more than it should.
func TestKept(t *testing.T) {
	r := new(Renderer)
	limits := Limits{}.orDefaults()
	chart := chartOf("templates/a.yaml", "a")
	a, _ := r.charts.get(chart, limits)
	if b, _ := r.charts.get([]File{chart[1], chart[0]}, limits); a != b {
		t.Error("loaded twice")
	}
	big := bytes.Repeat([]byte("x"), 4<<20)
	for i := range 30 {
		r.charts.get(append(chartOf(), File{Name: fmt.Sprintf("f%d", i), Data: big}), limits)
	}
	if r.charts.size > maxKept || len(r.charts.kept) != r.charts.order.Len() || len(r.charts.kept) > 30 {
		t.Errorf("keeps %d charts, %d bytes", len(r.charts.kept), r.charts.size)
	}
	if len(slices.Collect(maps.Keys(r.charts.kept))) < 2 {
		t.Error("keeps nothing")
	}
}

// TestFilesOfOneName holds that AsConfig does not leave to chance which of two files of one name it takes, and that
// .Files is Helm's in all else.
func TestFilesOfOneName(t *testing.T) {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n" +
		`  get: {{ .Files.Get "conf/x" | quote }}{{ range $p, $d := .Files.Glob "conf/**" }}` + "\n" + `  {{ $p | replace "/" "." }}: {{ $d | toString | quote }}{{ end }}` + "\n" +
		`  lines: {{ .Files.Lines "conf/x" | toJson | quote }}` + "\n" + `  index: {{ index .Files "conf/x" | toString | quote }}`
	config := "\n{{ (.Files.Glob \"**/x\").AsConfig | indent 2 }}\n{{ (.Files.Glob \"**/y\").AsSecrets | indent 2 }}\n"
	files := append(chartOf("templates/a.yaml", text), File{Name: "conf/x", Data: []byte("1\n2\n")}, File{Name: "conf/y", Data: []byte("3")})
	compareWithHelm(t, inputFor(append(slices.Clone(files), File{Name: "other/x", Data: []byte("4")}), nil))
	files[1].Data = []byte(text + config)
	one := mustRender(t, inputFor(files, nil))
	files = append(files, File{Name: "other/x", Data: []byte("4")})
	in := inputFor(files, nil)
	want := answer(t, new(Renderer), in)
	for range 20 {
		if answer(t, new(Renderer), in) != want {
			t.Fatal("two answers")
		}
	}
	if !strings.Contains(want, "other/x") || !strings.Contains(string(one.Objects[0].JSON), `"y":"Mw=="`) {
		t.Errorf("%s\n%s", want, one.Objects[0].JSON)
	}
}
