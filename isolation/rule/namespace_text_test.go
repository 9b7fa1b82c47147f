package rule

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/object"
)

// TestOverrides tells directives that write what the platform sets from those that write something else.
func TestOverrides(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  touches
	}{
		"labels":            {map[string]string{"kustomization.yaml": "commonLabels: {a: b}\npatches: [{patch: '[{op: add, path: /metadata/namespace, value: x}]', target: {kind: ConfigMap}}]"}, 0},
		"a transformer":     {map[string]string{"kustomization.yaml": "transformers: [t.yaml]", "t.yaml": "{apiVersion: builtin, kind: NamespaceTransformer, metadata: {name: x, namespace: y}}"}, touchesNamespace},
		"the second inline": {map[string]string{"kustomization.yaml": "transformers:\n- |\n  {apiVersion: builtin, kind: LabelTransformer}\n  ---\n  {apiVersion: builtin, kind: NamespaceTransformer}"}, touchesNamespace},
		"a patch of kinds":  {map[string]string{"kustomization.yaml": "transformers: [t]", "t/kustomization.yaml": "resources: [p.yaml]", "t/p.yaml": "{apiVersion: builtin, kind: PatchTransformer, patch: '[{op: replace, path: /kind, value: Secret}]'}"}, touchesKind},
		"an account":        {map[string]string{"kustomization.yaml": "patchesJson6902: [{target: {kind: HelmRelease}, patch: '[{op: remove, path: /spec/serviceAccountName}]'}]"}, touchesIdentity},
		"a pod's account":   {map[string]string{"kustomization.yaml": "patchesJson6902: [{target: {kind: Pod}, patch: '[{op: remove, path: /spec/serviceAccountName}]'}]"}, 0},
		"a test":            {map[string]string{"kustomization.yaml": "patchesJson6902: [{target: {kind: Pod}, patch: '[{op: test, path: /metadata/namespace, value: x}]'}]"}, 0},
		"a replacement":     {map[string]string{"kustomization.yaml": "replacements: [{path: r.yaml}]", "r.yaml": "targets: [{select: {kind: ConfigMap}, fieldPaths: [metadata.namespace]}]"}, touchesNamespace},
		"a configuration":   {map[string]string{"kustomization.yaml": "namePrefix: kube-\nconfigurations: [c.yaml]", "c.yaml": "namePrefix: [{path: metadata/namespace}]"}, touchesNamespace},
		"a schema":          {map[string]string{"kustomization.yaml": "openapi: {path: s.json}", "s.json": `{"paths": {"/apis/example.com/v1/things": {}}}`}, touchesNamespace},
		"merge keys":        {map[string]string{"kustomization.yaml": "openapi: {path: s.json}", "s.json": `{"definitions": {"a": {}}}`}, 0},
		"a note":            {map[string]string{"a.yaml": `metadata: {annotations: {"\x69nternal.config.kubernetes.io/helm-generated": "true"}}`}, touchesNamespace},
		"no YAML":           {map[string]string{"kustomization.yaml": "{", "a.yaml": "\t- :"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			var files texts
			for p, content := range c.files {
				files = append(files, text{path: p, docs: documents([]byte(content))})
			}
			var got touches
			for i := range files {
				for _, o := range files.overrides(&files[i]) {
					got |= o.touches
				}
			}
			if got != c.want {
				t.Errorf("touches %b, want %b", got, c.want)
			}
		})
	}
}

// TestStructural tells variables that decide what an object is from others.
func TestStructural(t *testing.T) {
	for name, c := range map[string]struct {
		doc  string
		want int // that stand, whoever sets the variable
	}{
		"a value":           {"{kind: ConfigMap, metadata: {name: a}, data: {a: '${x}', '${x}.conf': '${x:-b}'}}", 0},
		"a name":            {"{kind: ConfigMap, metadata: {name: 'a-${x}'}}", 0},
		"a name by default": {"{kind: ConfigMap, metadata: {name: 'a-${x:-b}'}}", 1},
		"a key":             {"{kind: ConfigMap, metadata: {name: a, 'namespace${x:-}': b}}", 1},
		"a kind":            {"{kind: '${x}', metadata: {name: a}}", 1},
		"a subject":         {"{kind: RoleBinding, metadata: {name: a}, subjects: [{kind: User, name: '${x:=a}'}]}", 1},
		"an open end":       {"{kind: ConfigMap, metadata: {name: a}, data: {a: '${x:-'}}", 1},
		"escaped":           {"{kind: ConfigMap, metadata: {name: '$${x}'}, data: {a: '$${x'}}", 0},
		"switched off":      {"{kind: '${x}', metadata: {name: a, annotations: {kustomize.toolkit.fluxcd.io/substitute: disabled}}}", 0},
		"a script":          {"{run: '${x:-', '${y}': b}", 0},
		"a JSON patch":      {"[{op: add, path: /metadata/namespace, value: '${x:-a}'}]", 1},
	} {
		t.Run(name, func(t *testing.T) {
			got := 0
			for _, doc := range documents([]byte(c.doc)) {
				for _, p := range structural(doc, false) {
					if p.name == "" {
						got++
					}
				}
			}
			if got != c.want {
				t.Errorf("%d, want %d: %v", got, c.want, structural(documents([]byte(c.doc))[0], false))
			}
		})
	}
}

