//go:build linux

package lab

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/bulkhead-dev/bulkhead/tree"
)

const (
	sourceV1    = "source.toolkit.fluxcd.io/v1"
	kustomizeV1 = "kustomize.toolkit.fluxcd.io/v1"
)

// files makes a repository of plain files.
func files(of map[string]string) map[string]tree.Blob {
	all := map[string]tree.Blob{}
	for path, text := range of {
		all[path] = tree.Blob{Data: text}
	}
	return all
}

// secret is YAML of a Secret.
func secret(namespace, name string, data map[string][]byte) string {
	s := fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: %s}\ndata:\n", name, namespace)
	for _, k := range slices.Sorted(maps.Keys(data)) {
		s += "  " + k + ": " + base64.StdEncoding.EncodeToString(data[k]) + "\n"
	}
	return s + "---\n"
}

// pushOCI pushes an artifact of one layer, a compressed tar file; kind is "flux" or "helm".
func (l *Lab) pushOCI(t *testing.T, reference, kind string, files map[string]string) {
	t.Helper()
	layer, config := types.MediaType("application/vnd.cncf.flux.content.v1.tar+gzip"), types.MediaType("application/vnd.cncf.flux.config.v1+json")
	if kind == "helm" {
		layer, config = "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/vnd.cncf.helm.config.v1+json"
	}
	var data bytes.Buffer
	zip := gzip.NewWriter(&data)
	archive := tar.NewWriter(zip)
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := archive.WriteHeader(&tar.Header{Name: path, Mode: 0o644, Size: int64(len(files[path]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(files[path])); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(archive.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), config)
	image, err := mutate.Append(image, mutate.Addendum{Layer: static.NewLayer(data.Bytes(), layer)})
	if err != nil {
		t.Fatal(err)
	}
	image = mutate.Annotations(image, map[string]string{
		"org.opencontainers.image.revision": "main@sha1:" + strings.Repeat("0", 40),
		"org.opencontainers.image.created":  "2026-01-01T00:00:00Z",
	}).(v1.Image)
	to, err := name.ParseReference(l.Registry+"/"+reference, name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(to, image, remote.WithContext(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// TestSources plays every kind of source against one cluster, with another one as target,
// and takes the cluster back in the end.
func TestSources(t *testing.T) {
	t.Parallel()
	l := Start(t, Bare("spoke"), WithS3())
	a := l.Cluster("a")
	credentials, err := l.Git.Credentials()
	if err != nil {
		t.Fatal(err)
	}
	spoke, err := l.Cluster("spoke").Kubeconfig("admin")
	if err != nil {
		t.Fatal(err)
	}
	const url = "https://git.example.com/org/fleet"
	commit, err := l.Git.Push(t.Context(), url, "main", files(map[string]string{
		"app/map.yaml":   "{apiVersion: v1, kind: ConfigMap, metadata: {name: from-git, namespace: default}}",
		"spoke/map.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: from-hub, namespace: default}}",
	}))
	if err != nil {
		t.Fatal(err)
	}
	l.pushOCI(t, "fleet/infra:v1", "flux", map[string]string{
		"map.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: from-oci, namespace: default}}",
	})
	for bucket, public := range map[string]bool{"public": true, "private": false} {
		if err := l.S3.Fill(t.Context(), bucket, public, map[string]string{
			"map.yaml": "{apiVersion: v1, kind: ConfigMap, metadata: {name: from-bucket, namespace: default}}",
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Serve(t.Context(), "s3.example.com", l.S3); err != nil {
		t.Fatal(err)
	}
	a.apply(t, secret(FluxNamespace, "git", credentials)+secret(FluxNamespace, "spoke", map[string][]byte{"value": spoke})+
		secret(FluxNamespace, "s3", l.S3.Credentials())+`
kind: GitRepository
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: https, namespace: flux-system}
spec: {interval: 1h, url: "https://git.example.com/org/fleet", ref: {branch: main}, secretRef: {name: git}}
---
kind: GitRepository
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: ssh, namespace: flux-system}
spec: {interval: 1h, url: "ssh://git@git.example.com/org/fleet.git", ref: {branch: main}, secretRef: {name: git}}
---
kind: GitRepository
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: port, namespace: flux-system}
spec: {interval: 1h, url: "https://git.example.com:8443/org/fleet", ref: {branch: main}}
---
kind: GitRepository
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: missing, namespace: flux-system}
spec: {interval: 1h, url: "https://git.example.com/org/missing", ref: {branch: main}}
---
kind: OCIRepository
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: oci, namespace: flux-system}
spec: {interval: 1h, url: "oci://`+l.Registry+`/fleet/infra", ref: {tag: v1}, insecure: true}
---
kind: Bucket
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: public, namespace: flux-system}
spec: {interval: 1h, endpoint: s3.example.com, bucketName: public}
---
kind: Bucket
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: private, namespace: flux-system}
spec: {interval: 1h, endpoint: "`+l.S3.Endpoint+`", insecure: true, bucketName: private, secretRef: {name: s3}}
---
kind: Bucket
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: denied, namespace: flux-system}
spec: {interval: 1h, endpoint: s3.example.com, bucketName: private}
---
kind: Bucket
apiVersion: source.toolkit.fluxcd.io/v1
metadata: {name: missing, namespace: flux-system}
spec: {interval: 1h, endpoint: s3.example.com, bucketName: missing}
---
kind: Kustomization
apiVersion: kustomize.toolkit.fluxcd.io/v1
metadata: {name: bucket, namespace: flux-system}
spec: {interval: 1h, prune: true, sourceRef: {kind: Bucket, name: private}}
---
kind: Kustomization
apiVersion: kustomize.toolkit.fluxcd.io/v1
metadata: {name: git, namespace: flux-system}
spec: {interval: 1h, path: app, prune: true, sourceRef: {kind: GitRepository, name: ssh}}
---
kind: Kustomization
apiVersion: kustomize.toolkit.fluxcd.io/v1
metadata: {name: oci, namespace: flux-system}
spec: {interval: 1h, prune: true, sourceRef: {kind: OCIRepository, name: oci}}
---
kind: Kustomization
apiVersion: kustomize.toolkit.fluxcd.io/v1
metadata: {name: spoke, namespace: flux-system}
spec: {interval: 1h, path: spoke, prune: true, sourceRef: {kind: GitRepository, name: https}, kubeConfig: {secretRef: {name: spoke}}}
`)
	a.eventually(t, newObject(sourceV1, "GitRepository", FluxNamespace, "https"), ready("True", commit))
	a.eventually(t, newObject(sourceV1, "GitRepository", FluxNamespace, "ssh"), ready("True", commit))
	a.eventually(t, newObject(sourceV1, "GitRepository", FluxNamespace, "port"), ready("False", "git.example.com:8443"))
	a.eventually(t, newObject(sourceV1, "GitRepository", FluxNamespace, "missing"), ready("False", "not found"))
	a.eventually(t, newObject(kustomizeV1, "Kustomization", FluxNamespace, "git"), ready("True", commit))
	a.eventually(t, newObject(kustomizeV1, "Kustomization", FluxNamespace, "oci"), ready("True", "v1@sha256:"))
	a.eventually(t, newObject(kustomizeV1, "Kustomization", FluxNamespace, "spoke"), ready("True", commit))
	a.eventually(t, newObject(sourceV1, "Bucket", FluxNamespace, "public"), ready("True", "sha256:"))
	a.eventually(t, newObject(sourceV1, "Bucket", FluxNamespace, "denied"), ready("False", "failed to confirm existence of 'private' bucket"))
	a.eventually(t, newObject(sourceV1, "Bucket", FluxNamespace, "missing"), ready("False", "bucket 'missing' not found"))
	a.eventually(t, newObject(kustomizeV1, "Kustomization", FluxNamespace, "bucket"), ready("True", "sha256:"))
	a.eventually(t, newObject("v1", "ConfigMap", "default", "from-bucket"), there)
	a.eventually(t, newObject("v1", "ConfigMap", "default", "from-git"), there)
	a.eventually(t, newObject("v1", "ConfigMap", "default", "from-oci"), there)
	l.Cluster("spoke").eventually(t, newObject("v1", "ConfigMap", "default", "from-hub"), there)
	if a.get(t, newObject("v1", "ConfigMap", "default", "from-hub")) != nil {
		t.Error("the hub holds what is meant for the spoke")
	}
	if asked := l.Network.Asked(); len(asked) != 1 || asked["git.example.com:8443"] == 0 {
		t.Errorf("refused: %v", asked)
	}
	t.Run("buckets", func(t *testing.T) { testBuckets(t, l.S3) })
	t.Run("reset", func(t *testing.T) { testReset(t, a) })
}

// testReset takes back a cluster that Flux has been at work on.
func testReset(t *testing.T, c *Cluster) {
	t.Helper()
	c.apply(t, `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {kind: Thing, plural: things}
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
`)
	if err := c.established(t.Context(), "things.example.com"); err != nil {
		t.Fatal(err)
	}
	c.apply(t, `
{apiVersion: v1, kind: Namespace, metadata: {name: late}}
---
{apiVersion: example.com/v1, kind: Thing, metadata: {name: stuck, namespace: late, finalizers: [example.com/never]}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: source-controller, namespace: flux-system, labels: {changed: "true"}}}
`)
	if err := c.Client.Delete(t.Context(), newObject("rbac.authorization.k8s.io/v1", "ClusterRole", "", "flux-edit")); err != nil {
		t.Fatal(err)
	}
	if err := c.Client.Delete(t.Context(), newObject("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "buckets.source.toolkit.fluxcd.io")); err != nil {
		t.Fatal(err)
	}
	for _, name := range c.controllers() {
		if err := c.Idle(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, o := range [][4]string{
		{"v1", "Namespace", "", "late"},
		{"v1", "ConfigMap", "default", "from-git"},
		{"v1", "Secret", FluxNamespace, "git"},
		{sourceV1, "GitRepository", FluxNamespace, "ssh"},
		{kustomizeV1, "Kustomization", FluxNamespace, "git"},
		{"apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "things.example.com"},
		{"example.com/v1", "Thing", "late", "stuck"},
	} {
		c.gone(t, newObject(o[0], o[1], o[2], o[3]))
	}
	c.eventually(t, newObject("rbac.authorization.k8s.io/v1", "ClusterRole", "", "flux-edit"), there)
	c.eventually(t, newObject("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "buckets.source.toolkit.fluxcd.io"), func(o *unstructured.Unstructured) error {
		if o.GetDeletionTimestamp() != nil {
			return errors.New("it is being deleted")
		}
		return nil
	})
	c.eventually(t, newObject("v1", "ServiceAccount", FluxNamespace, "source-controller"), func(o *unstructured.Unstructured) error {
		if o.GetLabels() != nil {
			return fmt.Errorf("it has the labels %v", o.GetLabels())
		}
		return nil
	})
}
