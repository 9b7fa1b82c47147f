package v1alpha1

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	kyaml "sigs.k8s.io/yaml"
)

const reference = "../../docs/reference/"

// TestReference keeps docs/reference/documents.md, and a JSON schema of each kind for editors, as the types say; with UPDATE=1, which is what go
// generate does, it writes them.
func TestReference(t *testing.T) {
	pages := map[string]string{}
	var b strings.Builder
	b.WriteString("# Documents\n\nWritten by `go generate ./api/v1alpha1` from the types; do not edit.\n\n" +
		"YAML under `fleet/` in the hub. `apiVersion` is `" + APIVersion + "`; `metadata` has `name`, `labels` and `annotations`. What a tenant does not say is said by the environment's, cluster's,\n" +
		"profile's or fleet's settings, see [tenants](../how-to/tenants.md). Fields of Kubernetes and Flux are theirs and are not repeated here. For editors there is a JSON schema of each kind beside this page,\nand for clusters a CustomResourceDefinition in `deploy/crds`.\n")
	for _, kind := range []string{KindFleet, KindCluster, KindTenant, KindWaiver, KindRule} {
		var v1 apiextensionsv1.CustomResourceDefinition
		if err := kyaml.UnmarshalStrict(read(t, "../../deploy/crds/bulkhead.dev_"+strings.ToLower(kind)+"s.yaml"), &v1); err != nil {
			t.Fatal(err)
		}
		s := v1.Spec.Versions[0].Schema.OpenAPIV3Schema
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| field | type | meaning |\n|---|---|---|\n", kind, oneLine(s.Description))
		spec := s.Properties["spec"]
		fields(&b, "spec", &spec)
		pages[strings.ToLower(kind)+".schema.json"] = editorSchema(t, kind, s)
	}
	pages["documents.md"] = b.String()
	for name, want := range pages {
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(reference+name, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := os.ReadFile(reference + name)
		if diff := gocmp.Diff(string(got), want); err != nil || diff != "" {
			t.Errorf("docs/reference/%s is out of date; run go generate ./api/v1alpha1: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

// editorSchema is the schema of a CustomResourceDefinition as editors read one.
func editorSchema(t *testing.T, kind string, s *apiextensionsv1.JSONSchemaProps) string {
	t.Helper()
	data, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(data, &schema); err != nil {
		t.Fatal(err)
	}
	schema["$schema"], schema["$id"] = "https://json-schema.org/draft/2020-12/schema", "https://bulkhead.dev/schema/"+strings.ToLower(kind)+".schema.json"
	schema["required"] = []string{"apiVersion", "kind", "metadata"}
	props, _ := schema["properties"].(map[string]any)
	props["apiVersion"], props["kind"] = map[string]any{"const": APIVersion}, map[string]any{"const": kind}
	if data, err = json.MarshalIndent(schema, "", "  "); err != nil {
		t.Fatal(err)
	}
	return string(data) + "\n"
}

// foreign are fields whose content is a type of Kubernetes or Flux.
func foreign(name string) bool {
	return slices.Contains([]string{"ingress", "egress", "limitRange", "owners", "ref", "artifactRef", "verify", "secretRef", "decryption", "matchExpressions", "matchConstraints"}, name)
}

func fields(b *strings.Builder, at string, s *apiextensionsv1.JSONSchemaProps) {
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		p := s.Properties[name]
		path := at + "." + name
		meaning := oneLine(p.Description)
		if slices.Contains(s.Required, name) && !strings.Contains(meaning, "Required") {
			meaning += " Required."
		}
		if list := p.Enum; len(list) > 0 {
			var words []string
			for _, e := range list {
				words = append(words, "`"+strings.Trim(string(e.Raw), `"`)+"`")
			}
			meaning += " One of " + strings.Join(words, ", ") + "."
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", path, typeOf(&p), strings.ReplaceAll(meaning, "|", "\\|"))
		switch {
		case foreign(name) || at != "spec" && settingsOf(&p):
		case p.Type == "array" && p.Items != nil && p.Items.Schema != nil && len(p.Items.Schema.Properties) > 0:
			fields(b, path+"[]", p.Items.Schema)
		default:
			fields(b, path, &p)
		}
	}
}

// settingsOf says whether a structure repeats fields that are told of the tenant.
func settingsOf(p *apiextensionsv1.JSONSchemaProps) bool {
	_, interval := p.Properties["sourceInterval"]
	_, ingress := p.Properties["ingress"]
	return interval || ingress
}

func typeOf(p *apiextensionsv1.JSONSchemaProps) string {
	switch {
	case p.Type == "array" && p.Items != nil && p.Items.Schema != nil:
		return "list of " + typeOf(p.Items.Schema)
	case p.AdditionalProperties != nil:
		return "map"
	}
	return cmp.Or(p.Type, "quantity")
}

// oneLine is a comment as one line, without the brackets of Go's links.
func oneLine(text string) string {
	return regexp.MustCompile(`\[([A-Z]\w+)\]`).ReplaceAllString(strings.Join(strings.Fields(text), " "), "$1")
}

// TestEditorSchemas: the schemas are schemas, and take what Decode takes.
func TestEditorSchemas(t *testing.T) {
	taken := 0
	for _, name := range []string{"testdata/tenants.yaml", "testdata/review.yaml", "testdata/fleet.yaml", "testdata/rules.yaml"} {
		for dec := yaml.NewDecoder(bytes.NewReader(read(t, name))); ; {
			var content map[string]any
			if err := dec.Decode(&content); errors.Is(err, io.EOF) {
				break
			} else if err != nil || content["apiVersion"] != APIVersion {
				continue
			}
			text, err := kyaml.Marshal(content)
			if err != nil {
				t.Fatal(err)
			}
			var value any
			if err := kyaml.Unmarshal(text, &value); err != nil {
				t.Fatal(err)
			}
			s, err := jsonschema.NewCompiler().Compile(reference + strings.ToLower(content["kind"].(string)) + ".schema.json")
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Validate(value); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			taken++
		}
	}
	if taken < 8 {
		t.Errorf("only %d documents", taken)
	}
}
