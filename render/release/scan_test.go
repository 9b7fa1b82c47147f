package release

import (
	"errors"
	"strings"
	"testing"
	"text/template/parse"

	"github.com/google/go-cmp/cmp"
)

var testMarks = marks{file: "_bf", tick: "_bt", enter: "_be", leave: "_bl", text: "_bx"}

func TestScan(t *testing.T) {
	tests := map[string]struct {
		in, want string
		solid    bool
	}{
		"text":           {"a", "a", true},
		"space":          {" \n\t", " \n\t", false},
		"comment":        {"{{/* }} */}}\n{{- /* x */ -}}", "{{/* }} */}}\n{{- /* x */ -}}", false},
		"loop":           {"{{range .x}}a{{end}}", "{{range .x}}{{_bt}}a{{end}}", true},
		"loop trims":     {"{{- range .x -}}  a  {{- end -}}", "{{- range .x -}}{{_bt -}}  a  {{- end -}}", true},
		"loop variables": {"{{ range $i, $e := .x }}a{{ else }}b{{ end }}", "{{ range $i, $e := .x }}{{_bt}}a{{ else }}b{{ end }}", true},
		"define":         {"{{define \"x\"}}a{{end}}", "{{define \"x\"}}{{_be .}}a{{_bl}}{{end}}", false},
		"define trims":   {"{{define \"x\" -}} a {{- end}}", "{{define \"x\" -}}{{_be . -}} a {{- _bl}}{{- end}}", false},
		"define nothing": {"{{define \"x\"}} {{/* c */}} {{end}}", "{{define \"x\"}} {{/* c */}} {{end}}", false},
		"block":          {"{{block \"x\" .y}}a{{end}}", "{{block \"x\" .y}}{{_be .}}a{{_bl}}{{end}}", true},
		"inside define":  {"{{define \"x\"}}{{range .}}{{if .}}a{{end}}{{end}}{{end}}", "{{define \"x\"}}{{_be .}}{{range .}}{{_bt}}{{if .}}a{{end}}{{end}}{{_bl}}{{end}}", false},
		"quoted delims":  {"{{ print \"}}\" `}}` '}' }}{{range .}}{{end}}", "{{ print \"}}\" `}}` '}' }}{{range .}}{{_bt}}{{end}}", true},
		"tpl field":      {"{{ tpl .Values.x . }}", "{{ tpl (_bx .Values.x) . }}", true},
		"tpl string":     {"{{ tpl \"a (\" $ }}", "{{ tpl (_bx \"a (\") $ }}", true},
		"tpl nested":     {"{{ tpl (tpl .a .b).c .d | quote }}", "{{ tpl (_bx (tpl (_bx .a) .b).c) .d | quote }}", true},
		"tpl pipe":       {"{{ . | tpl $x.y }}", "{{ . | tpl (_bx $x.y) }}", true},
		"tpl alone":      {"{{ .x | tpl }}", "{{ .x | tpl }}", true},
		"tpl field name": {"{{ .tpl .x }}{{ $tpl }}", "{{ .tpl .x }}{{ $tpl }}", true},
		"minus number":   {"{{ add 1 -1 }}{{-1}}", "{{ add 1 -1 }}{{-1}}", true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			put, solid, err := scan(tt.in, &testMarks)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, spliced(tt.in, put)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if solid != tt.solid {
				t.Errorf("solid = %t", solid)
			}
		})
	}
}

func TestScanBounds(t *testing.T) {
	for name, in := range map[string]string{
		"blocks": strings.Repeat("{{if 1}}", 300) + strings.Repeat("{{end}}", 300),
		"else":   "{{if 1}}" + strings.Repeat("{{else if 1}}", 300) + "{{end}}",
		"parens": "{{ " + strings.Repeat("(", 300) + "1" + strings.Repeat(")", 300) + " }}",
	} {
		if _, _, err := scan(in, &testMarks); !errors.Is(err, errNested) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// parsed is the templates that a text makes, as text/template prints them, without the marks.
func parsed(text string) (map[string]string, error) {
	tree := parse.New("main")
	tree.Mode = parse.SkipFuncCheck
	set := map[string]*parse.Tree{}
	if _, err := tree.Parse(text, "", "", set); err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, t := range set {
		s := t.Root.String()
		for _, mark := range []string{"{{_bt}}", "{{_be .}}", "{{_bl}}"} {
			s = strings.ReplaceAll(s, mark, "")
		}
		for {
			before, after, ok := strings.Cut(s, "(_bx ")
			if !ok {
				break
			}
			depth := 1
			for i := range len(after) { // quotes hold no parens in what is fuzzed for this
				switch after[i] {
				case '(':
					depth++
				case ')':
					depth--
				}
				if depth == 0 {
					after = after[:i] + after[i+1:]
					break
				}
			}
			s = before + after
		}
		out[name] = s
	}
	return out, nil
}

// FuzzScan holds that a text with marks reads as the text without them does, to text/template.
func FuzzScan(f *testing.F) {
	for _, seed := range []string{
		"{{range .x}}a{{end}}", "{{- define \"x\" -}} a {{- end -}} b", "{{ tpl (tpl .a .b).c .d | quote }}", "{{/* c */ -}} x", "{{`}}`}}{{\"\\\"}}\"}}",
		"{{block \"a\" .}}{{break}}{{end}}", "{{range .}}{{break}}{{else}}{{end}}", "{{if a}}{{else if b}}{{else}}{{end}}", "{{with $x := 1}}{{end}}{{'\\''}}",
		"{{ 3 -}}\n {{- 4}}", "{{template \"x\" tpl .a .b}}", "{{tpl a.b c}}", "{{tpl 1.5.x .}}", "{{tpl(.x) .}}", "{{ tpl -1 . }}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "_b") || strings.ContainsAny(text, "()") && strings.ContainsAny(text, "\"'`") {
			return
		}
		want, wantErr := parsed(text)
		put, solid, err := scan(text, &testMarks)
		if err != nil {
			if wantErr == nil && errors.Is(err, errSyntax) {
				t.Fatalf("refused, though text/template takes it: %q", text)
			}
			return
		}
		got, gotErr := parsed(spliced(text, put))
		if (gotErr != nil) != (wantErr != nil) {
			t.Fatalf("error %v, without marks %v: %q", gotErr, wantErr, spliced(text, put))
		}
		if diff := cmp.Diff(want, got); wantErr == nil && diff != "" {
			t.Fatalf("-want +got\n%s", diff)
		}
		tree := parse.New("main")
		tree.Mode = parse.SkipFuncCheck
		if _, err := tree.Parse(text, "", "", map[string]*parse.Tree{}); err == nil && parse.IsEmptyTree(tree.Root) == solid {
			t.Fatalf("solid = %t: %q", solid, text)
		}
	})
}
