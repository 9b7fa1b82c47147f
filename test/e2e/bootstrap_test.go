//go:build e2e && linux

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/internal/fleetcase"
	"github.com/bulkhead-dev/bulkhead/object"
	"github.com/bulkhead-dev/bulkhead/render"
	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

// push puts a revision of the story, and with the first one its other refs and
// repositories, on the Git server, and what it serves beside that on the others.
func (l *lane) push(ctx context.Context, s *story, revision int) error {
	l.served.Store(s.served[revision])
	if err := l.fill(ctx, s.served[revision]); err != nil {
		return err
	}
	if revision == 0 {
		for url := range s.urls() {
			if !strings.Contains(url, ":") {
				continue
			}
			if err := l.Git.Remove(url); err != nil {
				return err
			}
		}
		for ref, files := range s.refs {
			kind, name, _ := strings.Cut(ref, " ")
			switch kind {
			case "tag":
				name = "refs/tags/" + name
			case "branch":
			default:
				return fmt.Errorf("push %s: only tags and branches can be made up", ref)
			}
			if _, err := l.Git.Push(ctx, s.url, name, files); err != nil {
				return err
			}
		}
		for url, files := range s.others {
			if err := l.Git.Remove(url); err != nil {
				return err
			}
			for _, branch := range []string{"main", "master"} {
				if _, err := l.Git.Push(ctx, url, branch, files); err != nil {
					return err
				}
			}
		}
	}
	for url, prefix := range s.urls() {
		files := s.files[revision]
		if prefix != "." {
			files = map[string]tree.Blob{}
			for p, b := range s.files[revision] {
				if below, ok := strings.CutPrefix(p, prefix+"/"); ok {
					files[below] = b
				}
			}
		}
		if !strings.Contains(url, ":") {
			continue // a placeholder in a template
		}
		for branch := range s.branches(revision) {
			if _, err := l.Git.Push(ctx, url, branch, files); err != nil {
				return err
			}
		}
	}
	return nil
}

// urls of the repository, each with the folder that it stands for. A public fleet goes by
// whatever its clusters call it.
func (s *story) urls() map[string]string {
	found := map[string]string{}
	if s.url != "" {
		found[s.url] = "."
	}
	for _, r := range s.result {
		for _, c := range r.Clusters {
			if c.Entry == nil {
				continue
			}
			found[s.urlOf(c.Entry)] = c.Entry.Prefix
			for o := range c.Objects.All() {
				url, _, _ := unstructured.NestedString(o.Body().Map(), "spec", "url")
				if o.ID.Kind != "GitRepository" || url == "" {
					continue
				}
				for _, a := range c.Appliers {
					if a.Own && a.Source.URL == url {
						found[url] = a.Prefix
					}
				}
			}
		}
	}
	return found
}

// urlOf is what the entry point's source names, or for one that is declared, a made-up one.
func (s *story) urlOf(e *render.Entry) string {
	switch {
	case e.File != "" && e.URL != "":
		return e.URL
	case e.Prefix != ".":
		return "https://git.example.com/folders/" + e.Prefix + ".git"
	case s.url != "":
		return s.url
	}
	return fleetcase.URL
}

// branches of the repository that stand for the files: the story's own, or each that a
// source names.
func (s *story) branches(revision int) map[string]bool {
	if s.branch != "" {
		return map[string]bool{s.branch: true}
	}
	found := map[string]bool{"main": true, "master": true}
	for _, c := range s.result[revision].Clusters {
		for o := range c.Objects.All() {
			if o.ID.Kind == "GitRepository" {
				if b, _, _ := unstructured.NestedString(o.Body().Map(), "spec", "ref", "branch"); b != "" {
					found[b] = true
				}
			}
		}
		if c.Entry != nil && c.Entry.Ref != nil && c.Entry.Ref.Branch != "" {
			found[c.Entry.Ref.Branch] = true
		}
	}
	for ref := range s.refs {
		if name, ok := strings.CutPrefix(ref, "branch "); ok {
			delete(found, name)
		}
	}
	return found
}

