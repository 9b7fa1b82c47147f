//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kyaml "sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/isolation/guard"
	"github.com/bulkhead-dev/bulkhead/isolation/rule"
	"github.com/bulkhead-dev/bulkhead/tenant"
	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// scenarioTime bounds one wait.
const scenarioTime = 60 * time.Second

// scenario is a tenant that wants out of its compartment. Its files are testdata/scenarios/ID.txtar, which tells what each one is; so are those of its
// benign twin.
type scenario struct {
	id    string
	title string // set when it is read
	// findings are the rules that find something in the files, and how often at least.
	findings map[string]int
	// latent are rules that find something in what the platform has by hand, though the spoke is benign.
	latent []string
	// works is nil when the tenant has got what it wanted, on a cluster without guards; evidence says what that is. nil for a scenario of which only the
	// findings and the refusal are looked at.
	works    func(ctx context.Context, c *stageOf) error
	evidence string
	// appliers are the Kustomizations that are refused on the cluster with guards: NAMESPACE/NAME with TENANT in it. says are pieces of what each says.
	appliers []string
	says     []string
	refusal  string
	// tries are refused by the API server itself, by a rule.
	tries []try
	// before is done before the repositories are there; nil for nothing.
	before func(ctx context.Context, c *stageOf) error
	// fine is nil when the benign twin has what it wants.
	fine func(ctx context.Context, c *stageOf) error
	// lockedOpen is true when the cluster without guards has all flags of the lockdown.
	lockedOpen bool
}

// try is a request of somebody, as NAMESPACE/NAME of an account: what it is, and the rule that the refusal names.
type try struct{ user, yaml, rule string }

// stageOf is a fleet of a scenario on a cluster.
type stageOf struct {
	*world
	*lab.Cluster
	files  *fleetFiles
	pushed time.Time // see event
}

// world is what all scenarios play on: a cluster without guards and flags, and one with both.
type world struct {
	*lab.Lab
	mu    sync.Mutex
	heard map[string]int // requests to hooks.example.com, by path
}

// TestScenarios plays each scenario four ways: without guards the tenant gets out; the rules find it in the same files; with guards it is refused; and its
// benign twin gets what it wants both times.
func TestScenarios(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	all := scenarios()
	start := time.Now()
	w.guard(t, all)
	var deployed []map[string]*stageOf
	for _, s := range all {
		deployed = append(deployed, w.deploy(t, s))
	}
	fmt.Fprintf(os.Stderr, "scenario: all are deployed after %s\n", time.Since(start).Round(100*time.Millisecond))
	for i, s := range all {
		t.Run(s.id, func(t *testing.T) {
			on := deployed[i]
			t.Run("static", func(t *testing.T) { s.static(t, on) })
			if s.works != nil {
				t.Run("no guard", func(t *testing.T) { s.open(t, on["bad open"]) })
			}
			t.Run("guard", func(t *testing.T) { s.refused(t, on) })
			t.Run("twin", func(t *testing.T) { s.twin(t, on) })
		})
		fmt.Fprintf(os.Stderr, "scenario: %s is over after %s\n", s.id, time.Since(start).Round(100*time.Millisecond))
	}
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{heard: map[string]int{}}
	w.Lab = lab.Start(t, lab.Clusters("open", "closed"), lab.WithHelm(), lab.WithNotifications(), lab.WithImages())
	var locked errgroup.Group
	for controller, flags := range lockdown(t) {
		locked.Go(func() error { return w.Cluster("closed").Run(t.Context(), controller, flags...) })
	}
	if err := locked.Wait(); err != nil {
		t.Fatal(err)
	}
	key, err := decode(tree.Blob{Data: "{apiVersion: v1, kind: Secret, metadata: {name: sops-age, namespace: flux-system}, stringData: {age.agekey: " + scenarioKey(t, "platform").String() + "}}"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Cluster("open").Apply(t.Context(), key[0]); err != nil {
		t.Fatal(err)
	}
	if err := w.Cluster("open").Run(t.Context(), lab.KustomizeController, globalKey); err != nil {
		t.Fatal(err)
	}
	if err := w.Serve(t.Context(), "registry.example.com", w.OCI); err != nil {
		t.Fatal(err)
	}
	if err := w.Serve(t.Context(), "hooks.example.com", http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.heard[r.URL.Path]++
	})); err != nil {
		t.Fatal(err)
	}
	return w
}

