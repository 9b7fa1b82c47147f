package v1alpha1

import (
	"bytes"
	"path/filepath"
	"testing"

	"go.yaml.in/yaml/v3"
	"golang.org/x/tools/txtar"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	crdvalidation "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	kyaml "sigs.k8s.io/yaml"
)

// crd is a CustomResourceDefinition as the API server reads it.
type crd struct {
	schema *schema.Structural
	check  validation.SchemaValidator
	cel    *cel.Validator
}

func crds(t *testing.T) map[string]crd {
	t.Helper()
	files, err := filepath.Glob("../../deploy/crds/*.yaml")
	if err != nil || len(files) != 5 {
		t.Fatalf("%d files in deploy/crds, %v", len(files), err)
	}
	out := map[string]crd{}
	for _, f := range files {
		var v1 apiextensionsv1.CustomResourceDefinition
		if err := kyaml.UnmarshalStrict(read(t, f), &v1); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		apiextensionsv1.SetDefaults_CustomResourceDefinition(&v1)
		apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&v1.Spec)
		v1.Status.StoredVersions = []string{Version}
		var in apiextensions.CustomResourceDefinition
		if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, &in, nil); err != nil {
			t.Fatal(err)
		}
		for _, e := range crdvalidation.ValidateCustomResourceDefinition(t.Context(), &in) {
			t.Errorf("%s: %v", f, e)
		}
		props := in.Spec.Validation
		if props == nil {
			props = in.Spec.Versions[0].Schema
		}
		s, err := schema.NewStructural(props.OpenAPIV3Schema)
		if err != nil {
			t.Fatal(err)
		}
		check, _, err := validation.NewSchemaValidator(props.OpenAPIV3Schema)
		if err != nil {
			t.Fatal(err)
		}
		out[v1.Spec.Names.Kind] = crd{s, check, cel.NewValidator(s, true, celconfig.PerCallLimit)}
	}
	return out
}

// refuses says what the API server has against an object; "" for nothing.
func (c crd) refuses(t *testing.T, content map[string]any) string {
	t.Helper()
	errs := validation.ValidateCustomResource(nil, content, c.check)
	more, _ := c.cel.Validate(t.Context(), nil, c.schema, content, nil, celconfig.RuntimeCELCostBudget)
	if errs = append(errs, more...); len(errs) > 0 {
		return errs.ToAggregate().Error()
	}
	return ""
}

// TestCRDs: the API server takes our CustomResourceDefinitions, and they take every document that Decode takes.
func TestCRDs(t *testing.T) {
	kinds := crds(t)
	inputs := map[string][]byte{}
	ar, err := txtar.ParseFile("testdata/errors.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range ar.Files {
		inputs[f.Name], _, _ = bytes.Cut(f.Data, []byte("#= "))
	}
	for _, name := range []string{"testdata/fleet.yaml", "testdata/review.yaml", "testdata/tenants.yaml", "testdata/rules.yaml"} {
		inputs[name] = read(t, name)
	}
	taken, refused := 0, 0
	for name, data := range inputs {
		_, decodeErr := Decode("f.yaml", data)
		for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
			var content map[string]any
			if dec.Decode(&content) != nil {
				break
			}
			kind, _ := content["kind"].(string)
			c, ours := kinds[kind]
			if v, _ := content["apiVersion"].(string); !ours || v != APIVersion {
				continue
			}
			text, err := kyaml.Marshal(content)
			if err != nil {
				continue // keys that are no text
			}
			content = nil
			if err := kyaml.Unmarshal(text, &content); err != nil {
				t.Fatal(err)
			}
			switch why := c.refuses(t, content); {
			case why != "" && decodeErr == nil:
				t.Errorf("%s: Decode takes it, the API server does not: %s\n%s", name, why, text)
			case why != "":
				refused++
			case decodeErr == nil:
				taken++
			}
		}
	}
	if taken < 9 || refused < 30 {
		t.Errorf("%d documents taken and %d refused: too few to mean anything", taken, refused)
	}
}
