package scaffold_test

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	kustomizev1 "github.com/fluxcd/kustomize-controller/api/v1"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// checkObjects reads what is rendered into the types of its API, strictly, and
// looks at what the catalogue of isolation rules would find.
func checkObjects(t *testing.T, r *render.Result) {
	t.Helper()
	for _, c := range r.Clusters {
		for o := range c.Objects.All() {
			data, err := yaml.Marshal(o.Body().Map())
			if err != nil {
				t.Fatal(err)
			}
			into := map[string]any{
				"Namespace": &corev1.Namespace{}, "ClusterRole": &rbacv1.ClusterRole{}, "ConfigMap": &corev1.ConfigMap{}, "LimitRange": &corev1.LimitRange{}, "Service": &corev1.Service{},
				"Deployment": &appsv1.Deployment{}, "NetworkPolicy": &networkingv1.NetworkPolicy{}, "PodDisruptionBudget": &policyv1.PodDisruptionBudget{},
				"Kustomization": &kustomizev1.Kustomization{}, "GitRepository": &sourcev1.GitRepository{}, "FluxInstance": &map[string]any{},
			}[o.ID.Kind]
			if into == nil {
				t.Errorf("%s %s: this test does not know the kind", c.Name, o.ID)
				continue
			}
			if err := yaml.UnmarshalStrict(data, into); err != nil {
				t.Errorf("%s %s: %v", c.Name, o.ID, err)
			}
			switch typed := into.(type) {
			case *appsv1.Deployment:
				checkPod(t, typed)
			case *corev1.Namespace:
				if typed.Labels["pod-security.kubernetes.io/enforce"] != "restricted" || typed.Annotations["kustomize.toolkit.fluxcd.io/prune"] != "disabled" {
					t.Errorf("%s %s: no Pod Security, or it may be pruned: %v", c.Name, o.ID, typed.ObjectMeta)
				}
			case *kustomizev1.Kustomization:
				if typed.Spec.ServiceAccountName != "kustomize-controller" || !typed.Spec.Prune || typed.Spec.SourceRef.Namespace != "" {
					t.Errorf("%s %s fails under the lockdown, or prunes nothing: %+v", c.Name, o.ID, typed.Spec)
				}
			}
		}
	}
}

// checkPod holds a pod against the Pod Security Standard "restricted", and wants resources and a pinned image.
func checkPod(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	pod := d.Spec.Template.Spec
	bad := func(what string) { t.Errorf("Deployment %s/%s: %s", d.Namespace, d.Name, what) }
	if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		bad("the security context of the pod")
	}
	if pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken || pod.HostNetwork || pod.HostPID || pod.HostIPC || len(pod.Volumes) > 0 {
		bad("a token, the host or volumes")
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil || !slices.Contains(s.Capabilities.Drop, "ALL") || len(s.Capabilities.Add) > 0 || s.Privileged != nil {
			bad("the security context of container " + c.Name)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
			bad("the resources of container " + c.Name)
		}
		if !regexp.MustCompile(`^[^:]+/[^:]+:[0-9.]+$`).MatchString(c.Image) {
			bad("the image " + c.Image)
		}
		for _, e := range c.Env {
			if strings.Contains(e.Value, "${") {
				bad("a variable that nothing fills in: " + e.Value)
			}
		}
	}
}

