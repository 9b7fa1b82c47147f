//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/isolation/policy"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// requests is how many random objects are sent to the API server, beside updates and deletions.
const requests = 900

// TestPolicy sends random objects to an API server with policies, in the name of accounts, and asks package policy the same. What is refused, with
// which words, what is warned of, and what policies see of an object are the same.
func TestPolicy(t *testing.T) {
	t.Parallel()
	l := lab.Start(t, lab.Clusters("unused"), lab.Bare("a"))
	a := newAdmission(t, l)
	r := &objectDice{dice: dice{rand.New(rand.NewPCG(3, 4))}}
	var all []*attempt
	for i := range requests {
		all = append(all, r.attempt(i))
	}
	all = append(all, a.changes...)
	var again []*attempt
	for _, at := range all {
		if a.compare(t.Context(), t, at) != "" {
			again = append(again, at)
		}
	}
	for _, at := range again { // policies reach the plugin a little after they are made
		if diff := a.compare(t.Context(), t, at); diff != "" {
			t.Errorf("%s\n%s", at, diff)
		}
	}
	t.Logf("%d requests, %d refused, %d warned of, %d not known, %d objects with the same defaults; %s", len(all), a.refused, a.warned, a.unknown, a.same, a.by())
	if a.refused < len(all)/5 || a.refused > len(all)*4/5 || a.warned < 10 || a.same < len(all)/8 || a.unknown > len(all)/20 {
		t.Error("the requests are too one-sided to mean anything")
	}
	for _, h := range a.policies {
		if a.counts[h] == 0 {
			t.Errorf("policy %s refuses nothing and warns of nothing", h)
		}
	}
}

// attempt is one request.
type attempt struct {
	namespace, account string
	apply              bool
	now, old           map[string]any
}

func (a *attempt) String() string {
	o := a.now
	if o == nil {
		o = a.old
	}
	text, _ := json.Marshal(o)
	return fmt.Sprintf("by %s/%s, of old %v: %s", a.namespace, a.account, a.old != nil, text)
}

// admission is both sides.
type admission struct {
	cluster                        *policy.Cluster
	clients                        map[string]client.Client
	warnings                       *warnings
	changes                        []*attempt
	policies                       []string
	counts                         map[string]int
	refused, warned, unknown, same int
}

func (a *admission) by() string {
	var out []string
	for _, name := range a.policies {
		out = append(out, fmt.Sprintf("%s %d", name, a.counts[name]))
	}
	return strings.Join(out, ", ")
}

// warnings of one request.
type warnings struct {
	mu   sync.Mutex
	list []string
}

// HandleWarningHeader keeps those of policies.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if strings.HasPrefix(text, "Validation failed for ValidatingAdmissionPolicy") {
		w.list = append(w.list, text)
	}
}

func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := w.list
	w.list = nil
	slices.Sort(out)
	return slices.Compact(out)
}

func newAdmission(t *testing.T, l *lab.Lab) *admission {
	t.Helper()
	a := &admission{clients: map[string]client.Client{}, warnings: &warnings{}, counts: map[string]int{}}
	admin := a.client(t, l.Cluster("a").Config, "")
	for _, name := range []string{"a/flux", "b/flux"} {
		a.clients[name] = a.client(t, l.Cluster("a").Config, name)
	}
	world := documents(t, "policy-world.yaml")
	create(t, l, admin, world)
	e := &estate.Cluster{Name: "a", Minor: 36, FluxNamespace: "flux-system"}
	for i := range 24 {
		a.change(t, admin, i)
	}
	policies := append(documents(t, "policies.yaml"), ruleOnCluster(t)...)
	create(t, l, admin, policies)
	for _, u := range append(world, policies...) {
		e.Objects = append(e.Objects, &estate.Object{Object: objectOf(t, u), Cluster: e})
		if u["kind"] == "ValidatingAdmissionPolicy" {
			a.policies = append(a.policies, u["metadata"].(map[string]any)["name"].(string))
		}
	}
	a.cluster = policy.On(e, &policy.Compiler{})
	marker := &attempt{namespace: "a", account: "flux", now: body("v1", "ConfigMap", "c", "marker", map[string]any{"data": map[string]any{"size": "7"}})}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := l.Wait(ctx, "policies to be at work", func(ctx context.Context) (bool, error) {
		_, err := a.send(ctx, marker)
		return err != nil && strings.Contains(err.Error(), "p09"), nil
	}); err != nil {
		t.Fatal(err)
	}
	return a
}