// roots are the Flux objects that bootstrap puts on the cluster: those of the sync file,
// or for a cluster that is declared, what its declaration stands for.
func (s *story) roots(c *render.Cluster) ([]*unstructured.Unstructured, error) {
	if c.Entry == nil {
		return nil, errors.New("no entry point")
	}
	if c.Entry.File == "" {
		return declared(c, s), nil
	}
	objects, err := decode(s.files[0][c.Entry.File])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Entry.File, err)
	}
	var roots []*unstructured.Unstructured
	for _, o := range objects {
		switch o.GetKind() {
		case "GitRepository", "Kustomization", "Secret", "OCIRepository":
			if o.GetNamespace() == "" {
				o.SetNamespace(lab.FluxNamespace)
			}
			if r := c.Entry.Ref; o.GetKind() == "GitRepository" && o.GetName() == c.Entry.Source && r != nil {
				// A cluster's document may say another one than the file.
				ref, err := runtime.DefaultUnstructuredConverter.ToUnstructured(r)
				if err != nil {
					return nil, err
				}
				_ = unstructured.SetNestedMap(o.Object, ref, "spec", "ref")
			}
			roots = append(roots, o)
		}
	}
	if !slices.ContainsFunc(roots, func(o *unstructured.Unstructured) bool { return o.GetKind() == "Kustomization" }) {
		return append(roots, declared(c, s)...), nil // a FluxInstance, for which the operator makes them
	}
	return roots, nil
}

func declared(c *render.Cluster, s *story) []*unstructured.Unstructured {
	var roots []*unstructured.Unstructured
	for _, a := range c.Appliers {
		if len(a.Chain) > 0 || a.Home != c.Name {
			continue
		}
		repository := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
			"metadata": map[string]any{"name": c.Entry.Source, "namespace": c.Entry.Namespace},
			"spec":     map[string]any{"url": s.urlOf(c.Entry), "interval": "1m", "ref": map[string]any{"branch": "main"}},
		}}
		roots = append(roots, repository, &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
			"metadata": map[string]any{"name": a.Name, "namespace": a.Namespace},
			"spec": map[string]any{
				"interval": "10m", "path": "./" + a.Path, "prune": a.Prune,
				"sourceRef": map[string]any{"kind": "GitRepository", "name": c.Entry.Source, "namespace": c.Entry.Namespace},
			},
		}})
	}
	return roots
}

