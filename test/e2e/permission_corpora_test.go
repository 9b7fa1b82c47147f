//go:build e2e && linux

package e2e

import (
	"cmp"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/isolation/estate"
	"github.com/bulkhead-dev/bulkhead/isolation/permission"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
)

// TestPermissionCorpora asks the API server's authorizer, and the closure of what is built into bulkhead and of what public fleets render, the same questions:
// about those that their bindings name and what their roles speak of.
func TestPermissionCorpora(t *testing.T) {
	t.Parallel()
	objects := corporaAccess(t)
	l := lab.Start(t, lab.Clusters("unused"), lab.Bare("a"))
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{rbacv1.AddToScheme, corev1.AddToScheme, authorizationv1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	config := *l.Cluster("a").Config
	config.QPS = -1
	c, err := client.New(&config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	there := &estate.Cluster{Name: "a", Minor: 36}
	spaces := map[string]bool{}
	for _, o := range objects {
		if ns := o.ID.Namespace; ns != "" && !spaces[ns] {
			spaces[ns] = true
			if err := c.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}); err != nil && !apierrors.IsAlreadyExists(err) {
				t.Fatal(err)
			}
		}
		u := &unstructured.Unstructured{Object: runtime.DeepCopyJSON(o.Body().Map())}
		if err := c.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(u), client.ForceOwnership, client.FieldOwner("test")); err != nil {
			t.Logf("%s is refused, and left out: %v", o.ID, err)
			continue
		}
		there.Objects = append(there.Objects, &estate.Object{Object: o, Cluster: there})
	}
	// What the lab itself grants is in no fleet.
	if err := c.Delete(t.Context(), &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "lab-flux-controllers"}}); err != nil {
		t.Fatal(err)
	}
	settled(t.Context(), t, l, c)
	closure := there.Permissions()
	d := &drawn{r: rand.New(rand.NewPCG(3, 4)), namespaces: []string{"", "kube-system", "default"}}
	d.read(there)
	allowed := 0
	for i := range questions {
		who, what := d.subject(), d.request()
		answer := review(who, what)
		if err := c.Create(t.Context(), answer); err != nil {
			t.Fatal(err)
		}
		grant, may := closure.May(who, what)
		if may != answer.Status.Allowed {
			t.Errorf("question %d: %+v of %s %v: %v by %+v, the API server says %v: %s", i, what, who.User, who.Groups, may, grant, answer.Status.Allowed, answer.Status.Reason)
		}
		if may {
			allowed++
		}
	}
	t.Logf("%d questions about %d objects, %d allowed, all answered alike", questions, len(there.Objects), allowed)
	if allowed < questions/20 || allowed > questions*19/20 {
		t.Errorf("%d of %d are allowed: too one-sided to mean anything", allowed, questions)
	}
}

// corporaAccess are the roles and bindings that public fleets render, each ID once.
func corporaAccess(t *testing.T) (out []*object.Object) {
	t.Helper()
	dir := cmp.Or(os.Getenv("BULKHEAD_CORPORA"), filepath.Join("..", "..", "..", "shared", "corpora"))
	bundles, err := filepath.Glob(filepath.Join(dir, "*.bundle"))
	if err != nil || len(bundles) == 0 || testing.Short() {
		t.Skipf("SKIPPED: no corpora in %s, or a short run; set BULKHEAD_CORPORA to a folder of Git bundles of fleets", dir)
	}
	seen := map[object.ID]bool{}
	for _, bundle := range bundles {
		bundle, err := filepath.Abs(bundle)
		if err != nil {
			t.Fatal(err)
		}
		clone := t.TempDir()
		if text, err := exec.CommandContext(t.Context(), "git", "clone", "-q", bundle, clone).CombinedOutput(); err != nil {
			t.Fatalf("git clone: %v\n%s", err, text)
		}
		files, err := git.OpenFolder(clone)
		if err != nil {
			t.Fatal(err)
		}
		fleet, err := render.Fleet(t.Context(), render.Repository{Tree: files, Revision: "main"}, render.Options{})
		if err != nil {
			continue // it has no cluster
		}
		for _, cluster := range fleet.Clusters {
			for o := range cluster.Objects.All() {
				if o.ID.Group == rbacv1.GroupName && !seen[o.ID] && !strings.Contains(o.ID.String(), "$") {
					seen[o.ID] = true
					out = append(out, o)
				}
			}
		}
	}
	return out
}

// drawn draws questions from what roles and bindings speak of.
type drawn struct {
	r                    *rand.Rand
	subjects             []permission.Subject
	verbs, groups, names []string
	resources, urls      []string
	namespaces           []string
}

func (d *drawn) read(c *estate.Cluster) {
	add := func(list *[]string, words ...string) {
		for _, w := range words {
			if !slices.Contains(*list, w) {
				*list = append(*list, w)
			}
		}
	}
	d.subjects = []permission.Subject{permission.Person("nobody"), permission.Account("default", "default")}
	for _, o := range c.Objects {
		add(&d.namespaces, o.ID.Namespace)
		for _, s := range estate.List(o.Body().Map(), "subjects") {
			switch name := estate.Text(s, "name"); estate.Text(s, "kind") {
			case rbacv1.ServiceAccountKind:
				d.subjects = append(d.subjects, permission.Account(cmp.Or(estate.Text(s, "namespace"), o.ID.Namespace), name))
			case rbacv1.GroupKind:
				d.subjects = append(d.subjects, permission.Person("somebody", name))
			default:
				d.subjects = append(d.subjects, permission.Person(name))
			}
		}
		for _, rule := range estate.List(o.Body().Map(), "rules") {
			add(&d.verbs, estate.Texts(rule, "verbs")...)
			add(&d.groups, estate.Texts(rule, "apiGroups")...)
			add(&d.resources, estate.Texts(rule, "resources")...)
			add(&d.names, estate.Texts(rule, "resourceNames")...)
			add(&d.urls, estate.Texts(rule, "nonResourceURLs")...)
		}
	}
	add(&d.names, "", "", "x")
	d.names = append(d.names, "", "", "", "", "", "", "", "", "", "", "", "", "", "", "", "")
	add(&d.urls, "/metrics", "/healthz")
}

func (d *drawn) of(words []string) string { return words[d.r.IntN(len(words))] }

func (d *drawn) subject() permission.Subject { return d.subjects[d.r.IntN(len(d.subjects))] }

func (d *drawn) request() permission.Request {
	if d.r.IntN(20) == 0 {
		return permission.Request{Verb: "get", Path: strings.TrimSuffix(d.of(d.urls), "*") + "/x"}
	}
	resource, sub, _ := strings.Cut(d.of(d.resources), "/")
	group := d.of(d.groups)
	if d.r.IntN(3) == 0 {
		group, resource, sub = "", d.of([]string{"pods", "secrets", "configmaps", "nodes", "services", "namespaces"}), ""
	}
	if resource == "namespaces" {
		return permission.OnNamespace(d.of([]string{"get", "patch", "create", "delete"}), d.of(d.namespaces[1:]))
	}
	return permission.Request{Verb: d.of(d.verbs), Group: group, Resource: resource, Subresource: sub, Namespace: d.of(d.namespaces), Name: d.of(d.names)}
}
