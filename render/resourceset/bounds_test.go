package resourceset

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// templated is a ResourceSet of one template and one input set.
func templated(text string, inputs map[string]any) map[string]any {
	return map[string]any{
		"metadata": map[string]any{"name": "r", "namespace": "apps"},
		"spec":     map[string]any{"inputs": []any{inputs}, "resourcesTemplate": text},
	}
}

// configMap writes a value into an object.
func configMap(action string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: x}\ndata:\n  v: " + action + "\n"
}

// TestHostileTemplates: whatever a template does, it ends soon, with an error that
// says so. Each would take minutes or gigabytes.
func TestHostileTemplates(t *testing.T) {
	doubling := `<< $x := list "xxxxxxxx" >><< range until 60 >><< $x = list $x $x >><< end >>`
	long := strings.Repeat("a", 1<<20)
	for name, text := range map[string]string{
		"nested loops":           `<< range until 10000 >><< range until 10000 >><< range until 10000 >><< end >><< end >><< end >>`,
		"loop over a number":     `<< range 1000000000000 >><< end >>`,
		"loop in a template":     `<< define "a" >><< range until 9999 >><< template "b" >><< end >><< end >><< define "b" >><< range until 9999 >>x<< end >><< end >><< template "a" >>`,
		"recursion":              `<< define "a" >><< template "a" >><< end >><< template "a" >>`,
		"recursion, twice":       `<< define "a" >><< template "a" >><< template "a" >><< end >><< template "a" >>`,
		"block recursion":        `<< block "a" . >><< template "a" . >><< end >>`,
		"repeat":                 `<< repeat 1000000000 "x" >>`,
		"repeat of repeat":       `<< repeat 100000 (repeat 100000 "x") >>`,
		"until":                  `<< until 1000000000 | len >>`,
		"until, negative":        `<< until -1000000000 | len >>`,
		"untilStep":              `<< untilStep 0 1000000000 1 | len >>`,
		"seq":                    `<< seq 1 1000000000 >>`,
		"seq of one":             `<< seq 1000000000 >>`,
		"seq with a step":        `<< seq 0 2 1000000000 >>`,
		"indent":                 `<< indent 1000000000 "x" >>`,
		"nindent":                `<< nindent 1000000000 "x" >>`,
		"indent lines":           `<< indent 100000 (repeat 1000 "\n") >>`,
		"replace":                `<< replace "a" inputs.long (inputs.long) >>`,
		"replace nothing":        `<< replace "" inputs.long (inputs.long) >>`,
		"join":                   `<< join inputs.long (until 1000) >>`,
		"printf width":           `<< printf "%999999d%999999d%999999d" 1 2 3 >>`,
		"printf, star":           `<< printf "%*d" 1000000000 1 >>`,
		"printf, again":          `<< printf "%[1]s%[1]s%[1]s%[1]s" inputs.long >>`,
		"printf, many":           `<< printf "%s%s%s" inputs.long (inputs.long) inputs.long >>`,
		"print":                  doubling + `<< print $x >>`,
		"println":                doubling + `<< println $x >>`,
		"html":                   doubling + `<< html $x >>`,
		"write":                  doubling + `<< $x >>`,
		"toJson":                 doubling + `<< toJson $x >>`,
		"toYaml":                 doubling + `<< toYaml $x >>`,
		"toString":               doubling + `<< toString $x >>`,
		"deepEqual":              doubling + `<< deepEqual $x (list $x) >>`,
		"cat":                    `<< $x := "xx" >><< range until 60 >><< $x = cat $x $x >><< end >>`,
		"holds itself":           `<< $d := dict >><< $_ := set $d "d" $d >><< $d >>`,
		"inputs hold themselves": `<< $_ := set inputs "d" inputs >><< toJson inputs >>`,
		"nested lists":           `<< $x := list >><< range until 5000 >><< $x = list $x >><< end >><< toPrettyJson $x >>`,
		"uniq":                   `<< uniq (until 99999) | len >>`,
		"without":                `<< without (until 99999) 1 2 3 | len >>` + strings.Repeat(`<< uniq (until 3000) | len >>`, 300),
		"regex":                  `<< range until 1000 >><< regexMatch "(a*)*b(a|aa)+(.*)(.*)(.*)" inputs.long >><< end >>`,
		"regexReplaceAll":        `<< regexReplaceAll "a" inputs.long (inputs.long) >>`,
		"regex with references":  `<< regexReplaceAll ".*" inputs.long "$0$0$0$0" >>`,
		"output":                 `<< range until 9999 >>` + strings.Repeat("x", 10_000) + `<< end >>`,
		"text":                   strings.Repeat("# x\n", maxText/4+1),
		"appends":                `<< $x := list >><< range until 99999 >><< $x = append $x "xxxxxxxxxxxxxxxxxxxx" >><< end >>`,
		"variables":              `<< $x := "a" >>` + strings.Repeat(`<< $x = print $x $x >>`, 40),
	} {
		t.Run(name, func(t *testing.T) {
			if raceDetector && (strings.Contains(name, "loop") || name == "appends") {
				t.Skip("half a million steps are slow with the race detector")
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := Render(ctx, templated(text, map[string]any{"long": long}), nil)
			if !errors.Is(err, ErrTooLarge) {
				t.Errorf("got error %v", err)
			} else if len(err.Error()) > 2000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
		})
	}
}

// TestHostileSets: so do ResourceSets.
func TestHostileSets(t *testing.T) {
	sets := func(n int) []any { return make([]any, n) }
	many := sets(20_000)
	for i := range many {
		many[i] = map[string]any{"i": int64(i)}
	}
	var resources []any
	for i := range 20 {
		resources = append(resources, map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": fmt.Sprintf("a%d-<< inputs.i >>", i)}})
	}
	providers := make([]map[string]any, 3)
	for i := range providers {
		providers[i] = map[string]any{"apiVersion": apiVersion, "kind": providerKind, "metadata": map[string]any{"name": fmt.Sprint("p", i)}, "spec": map[string]any{"type": "Static"}}
	}
	for name, c := range map[string]struct {
		spec map[string]any
		want string
	}{
		"objects":        {map[string]any{"inputs": many, "resources": resources}, "too large"},
		"permutations":   {map[string]any{"inputs": many, "inputsFrom": []any{map[string]any{"name": "p0"}}, "inputStrategy": map[string]any{"name": "Permute"}}, "more than 10000 permutations"},
		"wrong types":    {map[string]any{"inputs": "a"}, "spec.inputs is not a list"},
		"wrong inputs":   {map[string]any{"inputs": []any{"a"}}, "spec.inputs[0] is not an object"},
		"wrong resource": {map[string]any{"resources": []any{"a"}}, "spec.resources[0] is not an object"},
		"wrong step":     {map[string]any{"steps": []any{1}}, "spec.steps[0] is not an object"},
		"wrong from":     {map[string]any{"inputsFrom": []any{1}}, "spec.inputsFrom[0]: is not an object"},
		"wrong kind":     {map[string]any{"inputsFrom": []any{map[string]any{"kind": "ConfigMap", "name": "a"}}}, `kind "ConfigMap"`},
		"wrong common":   {map[string]any{"commonMetadata": map[string]any{"labels": map[string]any{"a": 1}}}, "a is not a text"},
		"wrong depends":  {map[string]any{"dependsOn": []any{map[string]any{}}}, "spec.dependsOn[0] needs"},
		"no spec":        {nil, "spec is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			rs := map[string]any{"metadata": map[string]any{"name": "r"}}
			if c.spec != nil {
				rs["spec"] = c.spec
			}
			if _, err := Render(t.Context(), rs, Among(providers)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q", err, c.want)
			}
		})
	}
}

// TestStops: a cancelled context ends a render, and says so.
func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	text := `<< range until 9999 >><< end >>`
	if _, err := Render(ctx, templated(text, map[string]any{}), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v", err)
	}
}