// TestHostile: no shape of a tenant's object makes a rule panic.
func TestHostile(t *testing.T) {
	fields := rapid.SampledFrom([]string{"spec", "sourceRef", "chart", "chartRef", "namespace", "dependsOn", "healthChecks", "eventSources", "resources", "sources", "artifacts", "accessFrom", "namespaceSelectors", "matchLabels", "inputsFrom", "selector", "matchExpressions", "kind", "name", "url", "labels"})
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		return rapid.Custom(func(t *rapid.T) any {
			switch kind := rapid.IntRange(0, 4).Draw(t, "kind"); {
			case kind == 0 || depth == 0:
				return rapid.SampledFrom([]any{nil, "", "a", "auth-prod", "<< inputs.branch >>", "${x:-", true, int64(3), 1.5}).Draw(t, "leaf")
			case kind == 1:
				return rapid.SliceOfN(value(depth-1), 0, 3).Draw(t, "list")
			default:
				return rapid.MapOfN(fields, value(depth-1), 0, 4).Draw(t, "map")
			}
		})
	}
	kinds := [][2]string{
		{estate.KustomizeGroup + "/v1", "Kustomization"},
		{estate.HelmGroup + "/v2", "HelmRelease"},
		{estate.SourceGroup + "/v1", "GitRepository"},
		{estate.SourceGroup + "/v1", "Bucket"},
		{estate.ImageGroup + "/v1", "ImageRepository"},
		{estate.ImageGroup + "/v1", "ImagePolicy"},
		{estate.NotificationGroup + "/v1", "Alert"},
		{estate.NotificationGroup + "/v1", "Receiver"},
		{estate.GeneratorGroup + "/v1", "ArtifactGenerator"},
		{estate.OperatorGroup + "/v1", "ResourceSet"},
		{estate.OperatorGroup + "/v1", "ResourceSetInputProvider"},
		{"networking.k8s.io/v1", "NetworkPolicy"},
		{"kyverno.io/v1", "ClusterPolicy"},
		{"v1", "Namespace"},
		{"rbac.authorization.k8s.io/v1", "RoleBinding"},
	}
	rapid.Check(t, func(t *rapid.T) {
		c := &estate.Cluster{Name: "prod", FluxNamespace: "flux-system", Minor: 36, Entered: true}
		tenant := &estate.Tenant{Name: "billing", Document: &v1alpha1.Tenant{}}
		p := &estate.Compartment{Tenant: tenant, Cluster: c, Namespaces: []string{"billing-prod"}}
		c.Compartments, tenant.Compartments = []*estate.Compartment{p}, []*estate.Compartment{p}
		a := &estate.Applier{Applier: object.Applier{Kind: "Kustomization", Namespace: "billing-flux", Name: "billing"}, Home: c, Target: c, Tenant: tenant, As: estate.Identity{Kind: estate.RunsAsAccount}}
		c.Appliers, c.Homed, p.Appliers = []*estate.Applier{a}, []*estate.Applier{a}, []*estate.Applier{a}
		for range rapid.IntRange(1, 4).Draw(t, "objects") {
			kind := rapid.SampledFrom(kinds).Draw(t, "of")
			body := map[string]any{"apiVersion": kind[0], "kind": kind[1], "metadata": map[string]any{"name": "x", "namespace": "billing-prod", "labels": value(1).Draw(t, "labels")}}
			for _, field := range []string{"spec", "subjects", "roleRef", "webhooks"} {
				body[field] = value(5).Draw(t, field)
			}
			o, err := object.New(object.NewBody(body), object.Origin{})
			if err != nil {
				t.Fatal(err)
			}
			a.Objects = append(a.Objects, &estate.Object{Object: o, Cluster: c, Applier: a, Tenant: tenant})
		}
		c.Objects = a.Objects
		Find(NewContext(&estate.Estate{Clusters: []*estate.Cluster{c}, Tenants: []*estate.Tenant{tenant}}), nil)
	})
}