// lockdown are the flags of each controller, from the patches that the guards build on.
func lockdown(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	for _, p := range guard.Flags() {
		var ops []struct{ Value string }
		if err := kyaml.Unmarshal([]byte(p.Patch), &ops); err != nil {
			t.Fatal(err)
		}
		for _, controller := range []string{
			lab.SourceController, lab.KustomizeController, lab.HelmController, lab.NotificationController, lab.ImageReflectorController, lab.ImageAutomationController,
		} {
			for _, op := range ops {
				if p.Target.Kind == "Deployment" && slices.Contains(strings.Split(strings.Trim(p.Target.Name, "()"), "|"), controller) {
					out[controller] = append(out[controller], op.Value)
				}
			}
		}
	}
	return out
}

// guard puts the guards of the tenants of all scenarios on the cluster that has them.
func (w *world) guard(t *testing.T, all []*scenario) {
	t.Helper()
	var compartments []*tenant.Compartment
	for _, s := range all {
		for _, side := range []string{"bad", "good"} {
			list, err := tenant.Compartments(s.read(t, side, true, true).documents(t))
			if err != nil {
				t.Fatal(err)
			}
			compartments = append(compartments, list...)
		}
	}
	objects, err := guard.Objects("prod", compartments, guard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c := w.Cluster("closed")
	for _, o := range objects {
		if err := c.Apply(t.Context(), &unstructured.Unstructured{Object: o.Body().Map()}); err != nil {
			t.Fatal(err)
		}
	}
	typo, err := decode(tree.Blob{Data: `apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: typo}
spec:
  matchConstraints: {resourceRules: [{apiGroups: [kustomize.toolkit.fluxcd.io], apiVersions: [v1], operations: [CREATE], resources: [kustomizations]}]}
  validations: [{expression: "object.spec.serviceAccuontName == 'x'"}]
`})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Apply(t.Context(), typo[0]); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), scenarioTime)
	defer cancel()
	if err := w.Wait(ctx, "the types of the policies to be checked", func(ctx context.Context) (bool, error) { return true, checked(ctx, t, c) }); err != nil {
		t.Fatal(err)
	}
}

// checked is nil when the API server has checked the types of all expressions, and found what is wrong with one of a test. It tells what is wrong with
// others.
func checked(ctx context.Context, t *testing.T, c *lab.Cluster) error {
	t.Helper()
	all, err := list(ctx, c, "admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicy")
	if err != nil {
		return err
	}
	for i := range all {
		o := &all[i]
		seen, _, _ := unstructured.NestedInt64(o.Object, "status", "observedGeneration")
		if seen != o.GetGeneration() {
			return fmt.Errorf("%s is not checked", o.GetName())
		}
		warnings, _, _ := unstructured.NestedSlice(o.Object, "status", "typeChecking", "expressionWarnings")
		if o.GetName() == "typo" {
			if len(warnings) == 0 {
				return errors.New("a field that there is not is not found")
			}
			continue
		}
		for _, warning := range warnings {
			t.Errorf("%s: %v", o.GetName(), warning)
		}
	}
	return nil
}