func decode(b tree.Blob) ([]*unstructured.Unstructured, error) {
	var all []*unstructured.Unstructured
	for d := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader([]byte(b.Data)), 4096); ; {
		o := &unstructured.Unstructured{}
		err := d.Decode(&o.Object)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

// surroundings makes what a fleet takes for granted and Git does not hold: namespaces,
// service accounts and the credentials of its sources.
func (l *lane) surroundings(ctx context.Context, s *story, cluster string, on *lab.Cluster, roots []*unstructured.Unstructured) error {
	need := map[object.ID]*unstructured.Unstructured{}
	want := func(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
		id := object.ID{Kind: kind, Namespace: namespace, Name: name}
		if need[id] == nil {
			o := &unstructured.Unstructured{}
			o.SetAPIVersion(apiVersion)
			o.SetKind(kind)
			o.SetNamespace(namespace)
			o.SetName(name)
			need[id] = o
		}
		return need[id]
	}
	given := map[object.ID]bool{}
	l.kubeconfigs(s, cluster, want)
	for _, r := range s.result {
		c := r.Cluster(cluster)
		if c == nil {
			continue
		}
		if err := l.foreign(ctx, s, c, on, roots); err != nil {
			return err
		}
		for _, a := range c.Appliers {
			for _, o := range slices.Concat(a.Objects, a.Held) {
				given[o.ID] = true
				if o.ID.Namespace != "" {
					want("v1", "Namespace", "", o.ID.Namespace)
				}
				l.credentials(o.Body().Map(), want)
			}
			if a.Release != nil {
				want("v1", "Namespace", "", a.Release.Namespace)
			}
		}
	}
	for _, o := range roots {
		want("v1", "Namespace", "", o.GetNamespace())
		l.credentials(o.Object, want)
	}
	for _, r := range s.result {
		if c := r.Cluster(cluster); c != nil {
			for _, a := range c.Appliers {
				if name := a.ServiceAccountName; name != "" && a.Home == a.Target {
					want("v1", "ServiceAccount", a.Namespace, name)
					admin(a.Namespace, name, want)
				}
			}
			if name := c.Profile.DefaultServiceAccount; name != "" {
				for _, a := range c.Appliers {
					want("v1", "ServiceAccount", a.Namespace, name)
					admin(a.Namespace, name, want)
				}
			}
		}
	}
	for id := range need {
		if id.Namespace != "" {
			want("v1", "Namespace", "", id.Namespace)
			delete(given, object.ID{Kind: "Namespace", Name: id.Namespace})
		}
	}
	kinds := []string{"Namespace", "ServiceAccount", "Secret", "ClusterRoleBinding"}
	ids := slices.SortedFunc(maps.Keys(need), func(a, b object.ID) int {
		return slices.Index(kinds, a.Kind) - slices.Index(kinds, b.Kind)
	})
	for _, id := range ids {
		if id.Kind == "Namespace" && len(validation.IsDNS1123Label(id.Name)) > 0 {
			continue // what is applied there is refused, too
		}
		if given[id] && id.Kind != "Secret" || id.Kind == "Namespace" && id.Name == lab.FluxNamespace {
			continue
		}
		if err := on.Client.Create(ctx, need[id]); err != nil && client.IgnoreAlreadyExists(err) != nil {
			return fmt.Errorf("surroundings: %w", err)
		}
	}
	return nil
}

// kubeconfigs wants the Secrets through which a hub reaches its targets.
func (l *lane) kubeconfigs(s *story, hub string, want func(apiVersion, kind, namespace, name string) *unstructured.Unstructured) {
	target := map[object.Applier]string{}
	for _, r := range s.result {
		for _, c := range r.Clusters {
			for _, a := range c.Appliers {
				if a.Home == hub {
					target[a.Applier] = a.Target
				}
			}
		}
	}
	on := map[string]int{}
	for _, r := range s.result {
		for _, c := range r.Clusters {
			for _, a := range c.Appliers {
				if _, ok := on[a.Target]; a.Home == hub && a.Target != hub && !ok {
					on[a.Target] = len(on)
				}
			}
		}
	}
	for _, r := range s.result {
		c := r.Cluster(hub)
		if c == nil {
			continue
		}
		for o := range c.Objects.All() {
			name, _, _ := unstructured.NestedString(o.Body().Map(), "spec", "kubeConfig", "secretRef", "name")
			i, ok := on[target[object.Applier{Kind: o.ID.Kind, Namespace: o.ID.Namespace, Name: o.ID.Name}]]
			if name == "" || !ok {
				continue
			}
			key, _, _ := unstructured.NestedString(o.Body().Map(), "spec", "kubeConfig", "secretRef", "key")
			if key == "" {
				key = "value"
			}
			if data, err := l.targets[i].Kubeconfig("admin"); err == nil {
				want("v1", "Secret", o.ID.Namespace, name).Object["stringData"] = map[string]any{key: string(data)}
			}
		}
	}
}

func admin(namespace, name string, want func(apiVersion, kind, namespace, name string) *unstructured.Unstructured) {
	b := want("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "lab-"+namespace+"-"+name)
	b.Object["roleRef"] = map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
	b.Object["subjects"] = []any{map[string]any{"kind": "ServiceAccount", "name": name, "namespace": namespace}}
}

// credentials wants the Secret of a GitRepository or Bucket.
func (l *lane) credentials(o map[string]any, want func(apiVersion, kind, namespace, name string) *unstructured.Unstructured) {
	u := unstructured.Unstructured{Object: o}
	name, _, _ := unstructured.NestedString(o, "spec", "secretRef", "name")
	var data map[string][]byte
	switch {
	case name == "":
		return
	case u.GetKind() == "GitRepository":
		var err error
		if data, err = l.Git.Credentials(); err != nil {
			return // the repository is then not ready, which shows
		}
	case u.GetKind() == "Bucket" && l.S3 != nil:
		data = l.S3.Credentials()
	default:
		return
	}
	text := map[string]any{}
	for k, v := range data {
		text[k] = string(v)
	}
	want("v1", "Secret", u.GetNamespace(), name).Object["stringData"] = text
}

// bootstrap applies the roots as flux bootstrap does: as kubectl, so that the controller
// takes their fields over.
func bootstrap(ctx context.Context, on *lab.Cluster, roots []*unstructured.Unstructured) error {
	for _, o := range roots {
		o := o.DeepCopy()
		if err := on.Client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner("kubectl"), client.ForceOwnership); err != nil {
			return fmt.Errorf("bootstrap %s: %w", path.Join(o.GetKind(), o.GetName()), err)
		}
	}
	return nil
}
