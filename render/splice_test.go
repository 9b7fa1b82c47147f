package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// bothWays substitutes by splicing and the whole way, and fails when they differ. It
// reports whether the first was to be had at all.
func bothWays(t rapid.TB, data []byte, v *variables) (fast bool) {
	u := newUsage(data)
	if u.err != nil {
		return false
	}
	u.spliced = func() *spliced { return nil }
	want, wantUnknown, wantErr := u.substitute(v)
	text, err := yaml.JSONToYAML(data)
	if err != nil {
		t.Fatal(err)
	}
	s := splice(string(text))
	if s == nil {
		return false
	}
	u.spliced = func() *spliced { return s }
	got, unknown, err := u.substitute(v)
	if fmt.Sprint(err) != fmt.Sprint(wantErr) || string(got) != string(want) || err == nil && !slices.Equal(unknown, wantUnknown) {
		t.Fatalf("of\n%s\nand %q comes\n%s %q %v, the whole way\n%s %q %v", text, v.values, got, unknown, err, want, wantUnknown, wantErr)
	}
	_, fast = s.fill(func(name string) (string, bool) { value, ok := v.values[name]; return value, ok })
	return fast
}

// scalarsWith are texts with variables as objects have them.
var scalarsWith = []string{
	"${a}", "${b}", "x${a}", "${a}y", "${a}${b}", "${a}-${b}.example.com", "https://${a}/${b}?x=${a}", "1${a}", "${a}.0", "-${a}", "${a}: ${b}",
	"${c:=d}", "${c:-}", "${c=1}", "${a:=x y}", "${a^^}", "${#a}", "${a:0:1}", "${a/x/y}", "$a", "$$", "$${a}", "$(a)", "a$", "${", "${}", "${a", "}",
	"'${a}'", "\"${a}\"", "it's ${a}", "\\${a}", "#${a}", "a #${a}", "[${a}]", "{${a}}", "*${a}", "&${a}", "!${a}", "%${a}", "@${a}", "~${a}", "|", ">",
	" ${a}", "${a} ", "a: ${a}", "- ${a}", "? ${a}", "${a}:", "line\n${a}\n", "${a}\nline", "  x: ${a}\ny: 'z ${b}'\n\n", "\n${a}\n", "x\n ${a} \n", "tab\t${a}",
	"x\n\t${a}", "é${a}", "line\né ${a}", "\u2028${a}", "${a}\u0085", "true", "1", "1.0", "1e3", "null", "0x10", "2001-01-01", "yes", "=", "<<", "1:30", "",
	"a long text with many words that goes on and on so that an emitter with a width may fold it before ${a} and again after ${b}, who knows where",
	"zqMarkOfGap0zq${a}", "x\n---\n${a}\n", "x\n...\n${a}", "---${a}", "key: |\n  ${a}\n", "x|\n${a}", "<${a}&>",
}

// valuesOf are values of variables, good and bad.
var valuesOf = []string{
	"x", "prod-eu", "eu-west-1", "1", "01", "1.0", "1.10", "1e3", "0x1F", "0o7", "-1", "+1", "-0", "0.0", "-0.0", ".5", "5.", "1_000", "12345678901234567890", "9007199254740993",
	"true", "False", "yes", "No", "on", "y", "n", "null", "~", "", " ", "a b", " a", "a ", "a: b", "a:", ":a", "a #b", "#a", "a#b", "'", "\"", "\\", "\\n", "it's", "{}", "[]", "{a", "a}", "[a", "a]",
	"-", "- a", "?", "*a", "&a", "!a", "%a", "@a", "`a", "|", ">", "|-", ",", "a,b", "2001-01-01", "2001-01-01T00:00:00Z", "1:30", "12:30:45", "10.0.0.1", "10.0.0.0/8", "1.2.3", "...", "---", "<<", "=",
	".inf", "-.inf", ".nan", ".NaN", "<b>&", "é", "\u2028", "\u0085", "\ufeff", "\t", "a\tb", "\x00", "\x7f", "\xff", "${b}", "$b", "$$", "http://x:80/?a=b&c=d", "1Mi", "500m", "0.5", "1e400", "1E5", "0b11",
	strings.Repeat("x", 200), strings.Repeat("9", 70), strings.Repeat("a b ", 60) + "c", "d: |", "x\\", "__", "0_", "1,000", "(a)", "a;b",
}