// deploy puts the fleets of a scenario on the clusters.
func (w *world) deploy(t *testing.T, s *scenario) map[string]*stageOf {
	t.Helper()
	out := map[string]*stageOf{}
	for _, side := range []string{"bad", "good"} {
		for _, closed := range []bool{false, true} {
			cluster, on := "open", "open"
			if closed {
				cluster, on = "closed", "closed"
			}
			if s.lockedOpen {
				on = "closed"
			}
			c := &stageOf{world: w, Cluster: w.Cluster(on), files: s.read(t, side, closed, closed || s.lockedOpen)}
			out[side+" "+cluster] = c
			if s.works == nil && side == "bad" {
				continue // it is for the rules only
			}
			if s.before != nil {
				if err := s.before(t.Context(), c); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.bootstrap(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	return out
}

// bootstrap pushes the repositories and makes Flux apply the hub.
func (c *stageOf) bootstrap(ctx context.Context) error {
	for repository := range c.files.files {
		if _, err := c.Git.Push(ctx, c.files.url(repository), "main", c.files.of(repository)); err != nil {
			return err
		}
	}
	name := c.files.name + "-hub"
	roots, err := decode(tree.Blob{Data: `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: ` + name + `, namespace: flux-system}
spec: {interval: 10m, ref: {branch: main}, url: "` + c.files.url("hub") + `"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: ` + name + `, namespace: flux-system}
spec: {interval: 10m, retryInterval: 2s, path: ./clusters/prod, prune: true, serviceAccountName: kustomize-controller, sourceRef: {kind: GitRepository, name: ` + name + `}}
`})
	if err != nil {
		return err
	}
	return bootstrap(ctx, c.Cluster, roots)
}

// static holds what the rules say of the same files against what they are to say: of the bad spoke under a platform by hand, and of the twin under one
// of bulkhead.
func (s *scenario) static(t *testing.T, on map[string]*stageOf) {
	t.Helper()
	known := map[string]bool{}
	for _, r := range rule.Rules() {
		known[r.ID] = r.Boundary
	}
	bad := on["bad open"].files.found(t)
	for id, want := range s.findings {
		if _, ok := known[id]; !ok {
			t.Logf("%s is not in the catalogue", id)
			continue
		}
		if n := countOf(bad, id); n < want {
			t.Errorf("%s finds %d, want %d; found:%s", id, n, want, toldOf(bad))
		}
	}
	latent := on["good open"].files.found(t)
	for _, id := range s.latent {
		if countOf(latent, id) == 0 {
			t.Errorf("%s finds nothing while the spoke is benign; found:%s", id, toldOf(latent))
		}
	}
	for _, f := range on["good closed"].files.found(t) {
		if !f.Unproven && known[f.Rule] {
			t.Errorf("in the twin:%s", toldOf([]rule.Found{f}))
		}
	}
}

func countOf(found []rule.Found, id string) (n int) {
	for i := range found {
		if found[i].Rule == id && !found[i].Unproven {
			n++
		}
	}
	return n
}

func toldOf(found []rule.Found) string {
	var b strings.Builder
	for i := range found {
		f := &found[i]
		fmt.Fprintf(&b, "\n  %s %s: %s", f.Rule, f.Level, f.Message)
		if f.Unproven {
			b.WriteString(" (unproven)")
		}
	}
	return b.String()
}

// open waits until the tenant has what it wants on the cluster without guards.
func (s *scenario) open(t *testing.T, c *stageOf) {
	t.Helper()
	if err := c.eventually(t, s.evidence, func(ctx context.Context) error { return s.works(ctx, c) }); err != nil {
		t.Errorf("%v\n%s", err, c.conditions(t))
	}
}

// refused waits until the cluster with guards refuses, and sees that the tenant has not got what it wants.
func (s *scenario) refused(t *testing.T, on map[string]*stageOf) {
	t.Helper()
	c := on["bad closed"]
	if s.works == nil {
		c = on["good closed"] // the bad one is nowhere
	}
	for _, applier := range s.appliers {
		namespace, name, _ := strings.Cut(strings.ReplaceAll(applier, "TENANT", c.files.name), "/")
		err := c.eventually(t, "a refusal", func(ctx context.Context) error {
			o, err := c.get(ctx, kustomizeAPI, "Kustomization", namespace, name)
			if err != nil {
				return err
			}
			ready := lab.Condition(o, "Ready")
			for _, piece := range s.says {
				if ready.Status != "False" || !strings.Contains(ready.Message, strings.ReplaceAll(piece, "TENANT", c.files.name)) {
					return fmt.Errorf("%s/%s says %s %s, not %q", namespace, name, ready.Status, ready.Message, piece)
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%v\n%s", err, c.conditions(t))
		}
	}
	if s.works != nil {
		if err := s.works(t.Context(), c); err == nil {
			t.Errorf("with guards: %s", s.evidence)
		}
	}
	for _, try := range s.tries {
		if err := c.eventually(t, "the API server to refuse", func(ctx context.Context) error { return c.try(ctx, try) }); err != nil {
			t.Error(err)
		}
	}
}

// try sends an object without keeping it, and is nil when a guard refuses it. At first the namespace or the rights may not be there.
func (c *stageOf) try(ctx context.Context, what try) error {
	words := strings.NewReplacer("TENANT", c.files.name)
	objects, err := decode(tree.Blob{Data: words.Replace(what.yaml)})
	if err != nil {
		return err
	}
	namespace, name, _ := strings.Cut(words.Replace(what.user), "/")
	config := rest.CopyConfig(c.Config)
	config.Impersonate = rest.ImpersonationConfig{
		UserName: "system:serviceaccount:" + namespace + ":" + name, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
	as, err := client.New(config, client.Options{Scheme: runtime.NewScheme()})
	if err != nil {
		return err
	}
	for _, o := range objects {
		err := as.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("try"), client.ForceOwnership, client.DryRunAll)
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "ValidatingAdmissionPolicy 'bulkhead-") || !strings.Contains(err.Error(), what.rule) {
			return fmt.Errorf("%s %s by %s/%s is not refused by a guard for %s: %w", o.GetKind(), o.GetName(), namespace, name, what.rule, err)
		}
	}
	return nil
}

// twin waits until the benign twin has what it wants, with guards and without.
func (s *scenario) twin(t *testing.T, on map[string]*stageOf) {
	t.Helper()
	for _, c := range []*stageOf{on["good open"], on["good closed"]} {
		err := c.eventually(t, "the twin", func(ctx context.Context) error {
			if _, err := c.get(ctx, "v1", "ConfigMap", c.files.name+"-prod", "app"); err != nil {
				return err
			}
			if s.fine != nil {
				if err := s.fine(ctx, c); err != nil {
					return err
				}
			}
			if !c.files.closed {
				return nil
			}
			o, err := c.get(ctx, kustomizeAPI, "Kustomization", c.files.name+"-flux", c.files.name+"-prod")
			if err != nil {
				return err
			}
			if ready := lab.Condition(o, "Ready"); ready.Status != "True" {
				return fmt.Errorf("%s says %s %s", o.GetName(), ready.Status, ready.Message)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%v\n%s", err, c.conditions(t))
		}
	}
}

// eventually waits until f returns nil.
func (c *stageOf) eventually(t *testing.T, what string, f func(context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), scenarioTime)
	defer cancel()
	return c.Wait(ctx, c.files.name+": "+what, func(ctx context.Context) (bool, error) {
		err := f(ctx)
		return err == nil, err
	})
}

func (c *stageOf) get(ctx context.Context, apiVersion, kind, namespace, name string) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	return o, c.Client.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, o)
}

// conditions are what the Flux objects of the fleet say.
func (c *stageOf) conditions(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, of := range [][2]string{
		{sourceAPI, "GitRepository"},
		{kustomizeAPI, "Kustomization"},
		{"helm.toolkit.fluxcd.io/v2", "HelmRelease"},
		{imageAPI, "ImageRepository"},
		{imageAPI, "ImagePolicy"},
		{imageAPI, "ImageUpdateAutomation"},
	} {
		all, err := list(t.Context(), c.Cluster, of[0], of[1])
		if err != nil {
			return err.Error()
		}
		for i := range all {
			o := &all[i]
			if strings.HasPrefix(o.GetNamespace(), c.files.name) || strings.HasPrefix(o.GetName(), c.files.name) {
				ready := lab.Condition(o, "Ready")
				fmt.Fprintf(&b, "  %s %s/%s: %s %s %s\n", of[1], o.GetNamespace(), o.GetName(), ready.Status, ready.Reason, ready.Message)
			}
		}
	}
	return b.String()
}