// TestLockdown builds the patches on top of controllers as flux bootstrap writes
// them, and wants on each the flags that it has and no other: a controller does
// not start with a flag that it does not know.
func TestLockdown(t *testing.T) {
	const noRefs, account, gate = "--no-cross-namespace-refs=true", "--default-service-account=default", "--feature-gates=ObjectLevelWorkloadIdentity=true"
	want := map[string][]string{
		"source-controller":           {account, gate},
		"kustomize-controller":        {noRefs, "--no-remote-bases=true", "--default-decryption-service-account=default", "--default-kubeconfig-service-account=default", account, gate},
		"helm-controller":             {noRefs, "--default-kubeconfig-service-account=default", account, gate},
		"notification-controller":     {noRefs, account, gate},
		"image-reflector-controller":  {noRefs, account, gate},
		"image-automation-controller": {noRefs, account, gate},
		"source-watcher":              {noRefs},
	}
	files, err := scaffold.Fleet(options())
	files = must(t, files, err)
	components := ""
	for _, name := range slices.Sorted(maps.Keys(want)) {
		components += fmt.Sprintf(`---
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[1]s, namespace: flux-system}
spec:
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec: {containers: [{name: manager, image: "ghcr.io/fluxcd/%[1]s:v1.9.5", args: [--watch-all-namespaces=true]}]}
`, name)
	}
	files["clusters/prod-us-east-1/flux-system/gotk-components.yaml"] = components
	r := complete(t, files, render.Options{})
	got := map[string][]string{}
	for o := range r.Clusters[0].Objects.All() {
		var d appsv1.Deployment
		data, err := yaml.Marshal(o.Body().Map())
		if err != nil {
			t.Fatal(err)
		}
		if o.ID.Kind == "Deployment" {
			if err := yaml.UnmarshalStrict(data, &d); err != nil {
				t.Fatal(err)
			}
			got[d.Name] = d.Spec.Template.Spec.Containers[0].Args[1:]
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("flags (-want +got):\n%s", diff)
	}
	if p := r.Clusters[0].Profile; !p.NoCrossNamespaceRefs || !p.NoRemoteBases || p.DefaultServiceAccount != "default" {
		t.Errorf("the renderer reads another lockdown: %+v", p)
	}
}

// TestLockdownOfInstance wants a FluxInstance to say the same.
func TestLockdownOfInstance(t *testing.T) {
	o := options()
	o.Flux = scaffold.Instance
	files, err := scaffold.Fleet(o)
	r := complete(t, must(t, files, err), render.Options{})
	for _, c := range r.Clusters {
		if p := c.Profile; !p.NoCrossNamespaceRefs || !p.NoRemoteBases || p.DefaultServiceAccount != "default" {
			t.Errorf("the renderer reads another lockdown of %s: %+v", c.Name, p)
		}
	}
	for _, e := range r.Entries {
		if e.URL != fleetURL || e.Path != "clusters/"+e.Cluster || e.Ref == nil || e.Ref.Branch != "main" {
			t.Errorf("%s syncs from %+v", e.Cluster, e)
		}
	}
}

// TestOwners wants an owner for every file, by another line than the first one
// for all that lies in a folder, and no line for what is not there.
func TestOwners(t *testing.T) {
	each(t, func(t *testing.T, files map[string]string, _ scaffold.Options) {
		t.Helper()
		checkOwners(t, files, "/fleet/tenants/")
	})
	files, err := scaffold.Spoke(spokeOptions())
	checkOwners(t, must(t, files, err), "/.bulkhead/")
}

func checkOwners(t *testing.T, files map[string]string, later ...string) {
	t.Helper()
	var patterns []string
	for line := range strings.Lines(files["CODEOWNERS"]) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] == "#" {
			continue
		}
		if len(fields) != 2 || !strings.HasPrefix(fields[1], "@acme/") {
			t.Errorf("line %q has no owner", line)
		}
		patterns = append(patterns, fields[0])
	}
	matches := func(pattern, file string) bool {
		return pattern == "/"+file || strings.HasSuffix(pattern, "/") && strings.HasPrefix("/"+file, pattern)
	}
	for _, p := range patterns[1:] {
		used := slices.Contains(later, p)
		for file := range files {
			used = used || matches(p, file)
		}
		if !used {
			t.Errorf("line %s owns nothing", p)
		}
	}
	for file := range files {
		if path.Dir(file) != "." && !slices.ContainsFunc(patterns[1:], func(p string) bool { return matches(p, file) }) {
			t.Errorf("%s has no line", file)
		}
	}
}