func drawTemplate(t *rapid.T, depth int) any {
	switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
	case depth > 0 && kind < 3:
		m := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "keys") {
			key := rapid.SampledFrom([]string{"a", "b", "key", "x.y/z", "with space", "a: b", "1", "true", "", "é", "-", "'q'", "\"", strings.Repeat("k", 130), "data"}).Draw(t, "key")
			if rapid.IntRange(0, 30).Draw(t, "variable") == 0 {
				key += "${a}"
			}
			m[key] = drawTemplate(t, depth-1)
		}
		return m
	case depth > 0 && kind < 5:
		list := []any{}
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			list = append(list, drawTemplate(t, depth-1))
		}
		return list
	case kind == 5:
		return rapid.SampledFrom([]any{nil, true, false, 0, -1, 1.5, 1e21, 1e-7, 9007199254740993, 12345678901, -0.5, 100000000000000000000.0}).Draw(t, "value")
	case kind == 6:
		return rapid.StringN(0, 8, -1).Draw(t, "text") + rapid.SampledFrom([]string{"", "${a}"}).Draw(t, "end")
	case kind == 7:
		return rapid.SampledFrom(scalarsWith).Draw(t, "one") + rapid.SampledFrom([]string{"", " ", "\n", "-", ": "}).Draw(t, "between") + rapid.SampledFrom(scalarsWith).Draw(t, "other")
	case kind == 8:
		return rapid.SampledFrom(scalarsWith).Draw(t, "any")
	}
	return rapid.SampledFrom(scalarsWith[:12]).Draw(t, "scalar")
}

func drawVariables(t *rapid.T) *variables {
	v := &variables{values: map[string]string{}, sensitive: map[string]bool{}, strict: rapid.Bool().Draw(t, "strict")}
	for _, name := range []string{"a", "b", "c"} {
		switch rapid.IntRange(0, 5).Draw(t, "set") {
		case 0:
		case 1:
			v.values[name] = rapid.StringN(0, 12, -1).Draw(t, "value")
		default:
			v.values[name] = rapid.SampledFrom(valuesOf).Draw(t, "value")
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "open") == 0 {
		v.open = []string{"ConfigMap/x"}
	}
	return v
}

// TestSpliceLikeWholeWay: filling the gaps of an object gives what the whole way through
// YAML gives, for any object and values.
func TestSpliceLikeWholeWay(t *testing.T) {
	oneGoroutine(t)
	n, fast := 0, 0
	check := func(rt *rapid.T) {
		n++
		object := map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "a"}}
		for _, key := range []string{"data", "spec"} {
			object[key] = drawTemplate(rt, 3)
		}
		object["z"] = rapid.SampledFrom(scalarsWith[:10]).Draw(rt, "some")
		data, err := json.Marshal(object)
		if err != nil {
			rt.Fatal(err)
		}
		if bothWays(rt, data, drawVariables(rt)) {
			fast++
		}
	}
	for range 10 { // a draw takes a millisecond
		rapid.Check(t, check)
	}
	t.Logf("%d objects, %d spliced", n, fast)
	if n > 500 && fast < n/20 {
		t.Error("the test sees too little")
	}
}

// TestSpliceEach pairs each text with each value.
func TestSpliceEach(t *testing.T) {
	oneGoroutine(t)
	n, fast := 0, 0
	for _, text := range scalarsWith {
		data, err := json.Marshal(map[string]any{"v": text, "list": []any{text, map[string]any{"w": text}}})
		if err != nil {
			t.Fatal(err)
		}
		u := newUsage(data)
		if u.err != nil {
			continue
		}
		plain := &usage{template: u.template, parsed: u.parsed, fallback: u.fallback, spliced: func() *spliced { return nil }}
		for _, value := range valuesOf {
			v := &variables{values: map[string]string{"a": value, "b": "other"}}
			want, _, wantErr := plain.substitute(v)
			got, _, err := u.substitute(v)
			if fmt.Sprint(err) != fmt.Sprint(wantErr) || string(got) != string(want) {
				t.Errorf("%q with %q: %s %v, the whole way %s %v", text, value, got, err, want, wantErr)
			}
			n++
			if s := u.spliced(); s != nil {
				if _, ok := s.fill(func(name string) (string, bool) { value, ok := v.values[name]; return value, ok }); ok {
					fast++
				}
			}
		}
	}
	t.Logf("%d pairs, %d spliced", n, fast)
	if fast < n/10 {
		t.Error("the test sees too little")
	}
}

