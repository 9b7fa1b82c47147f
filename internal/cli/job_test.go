package cli_test

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const jobs = "../../deploy/job"

// jobOf is a manifest of deploy/job; fields that there are not fail.
func jobOf(tb testing.TB, file string) *batchv1.Job {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(jobs, file))
	if err != nil {
		tb.Fatal(err)
	}
	j := &batchv1.Job{}
	if err := yaml.UnmarshalStrict(data, j); err != nil {
		tb.Fatalf("%s: %v", file, err)
	}
	return j
}

// TestJobManifests holds the manifests against the types of Kubernetes and against Pod Security restricted.
//
// Source: k8s.io/pod-security-admission v0.36, policy "restricted".
func TestJobManifests(t *testing.T) {
	for _, file := range []string{"shards.yaml", "merge.yaml"} {
		pod := jobOf(t, file).Spec.Template.Spec
		if c := pod.SecurityContext; c == nil || c.RunAsNonRoot == nil || !*c.RunAsNonRoot || c.RunAsUser == nil || *c.RunAsUser == 0 ||
			c.SeccompProfile == nil || c.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("%s: the pod may run as root, or without a seccomp profile", file)
		}
		if pod.HostNetwork || pod.HostPID || pod.HostIPC || pod.AutomountServiceAccountToken == nil || *pod.AutomountServiceAccountToken {
			t.Errorf("%s: the pod shares something of the host, or has a token", file)
		}
		for _, v := range pod.Volumes {
			if v.EmptyDir == nil && v.PersistentVolumeClaim == nil {
				t.Errorf("%s: volume %s is of another kind", file, v.Name)
			}
		}
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			s := c.SecurityContext
			if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
				s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
				t.Errorf("%s: container %s may do more than it needs", file, c.Name)
			}
			if c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s: container %s has no limit of memory", file, c.Name)
			}
		}
	}
	spec := jobOf(t, "shards.yaml").Spec
	if spec.CompletionMode == nil || *spec.CompletionMode != batchv1.IndexedCompletion || spec.Completions == nil {
		t.Fatal("shards.yaml is no indexed Job")
	}
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), jobs)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range built.Resources() {
		if r.GetKind() != "ConfigMap" {
			continue
		}
		if n := r.GetDataMap()["SHARDS"]; n != strconv.Itoa(int(*spec.Completions)) {
			t.Errorf("SHARDS is %s, and completions are %d", n, *spec.Completions)
		}
	}
	text, err := built.AsYaml()
	if err != nil || strings.Contains(string(text), "image: bulkhead\n") || !strings.Contains(string(text), "name: bulkhead-impact-") {
		t.Errorf("the kustomization sets no image, or makes no ConfigMap: %v", err)
	}
}

// jobScripts are what the containers of deploy/job run, by the name of the container's file.
func jobScripts(tb testing.TB) map[string]string {
	tb.Helper()
	shards, merge := jobOf(tb, "shards.yaml").Spec.Template.Spec, jobOf(tb, "merge.yaml").Spec.Template.Spec
	out := map[string]string{}
	for name, c := range map[string]corev1.Container{"clone.sh": shards.InitContainers[0], "shard.sh": shards.Containers[0], "merge.sh": merge.Containers[0]} {
		if !slices.Equal(c.Command, []string{"sh", "-euc"}) || len(c.Args) != 1 {
			tb.Fatalf("container %s runs no script", c.Name)
		}
		out[name] = c.Args[0]
	}
	return out
}
