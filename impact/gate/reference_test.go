package gate

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
)

const page = "../../docs/reference/gates.md"

// examples are the gates that the reference shows. Each passes one change and fails another.
var examples = []struct {
	what       string
	yaml       string
	pass, fail func(*Impact)
}{
	{
		what: "One environment at a time, once production is among them. `prod-alone` does the same for whatever production is called.",
		yaml: `- name: one-at-a-time
  expr: '!("prod" in impact.environments) || impact.environments.size() == 1'
  message: a change may not reach prod together with another environment`,
		pass: func(v *Impact) { v.Environments = []string{"prod"} },
		fail: func(v *Impact) { v.Environments = []string{"dev", "prod"} },
	},
	{
		what: "At most a quarter of the fleet at once.",
		yaml: `- name: quarter
  expr: impact.counts.clusters * 4 <= impact.counts.fleet
  severity: warning
  message: more than a quarter of the fleet changes at once`,
		pass: func(v *Impact) { v.Counts.Clusters, v.Counts.Fleet = 3, 12 },
		fail: func(v *Impact) { v.Counts.Clusters, v.Counts.Fleet = 4, 12 },
	},
	{
		what: "Nothing changes on the clusters of one region, unless the author says that somebody was asked (`bulkhead impact --label asked-us`).",
		yaml: `- name: us-is-frozen
  expr: |
    "asked-us" in impact.labels ||
    impact.clusters.all(c, !("region" in c.labels) || !c.labels.region.startsWith("us-"))
  message: the clusters of the United States are frozen until the audit is over`,
		pass: func(v *Impact) {
			v.Clusters = []Cluster{{Name: "a", Labels: map[string]string{"region": "us-east-1"}}}
			v.Labels = []string{"asked-us"}
		},
		fail: func(v *Impact) { v.Clusters = []Cluster{{Name: "a", Labels: map[string]string{"region": "us-east-1"}}} },
	},
	{
		what: "No object leaves a system namespace.",
		yaml: `- name: system-stays
  expr: |
    impact.changes.all(c, c.change != "removed" ||
      !(c.namespace in ["kube-system", "flux-system"]))
  message: an object of kube-system or flux-system is removed`,
		pass: func(v *Impact) {
			v.Changes = []Change{{Change: "changed", Namespace: "kube-system"}, {Change: "removed", Namespace: "shop"}}
		},
		fail: func(v *Impact) { v.Changes = []Change{{Change: "removed", Namespace: "kube-system"}} },
	},
	{
		what: "Every open error in production has a waiver.",
		yaml: `- name: prod-clean
  expr: |
    impact.risks.all(r, r.waived || r.severity != "error" ||
      !("prod" in r.environments))
  message: an error in production has no waiver`,
		pass: func(v *Impact) { v.Risks = []Risk{{Severity: "error", Environments: []string{"prod"}, Waived: true}} },
		fail: func(v *Impact) { v.Risks = []Risk{{Severity: "error", Environments: []string{"dev", "prod"}}} },
	},
	{
		what: "The documents of the fleet change on their own.",
		yaml: `- name: fleet-alone
  expr: |
    !impact.files.exists(f, f.startsWith("fleet/")) ||
    impact.files.all(f, f.startsWith("fleet/"))
  severity: note
  message: fleet/ changes together with other files`,
		pass: func(v *Impact) { v.Files = []string{"fleet/fleet.yaml", "fleet/waivers.yaml"} },
		fail: func(v *Impact) { v.Files = []string{"apps/web.yaml", "fleet/fleet.yaml"} },
	},
}

// TestExamples decodes, compiles and runs what the reference shows.
func TestExamples(t *testing.T) {
	for _, e := range examples {
		docs, err := v1alpha1.Decode("fleet/fleet.yaml", []byte(fleetWith(e.yaml)))
		if err != nil {
			t.Fatal(err)
		}
		gates := docs.Fleet.Spec.Gates
		if err := Compile(gates); err != nil {
			t.Fatal(err)
		}
		for want, edit := range map[State]func(*Impact){Passed: e.pass, Failed: e.fail} {
			var v Impact
			edit(&v)
			if r := Check(t.Context(), v, gates)[0]; r.State != want || r.Message != gates[0].Message {
				t.Errorf("%s: %s: %s, want %s", r.Name, r.State, r.Message, want)
			}
		}
	}
}