// TestCluster wants the files of one cluster to be those that Fleet has for it, and no
// overlay for an environment that has one.
func TestCluster(t *testing.T) {
	each(t, func(t *testing.T, files map[string]string, o scaffold.Options) {
		t.Helper()
		for _, c := range o.Clusters {
			for name, text := range scaffold.Cluster(o, c) {
				if files[name] != text {
					t.Errorf("%s of cluster %s is another than that of the fleet", name, c.Name)
				}
			}
		}
		o.Environments = []string{"prod"}
		for name := range scaffold.Cluster(o, cluster("prod-eu-1", "prod")) {
			if !strings.Contains(name, "prod-eu-1") {
				t.Errorf("%s is not the cluster's own", name)
			}
		}
		if o.CI != scaffold.NoCI {
			return // the clusters are the same
		}
		extended := maps.Clone(files)
		maps.Copy(extended, scaffold.Cluster(o, cluster("prod-eu-1", "prod")))
		docs, err := render.Documents(tree.FromMap(extended))
		if err != nil {
			t.Fatal(err)
		}
		change, err := layout.Plan(tree.FromMap(extended), docs)
		if err != nil || len(change.Foreign) > 0 || len(change.Included) > 0 {
			t.Fatalf("generate: %v, foreign %v, included %v", err, change.Foreign, change.Included)
		}
		maps.Copy(extended, change.Write)
		if r := complete(t, extended, render.Options{}); len(r.Clusters) != 3 {
			t.Errorf("%d clusters after one was added to two", len(r.Clusters))
		}
	})
}

// TestEnvironmentLabel wants another label to be in the document, and to be read.
func TestEnvironmentLabel(t *testing.T) {
	o := options()
	o.EnvironmentLabel = "stage"
	for i := range o.Clusters {
		o.Clusters[i].Labels = map[string]string{"stage": "test"}
	}
	files, err := scaffold.Fleet(o)
	r := complete(t, must(t, files, err), render.Options{})
	docs, err := v1alpha1.Decode("fleet.yaml", []byte(files["fleet/fleet.yaml"]))
	if err != nil || docs.Fleet == nil || docs.Fleet.Spec.EnvironmentLabel != "stage" || docs.Fleet.Spec.Layout != v1alpha1.HubAndSpoke {
		t.Errorf("the fleet says %+v, %v", docs.Fleet, err)
	}
	if r.Clusters[0].Labels["stage"] != "test" || files["infrastructure/overlays/test/kustomization.yaml"] == "" {
		t.Errorf("the environment is another: %v", r.Clusters[0].Labels)
	}
}

// TestProblems wants each fault told, with the option's value in the text.
func TestProblems(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scaffold.Options)
		want   string
	}{
		"no name":      {func(o *scaffold.Options) { o.Name = "" }, "the fleet has no name"},
		"long name":    {func(o *scaffold.Options) { o.Name = strings.Repeat("a", 64) }, `the fleet cannot be called "aaa`},
		"no cluster":   {func(o *scaffold.Options) { o.Clusters = nil }, "the fleet has no cluster"},
		"twice":        {func(o *scaffold.Options) { o.Clusters = append(o.Clusters, o.Clusters[0]) }, "there are two clusters prod-us-east-1"},
		"path":         {func(o *scaffold.Options) { o.Clusters[0].Spec.Path = "elsewhere" }, `would start at "elsewhere"`},
		"lines":        {func(o *scaffold.Options) { o.Clusters[0].Spec.Variables["domain"] = "a\nb" }, "domain of cluster prod-us-east-1 is not on one line"},
		"layout":       {func(o *scaffold.Options) { o.Layout = "Star" }, `the layout cannot be "Star"`},
		"query":        {func(o *scaffold.Options) { o.URL += "?x=1" }, "no query"},
		"space in URL": {func(o *scaffold.Options) { o.URL += " x" }, "is no URL of a repository"},
		"owner":        {func(o *scaffold.Options) { o.Owner = "@acme/platform @acme/other" }, "is no owner"},
		"branch":       {func(o *scaffold.Options) { o.Branch = "-x" }, `"-x" is no name of a branch`},
		"environment":  {func(o *scaffold.Options) { delete(o.Clusters[1].Labels, "env") }, "cluster staging-eu-1 has no environment"},
		"namespace": {func(o *scaffold.Options) {
			o.Layout = v1alpha1.Monorepo
			o.Clusters[0].Labels["env"] = strings.Repeat("a", 60)
		}, "has too long a name"},
	} {
		o := options()
		c.change(&o)
		if files, err := scaffold.Fleet(o); err == nil || !strings.Contains(err.Error(), c.want) || files != nil {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