// TestSpliced: what objects usually hold is spliced.
func TestSpliced(t *testing.T) {
	values := map[string]string{"cluster": "prod", "domain": "example.com", "n": "3", "cidr": "10.0.0.0/8", "on": "true"}
	for name, text := range map[string]string{
		"scalars":  "a: ${cluster}\nb: app.${domain:=x.y}\nc: '${n}'\nd: ${n}\ne: ${on}\nf: ${cidr}\ng: https://${cluster}.${domain}/x?y=1\n",
		"lists":    "a:\n- ${cluster}\n- name: ${cluster}\n  b: [ \"${n}\", x ]\n",
		"block":    "data:\n  config.yaml: |\n    cluster: ${cluster}\n    list:\n    - \"${domain}\"\n  x: ${n}\n",
		"defaults": "a: ${unset:=x}\nb: ${unset:-1}\nc: ${cluster:=y}\n",
		"dollars":  "a: $(x) ${cluster} $y\n",
	} {
		t.Run(name, func(t *testing.T) {
			data, err := yaml.YAMLToJSON([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if !bothWays(t, data, &variables{values: values}) {
				t.Error("is not spliced")
			}
		})
	}
}

// FuzzSplice takes any object, given as YAML, and any values.
func FuzzSplice(f *testing.F) {
	oneGoroutine(f)
	for i, s := range scalarsWith {
		f.Add("data:\n  k: "+s+"\n  l: x\n", valuesOf[i%len(valuesOf)], valuesOf[(7*i)%len(valuesOf)], i%2 == 0)
		f.Add("data:\n  k: |\n    "+strings.ReplaceAll(s, "\n", "\n    ")+"\n", valuesOf[(3*i)%len(valuesOf)], "b", i%2 == 0)
		f.Add("- ${a}\n- x: "+s+"\n  y: '${b}'\n", valuesOf[(5*i)%len(valuesOf)], "1", true)
	}
	seeds(f, ".yaml", func(data string) { f.Add(data, "a", "1", false) })
	f.Fuzz(func(t *testing.T, text, a, b string, open bool) {
		data, err := yaml.YAMLToJSON([]byte(text))
		if err != nil || !bytes.HasPrefix(data, []byte("{")) || len(data) > 4000 {
			return
		}
		v := &variables{values: map[string]string{"a": a, "b": b, "x": a, "cluster": b, "region": a}}
		if open {
			v.open = []string{"ConfigMap/x"}
		}
		bothWays(t, data, v)
	})
}

func BenchmarkSubstitute(b *testing.B) {
	text := "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app, namespace: apps, labels: {team: platform, app: app}}\nspec:\n  replicas: 2\n" +
		"  selector: {matchLabels: {app: app}}\n  template:\n    metadata: {labels: {app: app}}\n    spec:\n      containers:\n      - name: app\n" +
		"        image: ghcr.io/example/app:1.0.0\n        ports: [{name: http, containerPort: 8080}]\n        env:\n        - {name: REGION, value: '${region}'}\n" +
		"        - {name: CLUSTER, value: '${cluster}.${domain:=example.com}'}\n        - {name: LEVEL, value: info}\n" +
		"        resources: {requests: {cpu: 100m, memory: 128Mi}, limits: {memory: 256Mi}}\n        readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 10}\n" +
		"        volumeMounts: [{name: config, mountPath: /etc/app}, {name: tmp, mountPath: /tmp}]\n      volumes: [{name: config, configMap: {name: app-config}}, {name: tmp, emptyDir: {}}]\n"
	data, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		b.Fatal(err)
	}
	values := &variables{values: map[string]string{"region": "eu-west-1", "cluster": "prod-1"}}
	for _, c := range []string{"spliced", "whole"} {
		u := newUsage(data)
		if c == "whole" {
			u.spliced = func() *spliced { return nil }
		}
		b.Run(c, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				if _, _, err := u.substitute(values); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("splice", func(b *testing.B) {
		y, _ := yaml.JSONToYAML(data)
		b.ReportAllocs()
		for b.Loop() {
			if splice(string(y)) == nil {
				b.Fatal("is not spliced")
			}
		}
	})
}