func fleetWith(gates string) string {
	return "apiVersion: bulkhead.dev/v1alpha1\nkind: Fleet\nmetadata: {name: acme}\nspec:\n  gates:\n" +
		"  " + strings.ReplaceAll(gates, "\n", "\n  ") + "\n"
}

// TestReference compares docs/reference/gates.md with the types and the built-in gates. UPDATE=1 writes it.
func TestReference(t *testing.T) {
	got := reference(t)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(page, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s is out of date, run UPDATE=1 go test (-there +wanted):\n%s", page, diff)
	}
}

func reference(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(`# Gates

<!-- Written by a test of impact/gate: UPDATE=1 go test ./impact/gate -->

A gate is a rule that a change must pass before it is merged. Bulkhead has some of its own; a fleet adds others in its ` + "`Fleet`" + ` document:

` + "```yaml\n" + fleetWith(examples[0].yaml+"\n- {name: prod-alone, disabled: true}\n- name: budget\n  severity: warning\n  with: {clusters: 20, objects: 500}") + "```" + `

| field | |
|---|---|
| ` + "`name`" + ` | a DNS label, once in a fleet. The name of a built-in gate, without ` + "`expr`" + `, adjusts that one |
| ` + "`expr`" + ` | a [CEL](https://cel.dev) expression over ` + "`impact`" + ` that is true for a change that passes. Left out, the name is a built-in gate's; given for such a name, it takes its place |
| ` + "`message`" + ` | what is wrong with a change that does not pass, in one line |
| ` + "`severity`" + ` | ` + "`error`, `warning` or `note`" + `: what a change that does not pass counts as. A note fails nothing. Unset: ` + "`error`" + `, or the built-in gate's own |
| ` + "`disabled`" + ` | switches the gate off |
| ` + "`with`" + ` | the limits of ` + "`budget`: `clusters`, `objects`" + ` or both |

A change is judged by the gates as they are **before** it, and by those that it adds. One that it removes, disables, rewrites or weakens
judges it all the same, and the finding ` + "`" + RuleChanged + "`" + ` says so. A waiver names a gate as ` + "`gate/NAME`" + `.

## Built-in gates

`)
	for _, g := range builtIns() {
		on := "on"
		if g.off {
			on = "off unless the fleet gives it a limit"
		}
		fmt.Fprintf(&b, "### `%s`\n\nAsks for: %s. Severity %s, %s.\n%s\nCure: %s.\n\n", g.name, g.asks, g.severity, on, g.why, g.hint)
	}
	b.WriteString("What they read: for `prod-alone`, an environment is production when one of the words of its name is `prod`, `production` or\n" +
		"`live`, and none is `non`, `not` or `pre`; for\n`data-deletion`, data is what the risks `pvc-deleted`, `pv-deleted`, `namespace-deleted`, `crd-deleted` and\n" +
		"`statefulset-deleted` are about, but for notes, and `object-recreated` and `move-deletes` as errors of the same kinds of objects. `applies` counts the risks\n`new-failure`, `immutable-field` and `apply-refused`. What a waiver accepts is not counted.\n\n" +
		"## Expressions\n\nAn expression has the [standard functions and macros](https://github.com/google/cel-spec/blob/master/doc/langdef.md) of CEL, and on strings\n" +
		"`charAt`, `indexOf`, `lastIndexOf`, `lowerAscii`, `replace`, `split`, `substring`, `trim` and `upperAscii`. It is of type bool, ")
	fmt.Fprintf(&b, "has at most %d\nbytes and costs at most %d steps. One that cannot be evaluated is *broken*, which counts as failed. "+
		"An entry of a map that may not be\nthere is asked for first: `\"region\" in c.labels && c.labels.region == \"eu\"`.\n\n", v1alpha1.MaxExpr, MaxCost)
	for _, e := range examples {
		fmt.Fprintf(&b, "%s\n\n```yaml\n%s\n```\n\n", e.what, e.yaml)
	}
	b.WriteString("## The value `impact`\n\n")
	types := documented(t)
	var write func(of reflect.Type, title string)
	write = func(of reflect.Type, title string) {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n| field | type | |\n|---|---|---|\n", title, types[of.Name()].doc)
		var nested []reflect.StructField
		for f := range of.Fields() {
			name := f.Tag.Get("cel")
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", name, typeText(f.Type), strings.ReplaceAll(types[of.Name()].fields[f.Name], "|", "\\|"))
			if elem := structOf(f.Type); elem != nil {
				nested = append(nested, f)
			}
		}
		b.WriteString("\n")
		for _, f := range nested {
			name := "`" + strings.Trim(title, "`") + "." + f.Tag.Get("cel") + "`"
			if f.Type.Kind() == reflect.Slice {
				name = "an item of " + name
			}
			write(structOf(f.Type), name)
		}
	}
	write(reflect.TypeFor[Impact](), "`impact`")
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func structOf(t reflect.Type) reflect.Type {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct {
		return t
	}
	return nil
}

func typeText(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Slice:
		if structOf(t) != nil {
			return "list"
		}
		return "list of " + typeText(t.Elem())
	case reflect.Map:
		return "map of " + typeText(t.Key()) + " to " + typeText(t.Elem())
	case reflect.Struct:
		return "object"
	default:
		return t.String()
	}
}