// ruleOnCluster is the policy and the binding of a Rule document.
func ruleOnCluster(t *testing.T) (out []map[string]any) {
	t.Helper()
	data, err := os.ReadFile("testdata/policy-rule.yaml")
	if err != nil {
		t.Fatal(err)
	}
	docs, err := v1alpha1.Decode("policy-rule.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	rules, err := policy.Compile(docs.Rules)
	if err != nil {
		t.Fatal(err)
	}
	p, b, err := rules[0].Policy()
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range []any{p, b} {
		m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
		if err != nil {
			t.Fatal(err)
		}
		delete(m, "status")
		out = append(out, m)
	}
	return out
}

// change makes an object that later ones change or take away.
func (a *admission) change(t *testing.T, admin client.Client, i int) {
	t.Helper()
	name := fmt.Sprintf("old%d", i)
	meta := map[string]any{}
	if i%3 == 0 {
		meta["annotations"] = map[string]any{"fixed": "yes", "owner": "x"}
	}
	old := body("v1", "ConfigMap", "a", name, map[string]any{"data": map[string]any{"a": "1"}}, meta)
	changed := body("v1", "ConfigMap", "a", name, map[string]any{"data": map[string]any{"a": []string{"1", "2"}[i%2]}}, meta)
	if i%4 == 3 {
		old = body("apps/v1", "Deployment", "a", name, podded(map[string]any{"replicas": int64(1)}, "x:v1"), meta)
		changed = body("apps/v1", "Deployment", "a", name, podded(map[string]any{"replicas": int64(1 + i%2*i)}, "x:v1"), meta)
	}
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(old)}
	if err := admin.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("kustomize-controller"), client.ForceOwnership); err != nil {
		t.Fatal(err)
	}
	a.changes = append(a.changes, &attempt{namespace: "a", account: "flux", apply: true, old: old, now: changed}, &attempt{namespace: "a", account: "flux", old: old})
}

func (a *admission) client(t *testing.T, config *rest.Config, account string) client.Client {
	t.Helper()
	c := rest.CopyConfig(config)
	c.QPS = -1
	c.WarningHandler = a.warnings
	if namespace, name, ok := strings.Cut(account, "/"); ok {
		c.Impersonate.UserName = permission.Account(namespace, name).User
	}
	out, err := client.New(c, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// send asks the API server, without anything coming of it.
func (a *admission) send(ctx context.Context, at *attempt) (*unstructured.Unstructured, error) {
	c := a.clients[at.namespace+"/"+at.account]
	switch {
	case at.now == nil:
		u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(at.old)}
		return u, c.Delete(ctx, u, client.DryRunAll)
	case at.apply:
		u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(at.now)}
		return u, c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner("kustomize-controller"), client.ForceOwnership, client.DryRunAll)
	}
	u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(at.now)}
	return u, c.Create(ctx, u, client.FieldOwner("kustomize-controller"), client.DryRunAll)
}

// compare says how the answers of both sides differ; "" for not at all.
func (a *admission) compare(ctx context.Context, t *testing.T, at *attempt) string {
	t.Helper()
	r := &policy.Request{User: permission.Account(at.namespace, at.account)}
	if at.now != nil {
		r.Object = objectOf(t, at.now)
	}
	if at.old != nil {
		r.Old = objectOf(t, at.old)
	}
	var ours, deny []string
	unknown := false
	for _, v := range a.cluster.Review(ctx, r) {
		switch {
		case v.Unknown != "":
			unknown = true
		case v.Action == policy.Deny:
			deny = append(deny, v.Text())
		case v.Action == policy.Warn:
			ours = append(ours, fmt.Sprintf("Validation failed for ValidatingAdmissionPolicy '%s' with binding '%s': %s", v.Policy.ID.Name, v.Binding.ID.Name, v.Message))
		}
		a.counts[v.Policy.ID.Name]++
	}
	slices.Sort(ours)
	ours = slices.Compact(ours)
	a.warnings.take()
	got, err := a.send(ctx, at)
	theirs := a.warnings.take()
	_, said, denied := strings.Cut(fmt.Sprint(err), " is forbidden: ")
	switch {
	case unknown:
		a.unknown++
		return ""
	case err != nil && (!denied || !strings.Contains(said, "ValidatingAdmissionPolicy")):
		return fmt.Sprintf("the API server says %v", err)
	case denied && !slices.Contains(deny, said):
		return fmt.Sprintf("the API server refuses it: %s\nwe say: %s", said, strings.Join(deny, "\n        "))
	case !denied && len(deny) > 0:
		return "the API server takes it, we say: " + strings.Join(deny, "\n")
	case !denied:
		if diff := cmp.Diff(theirs, ours); diff != "" {
			return "warnings (-theirs +ours):\n" + diff
		}
		a.warned += min(len(ours), 1)
		return a.seen(t, at, got)
	}
	if _, ok := errors.AsType[*apierrors.StatusError](err); !ok {
		return fmt.Sprintf("an error without a status: %v", err)
	}
	a.refused++
	return ""
}

