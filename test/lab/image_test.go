//go:build linux

package lab

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

const imageV1 = "image.toolkit.fluxcd.io/v1"

// automation is YAML of what writes the new images into the repository of a URL, with a Secret.
func automation(name, url string, key map[string][]byte) string {
	return secret(FluxNamespace, name, key) + fmt.Sprintf(`
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: %[1]s, namespace: flux-system}
spec: {interval: 1h, url: "%[2]s", ref: {branch: main}, secretRef: {name: %[1]s}}
---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageUpdateAutomation
metadata: {name: %[1]s, namespace: flux-system}
spec:
  interval: 1h
  sourceRef: {kind: GitRepository, name: %[1]s}
  git: {commit: {author: {name: Bot, email: bot@example.com}}, push: {branch: images}}
  update: {path: ./app, strategy: Setters}
---
`, name, url)
}

// TestImages lets Flux find a new image and write it into a repository, for which it needs
// the right password.
func TestImages(t *testing.T) {
	t.Parallel()
	l := Start(t, WithImages(), Lockdown())
	a := l.Cluster("a")
	if err := l.PushImage(t.Context(), "acme/app", "1.0.0", "1.2.0", "2.0.0"); err != nil {
		t.Fatal(err)
	}
	if err := l.Serve(t.Context(), "registry.example.com", l.OCI); err != nil {
		t.Fatal(err)
	}
	const ours, theirs = "https://git.example.com/acme/ours", "https://git.example.com/acme/theirs"
	const mark = ` # {"$imagepolicy": "flux-system:app"}` + "\n"
	pushed := map[string]string{}
	for _, url := range []string{ours, theirs} {
		if err := l.Git.Protect(url, "bot", "correct-horse"); err != nil {
			t.Fatal(err)
		}
		var err error
		pushed[url], err = l.Git.Push(t.Context(), url, "main", files(map[string]string{
			"README": "registry.example.com/acme/app:1.0.0" + mark, "app/map.yaml": "image: registry.example.com/acme/app:1.0.0" + mark,
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := l.Git.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	with := func(password string) map[string][]byte {
		return map[string][]byte{"username": []byte("bot"), "password": []byte(password)}
	}
	a.apply(t, `
{apiVersion: image.toolkit.fluxcd.io/v1, kind: ImageRepository, metadata: {name: app, namespace: flux-system}, spec: {interval: 1h, image: registry.example.com/acme/app}}
---
{apiVersion: image.toolkit.fluxcd.io/v1, kind: ImagePolicy, metadata: {name: app, namespace: flux-system}, spec: {imageRepositoryRef: {name: app}, policy: {semver: {range: 1.x}}}}
---
`+automation("right", ours, with("correct-horse"))+automation("wrong", theirs, with("battery-staple"))+automation("ssh", "ssh://git@git.example.com/acme/theirs", key))
	a.eventually(t, newObject(imageV1, "ImageUpdateAutomation", FluxNamespace, "right"), func(o *unstructured.Unstructured) error {
		if commit, _, _ := unstructured.NestedString(o.Object, "status", "lastPushCommit"); commit == "" {
			return errors.Join(errors.New("it has pushed nothing"), ready("Unknown", "")(o))
		}
		return nil
	})
	a.eventually(t, newObject(imageV1, "ImageUpdateAutomation", FluxNamespace, "wrong"), ready("False", "authorization failed"))
	a.eventually(t, newObject(imageV1, "ImageUpdateAutomation", FluxNamespace, "ssh"), ready("False", "nobody pushes here over SSH"))
	got, err := l.Git.Last(ours, "images")
	if err != nil {
		t.Fatal(err)
	}
	want := &Change{
		Commit: got.Commit, Parent: pushed[ours], Author: "Bot <bot@example.com>",
		Files: map[string]string{"app/map.yaml": "image: registry.example.com/acme/app:1.2.0" + mark},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the commit (-want +got):\n%s", diff)
	}
	if got, err := l.Git.Last(theirs, "images"); err == nil {
		t.Errorf("somebody else has pushed %v", got)
	}
	if got, err := l.Git.Last(theirs, "main"); err != nil || got.Commit != pushed[theirs] || got.Parent != "" || len(got.Files) != 2 {
		t.Errorf("the first commit is %v: %v", got, err)
	}
	for _, name := range []string{"https://git.example.com/acme/none", "https://"} {
		if _, err := l.Git.Last(name, "main"); err == nil {
			t.Errorf("%s has a commit", name)
		}
	}
	if err := errors.Join(a.Idle(t.Context(), ImageAutomationController), a.Idle(t.Context(), ImageReflectorController)); err != nil {
		t.Error(err)
	}
}