type documentedType struct {
	doc    string
	fields map[string]string
}

// documented reads the comments of value.go. Each exported field has one, and a name for CEL that is its own in lower case.
func documented(t *testing.T) map[string]documentedType {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "value.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]documentedType{}
	for _, d := range file.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		spec := gen.Specs[0].(*ast.TypeSpec)
		dt := documentedType{doc: sentence(gen.Doc.Text()), fields: map[string]string{}}
		for _, f := range spec.Type.(*ast.StructType).Fields.List {
			name := f.Names[0].Name
			if f.Doc == nil || f.Tag.Value != "`cel:\""+lowerFirst(name)+"\"`" {
				t.Errorf("%s.%s: a comment is missing, or the tag is %s", spec.Name.Name, name, f.Tag.Value)
			}
			dt.fields[name] = sentence(f.Doc.Text())
		}
		out[spec.Name.Name] = dt
	}
	return out
}

func lowerFirst(s string) string {
	if s == "ID" {
		return "id"
	}
	return strings.ToLower(s[:1]) + s[1:]
}

func sentence(doc string) string { return strings.Join(strings.Fields(doc), " ") }

// TestEveryFieldIsReadable reads each field of impact in an expression.
func TestEveryFieldIsReadable(t *testing.T) {
	v := Impact{
		Clusters: make([]Cluster, 1), Risks: make([]Risk, 1), Changes: make([]Change, 1), Failures: make([]Failure, 1), Unresolved: make([]Unresolved, 1),
	}
	var exprs []string
	var walk func(of reflect.Type, at string)
	walk = func(of reflect.Type, at string) {
		for f := range of.Fields() {
			path := at + "." + f.Tag.Get("cel")
			exprs = append(exprs, path+" == "+path)
			if elem := structOf(f.Type); elem != nil {
				if f.Type.Kind() == reflect.Slice {
					path += "[0]"
				}
				walk(elem, path)
			}
		}
	}
	walk(reflect.TypeFor[Impact](), "impact")
	if len(exprs) < 60 || !slices.Contains(exprs, "impact.risks[0].waived == impact.risks[0].waived") {
		t.Errorf("only %d fields", len(exprs))
	}
	for _, e := range exprs {
		if r := Check(t.Context(), v, []v1alpha1.Gate{{Name: "g", Expr: e}})[0]; r.State != Passed {
			t.Errorf("%s: %s", e, r.Message)
		}
	}
}