// TestBoundsAreNotSeen: the bounds change nothing of what templates may do.
func TestBoundsAreNotSeen(t *testing.T) {
	for action, want := range map[string]string{
		`<< "a" >>`: "a", `<< 1.50 >>`: "1.5", `<< true >>`: "true", "<<- \"a\" ->>  \n": "a", `<</* nothing */>>b`: "b", `<< $x := 1 >><< $x >>`: "1",
		`<< range $i, $v := list "p" "q" >><< if $i >>,<< end >><< $v >><< else >>none<< end >>`: "p,q", `<< range list >>x<< else >>none<< end >>`: "none",
		`<< range until 9 >><< if eq . 2 >><< continue >><< end >><< if eq . 4 >><< break >><< end >><< . >><< end >>`: "013", `<< range 3 >>x<< end >>`: "xxx",
		`<< with inputs.none >>a<< else with inputs.some >><< . >><< else >>c<< end >>`: "s", `<< block "b" 5 >><< . >><< end >>`: "5",
		`<< define "d" >><< . >>-<< end >><< template "d" 1 >><< template "d" 2 >>`: "1-2-", `<< (dict "a" (dict "b" "c")).a.b >>`: "c", `<< len inputs.some >>`: "1",
		`<< repeat 3 "ab" >>`: "ababab", `<< join "-" (list 1 2) >>`: "1-2", `<< seq 1 3 >>`: "1 2 3", `<< seq 0 2 4 >>`: "0 2 4", `<< until 3 >>`: "[0 1 2]", `<< untilStep 0 6 2 >>`: "[0 2 4]",
		`<< printf "%-5s|%+d|%05.1f|%%|%[1]q" "a" 3 2.25 >>`: `a    |+3|002.2|%|"a"`, `<< replace "a" "bb" "aca" >>`: "bbcbb", `<< toDate "2006-01-02" "2026-02-03" | unixEpoch >>`: "1770076800",
		`<< regexReplaceAllLiteral "a+" "baab" "$1" >>`: "b$1b", `<< "x" | quote | quote >>`: `"\"x\""`, `<< print 1 2 "a" >>`: "1 2a", `<< html "<a>" >>`: "&lt;a&gt;",
		`<< get inputs "nothing" >>|<< index inputs "some" >>`: "|s", `<< and 1 0 >><< or 0 "z" >><< not true >>`: "0zfalse", `<< inputs.list | first >>`: "1", `<< hasKey inputs "some" >>`: "true",
		`<< toYaml inputs.list | nindent 2 >>`: "\n  - 1\n  - two", `<< toYaml (dict "a" 1) | sha256sum | trunc 6 >>`: "16c3c6", `<< fromJson "[1, 2]" | len >>`: "2", `<< index (list nil) 0 >>`: "<no value>",
	} {
		p, err := newEngine().parse(source{"t", action})
		if err != nil {
			t.Errorf("%s: %v", action, err)
			continue
		}
		m := &meter{ctx: t.Context(), steps: maxSteps, work: maxWork}
		got, _, err := p.execute(m, inputSet{values: map[string]any{"some": "s", "none": nil, "list": []any{int64(1), "two"}}}, "")
		if err != nil || string(got) != want {
			t.Errorf("%s gives %q (%v), want %q", action, got, err, want)
		}
	}
}

