package risk

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/impact"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
)

// parsed is an object of YAML, some values of which are secret.
func parsed(t *testing.T, text string, secret ...string) *object.Object {
	t.Helper()
	var m map[string]any
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	o, err := object.New(object.NewBodySensitive(m, secret), object.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// edited is the change from one object to another of its ID.
func edited(before, after *object.Object) *impact.Change {
	return &impact.Change{Kind: impact.Changed, ID: after.ID, Before: before, After: after, Edits: object.Diff(before.Body(), after.Body(), object.DiffOptions{})}
}

// TestPods: each kind of workload has its pod at its place.
func TestPods(t *testing.T) {
	spec := `{containers: [{name: app}]}`
	for text, want := range map[string]string{
		`{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: ` + spec + `}`:                                                      "spec.hostNetwork",
		`{apiVersion: v1, kind: PodTemplate, metadata: {name: a}, template: {spec: ` + spec + `}}`:                                  "template.spec.hostNetwork",
		`{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}, spec: {template: {spec: ` + spec + `}}}`:                       "spec.template.spec.hostNetwork",
		`{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {jobTemplate: {spec: {template: {spec: ` + spec + `}}}}}`: "spec.jobTemplate.spec.template.spec.hostNetwork",
		`{apiVersion: argoproj.io/v1alpha1, kind: Rollout, metadata: {name: a}, spec: {template: {spec: ` + spec + `}}}`:            "spec.template.spec.hostNetwork",
		`{apiVersion: example.com/v1, kind: Other, metadata: {name: a}, spec: {template: {spec: {}}}}`:                              "",
		`{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: [wrong]}`:                                               "",
	} {
		p := podOf(parsed(t, text))
		got := ""
		if p.has() {
			got = p.field("spec", "hostNetwork")
		}
		if got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if podOf(nil).has() {
		t.Error("no object has a pod")
	}
}

// TestContainers: containers are paired by name, also when they change their list; those without a name
// by their place.
func TestContainers(t *testing.T) {
	before := parsed(t, `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  initContainers: [{name: wait}, {name: side}]
  containers: [{name: gone}, {name: app, image: "a:1"}, wrong, {image: "b:1"}]`)
	after := parsed(t, `
apiVersion: v1
kind: Pod
metadata: {name: a}
spec:
  initContainers: [{name: wait}]
  containers: [{name: app, image: "a:2"}, {name: side}, {name: "x]y"}, {image: "b:2"}]
  ephemeralContainers: [{name: debug}]`)
	var got []string
	for _, c := range containers(edited(before, after)) {
		got = append(got, c.field("image")+" "+c.kindBefore+" to "+c.kindAfter)
	}
	want := []string{
		"spec.containers[name=app].image containers to containers",
		"spec.containers[name=side].image initContainers to containers",
		`spec.containers[name="x]y"].image  to containers`,
		"spec.containers[3].image containers to containers",
		"spec.initContainers[name=wait].image initContainers to initContainers",
		"spec.ephemeralContainers[name=debug].image  to ephemeralContainers",
		"spec.containers[name=gone].image containers to ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("containers (-want +got):\n%s", diff)
	}
}

// TestSecretValues: what a Kustomization took from a Secret is in no text, wherever it stands.
func TestSecretValues(t *testing.T) {
	const text = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: REPLICAS
  template:
    metadata: {labels: {app: web}, annotations: {hunter2: "VALUE"}}
    spec:
      containers:
      - {name: hunter2, image: "registry.example.com/hunter2:VALUE", readinessProbe: {periodSeconds: 5}, resources: {limits: {memory: VALUEMi}}}
      - {name: ab, image: "registry.example.com/web:VALUE"}`
	fill := func(n, v string) string { return strings.NewReplacer("REPLICAS", n, "VALUE", v).Replace(text) }
	before := parsed(t, fill("4", "4125"), "hunter2", "4125", "ab")
	after := parsed(t, strings.ReplaceAll(fill("1", "3114"), "readinessProbe", "other"), "hunter2", "3114", "ab")
	ch := edited(before, after)
	found := Assess(nil, nil, &impact.Report{Clusters: []*impact.Cluster{{Changes: []*impact.Change{ch}}}})
	if len(found) < 5 {
		t.Errorf("%d risks, want some of each kind", len(found))
	}
	for _, k := range found {
		for _, secret := range []string{"hunter2", "4125", "3114"} {
			if strings.Contains(k.Message+k.Field+k.Hint, secret) {
				t.Errorf("%s tells %s: %q, field %q", k.Rule, secret, k.Message, k.Field)
			}
		}
	}
}

// TestShow: a value in a message is one short line, and nothing of a Secret.
func TestShow(t *testing.T) {
	o := parsed(t, `{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}`, "hunter2")
	secret := parsed(t, `{apiVersion: v1, kind: Secret, metadata: {name: a}}`)
	for _, c := range []struct {
		of    *object.Object
		value any
		want  string
	}{
		{o, nil, "nothing"},
		{o, int64(3), "3"},
		{o, "a\nb\x1b[0m\u202e", "a b [0m "},
		{o, strings.Repeat("x", 80), strings.Repeat("x", 57) + "..."},
		{o, []any{"a"}, "..."},
		{o, "is hunter2", "[redacted]"},
		{o, "ENC[AES256_GCM,data:x]", "[redacted]"},
		{secret, "kubernetes.io/tls", "[redacted]"},
	} {
		if got := show(edited(c.of, c.of), c.value); got != c.want {
			t.Errorf("%v of a %s: %q, want %q", c.value, c.of.ID.Kind, got, c.want)
		}
	}
	if k := told(edited(o, o), "data.hunter2", "%s", strings.Repeat("long ", 80)+"."); len(k.Message) != mostMessage || k.Field != "data.[redacted]" {
		t.Errorf("message of %d characters, field %s", len(k.Message), k.Field)
	}
}

// TestOtherCluster: an inventory does not answer with what another cluster has.
func TestOtherCluster(t *testing.T) {
	cluster := func(name string) *context {
		return &context{after: &render.Cluster{Name: name, Objects: object.NewSet(parsed(t, `{apiVersion: v1, kind: Service, metadata: {name: `+name+`, namespace: x}}`))}}
	}
	v := &inventory{}
	for _, name := range []string{"a", "b"} {
		if got := v.shelf(cluster(name), 1, "x").named; len(got) != 1 || !got[[2]string{"Service", name}] {
			t.Errorf("objects of cluster %s: %v", name, got)
		}
	}
}