// seen compares what policies see of an object with what the API server would have kept.
func (a *admission) seen(t *testing.T, at *attempt, got *unstructured.Unstructured) string {
	t.Helper()
	if at.now == nil || at.old != nil {
		return ""
	}
	ours, whole := a.cluster.Admitted(objectOf(t, at.now))
	if !whole {
		return ""
	}
	text, err := json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	mine := &unstructured.Unstructured{}
	if err := mine.UnmarshalJSON(text); err != nil {
		t.Fatal(err)
	}
	for _, u := range []*unstructured.Unstructured{mine, got} {
		for _, path := range [][]string{
			{"metadata", "uid"},
			{"metadata", "resourceVersion"},
			{"metadata", "creationTimestamp"},
			{"metadata", "generation"},
			{"metadata", "managedFields"},
			{"status"},
			{"spec", "clusterIP"},
			{"spec", "clusterIPs"},
			{"spec", "ipFamilies"},
			{"spec", "ipFamilyPolicy"},
			{"spec", "healthCheckNodePort"},
			{"spec", "template", "metadata", "creationTimestamp"},
			{"spec", "jobTemplate", "metadata"},
			{"spec", "jobTemplate", "spec", "template", "metadata", "creationTimestamp"},
			{"metadata", "annotations", "deprecated.daemonset.template.generation"},
		} {
			unstructured.RemoveNestedField(u.Object, path...)
		}
		if u.GetKind() == "Job" { // the controller's labels have the uid
			unstructured.RemoveNestedField(u.Object, "spec", "selector")
			unstructured.RemoveNestedField(u.Object, "spec", "template", "metadata")
			unstructured.RemoveNestedField(u.Object, "metadata", "labels")
		}
		ports, _, _ := unstructured.NestedSlice(u.Object, "spec", "ports")
		for _, p := range ports {
			if m, ok := p.(map[string]any); ok {
				delete(m, "nodePort")
			}
		}
		if ports != nil {
			_ = unstructured.SetNestedSlice(u.Object, ports, "spec", "ports")
		}
		if len(u.GetAnnotations()) == 0 {
			unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
		}
	}
	if diff := cmp.Diff(mine.Object, got.Object); diff != "" {
		return "what policies see (-ours +theirs):\n" + diff
	}
	a.same++
	return ""
}

func objectOf(t *testing.T, content map[string]any) *object.Object {
	t.Helper()
	o, err := object.New(object.NewBody(runtime.DeepCopyJSON(content)), object.Origin{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// documents reads YAML of testdata.
func documents(t *testing.T, name string) (out []map[string]any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for dec := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
		u := &unstructured.Unstructured{}
		if err := dec.Decode(&u.Object); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatal(err)
		}
		out = append(out, u.Object)
	}
}

// create makes objects, as soon as the API server knows their kinds.
func create(t *testing.T, l *lab.Lab, c client.Client, all []map[string]any) {
	t.Helper()
	for _, content := range all {
		u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(content)}
		if err := l.Wait(t.Context(), u.GetKind()+" "+u.GetName(), func(ctx context.Context) (bool, error) {
			err := c.Create(ctx, u.DeepCopy())
			if apierrors.IsAlreadyExists(err) {
				err = nil
			}
			if apierrors.IsInvalid(err) {
				t.Fatal(err)
			}
			return err == nil, err
		}); err != nil {
			t.Fatal(err)
		}
	}
}