// TestErrorLines: errors name the template and the line of what is at fault, also
// when a bound is.
func TestErrorLines(t *testing.T) {
	for action, want := range map[string]string{
		"\n\n<< inputs.x >>":            "spec.resourcesTemplate:8:",
		"\n<< repeat 1000000000 `x` >>": "spec.resourcesTemplate:7:",
		"\n<< range until 1000 >>\n<< range until 9999 >><< end >>\n<< end >>": "spec.resourcesTemplate:8:",
		"<< nosuch >>": "spec.resourcesTemplate:6: function",
	} {
		_, err := Render(t.Context(), templated("#\n"+configMap(action), map[string]any{}), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", action, err, want)
		}
	}
}

func TestNormalize(t *testing.T) {
	for name, want := range map[string]string{"My-RSet": "my_rset", "a.b--c_d": "a_b_c_d", "_x_": "x", "äb c": "b_c", "9": "9", "": "", "---": ""} {
		if got := normalize(name); got != want {
			t.Errorf("normalize(%q) = %q, want %q", name, got, want)
		}
	}
	for text, want := range map[string]string{"Feat/New Thing": "feat-new-thing", "--a__b--": "a__b", strings.Repeat("x", 70): strings.Repeat("x", 63), "a///b": "a-b", "": ""} {
		if got := slugify(text); got != want {
			t.Errorf("slugify(%q) = %q, want %q", text, got, want)
		}
	}
}
