package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/invopop/jsonschema"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/bulkhead-dev/bulkhead/impact/part"
	"github.com/bulkhead-dev/bulkhead/impact/review"
	"github.com/bulkhead-dev/bulkhead/object"
)

const reference = "../../docs/reference"

// TestReference keeps the generated pages of docs/reference up to date; with
// UPDATE=1, which is what go generate does, it writes them.
func TestReference(t *testing.T) {
	pages := map[string][]byte{"commands.md": commandsPage()}
	for name, doc := range map[string]any{
		"render": &RenderDocument{}, "impact": &review.Review{}, "impact-part": &part.Part{}, "reach": &ReachDocument{}, "assess": &AssessDocument{}, "version": &VersionDocument{},
		"cache-stat": &CacheStatDocument{}, "cache-clear": &CacheClearDocument{},
		"edit": &EditDocument{}, "clusters": &ClustersDocument{}, "tenants": &TenantsDocument{},
		"init":          &InitDocument{},
		"tenant-import": &TenantImportDocument{},
		"check":         &CheckDocument{}, "rules": &RulesDocument{}, "rule": &RuleDocument{},
	} {
		pages[name+".schema.json"] = schemaOf(t, name, doc)
	}
	for name, want := range pages {
		file := filepath.Join(reference, name)
		if os.Getenv("UPDATE") != "" {
			if err := os.MkdirAll(reference, 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v; run go generate ./internal/cli", err)
			continue
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is out of date; run go generate ./internal/cli (-want +got):\n%s", file, diff)
		}
	}
}

// schemaOf is the JSON schema of a document, described by the comments on its
// Go types.
func schemaOf(t *testing.T, name string, doc any) []byte {
	t.Helper()
	// What --stat leaves out is not required.
	optional := map[string]bool{}
	if _, ok := doc.(*review.Review); ok {
		details := reflect.TypeFor[review.Details]()
		for f := range details.Fields() {
			optional[strings.Split(f.Tag.Get("json"), ",")[0]] = true
		}
	}
	r := &jsonschema.Reflector{ExpandedStruct: true, AllowAdditionalProperties: true, Mapper: written}
	for _, dir := range []string{".", "../../object", "../../render", "../../impact", "../../impact/review", "../../impact/part", "../../impact/concern", "../../impact/history", "../../layout/shape", "../../layout/advice", "../../api/v1alpha1", "../../finding", "../../layout/adopt", "../../finding/baseline", "../../isolation/verdict"} {
		if err := r.AddGoComments("github.com/bulkhead-dev/bulkhead/internal/cli", dir); err != nil {
			t.Fatal(err)
		}
	}
	s := r.Reflect(doc)
	var required []string
	for _, name := range s.Required {
		if !optional[name] {
			required = append(required, name)
		}
	}
	s.Required = required
	s.ID = jsonschema.ID("https://bulkhead.dev/schema/" + name + ".schema.json")
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, '\n')
}

// written are the schemas of types that write their JSON themselves.
func written(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Type: "object", Description: "a document of another schema"}
	case reflect.TypeFor[Manifest]():
		return &jsonschema.Schema{Type: "object", Description: "the content of the object, secret values replaced by \"[redacted hmac:...]\""}
	case reflect.TypeFor[object.Edit]():
		props := jsonschema.NewProperties()
		props.Set("path", &jsonschema.Schema{Type: "string", Description: "such as spec.template.spec.containers[name=app].image"})
		props.Set("op", &jsonschema.Schema{Type: "string", Enum: []any{"add", "remove", "replace", "reorder"}})
		props.Set("from", &jsonschema.Schema{Description: "the old value; left out of an add"})
		props.Set("to", &jsonschema.Schema{Description: "the new value; left out of a remove"})
		return &jsonschema.Schema{Type: "object", Properties: props, Required: []string{"path", "op"}}
	case reflect.TypeFor[part.Edits]():
		return &jsonschema.Schema{Type: "array", Description: "differences, each with its path step by step, op, from and to; secret values are redacted"}
	}
	return nil
}

// commandsPage is what --help says of every command, as one page.
func commandsPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Commands\n\nWritten by `go generate ./internal/cli` from what `--help` says; do not edit.\n")
	var write func(c *cobra.Command)
	write = func(c *cobra.Command) {
		c.InitDefaultHelpFlag()
		b.WriteString("\n## " + c.CommandPath() + "\n\n" + c.Short + "\n\n")
		b.WriteString("```\n" + c.UseLine() + "\n```\n\n")
		b.WriteString("```text\n" + strings.TrimSpace(c.Long) + "\n```\n\n")
		b.WriteString("Examples:\n\n```console\n" + strings.TrimRight(c.Example, "\n") + "\n```\n")
		flags := ""
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			name, use := pflag.UnquoteUsage(f)
			long := "--" + strings.TrimSpace(f.Name+" "+name)
			if f.Shorthand != "" {
				long = "-" + f.Shorthand + ", " + long
			}
			flags += "| `" + long + "` | " + strings.ReplaceAll(use, "|", `\|`) + " |\n"
		})
		b.WriteString("\n| flag | what it does |\n|---|---|\n" + flags)
		for _, sub := range c.Commands() {
			if sub.IsAvailableCommand() {
				write(sub)
			}
		}
	}
	write(newRootCmd(newStreams(&bytes.Buffer{}, &bytes.Buffer{})))
	return b.Bytes()
}

// TestHelp checks that every command states its exit codes and has examples.
func TestHelp(t *testing.T) {
	var check func(c *cobra.Command)
	check = func(c *cobra.Command) {
		if strings.Count(c.Long, "Exit codes:") != 1 || c.Example == "" {
			t.Errorf("%s: its help wants exit codes once and examples", c.CommandPath())
		}
		for _, sub := range c.Commands() {
			check(sub)
		}
	}
	check(newRootCmd(newStreams(&bytes.Buffer{}, &bytes.Buffer{})))
}
