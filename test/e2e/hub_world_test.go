//go:build e2e && linux

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/bulkhead-dev/bulkhead/test/lab"
	"github.com/bulkhead-dev/bulkhead/tree"
)

const (
	hubURL = "https://git.example.com/acme/fleet"
	// hubTime bounds one wait.
	hubTime = 90 * time.Second
)

// environments of the clusters of the hub.
var environments = map[string]string{"a": "prod", "b": "staging"}

func spokeURL(name string) string { return "https://git.example.com/acme/" + name }

// hub is a platform team: the program, a clone of the fleet, and two clusters.
type hub struct {
	*lab.Lab
	program, kubectl string
	home, dir        string // of the user, and the clone
	spokes           map[string]string
	pushed           string          // the commit that the clusters follow
	broken           map[string]bool // namespaces of Flux objects that are not expected to become ready
}

func newHub(t *testing.T) *hub {
	t.Helper()
	h := &hub{home: t.TempDir(), spokes: map[string]string{}, broken: map[string]bool{}}
	h.dir, h.program = filepath.Join(h.home, "fleet"), filepath.Join(h.home, "bulkhead")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", h.program, "./cmd/bulkhead")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build bulkhead: %v\n%s", err, out)
	}
	folders, err := lab.Build(t.Context(), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	h.kubectl = filepath.Join(folders["cluster"], "bin", "kubectl")
	h.Lab = lab.Start(t, lab.Clusters("a", "b"), lab.Lockdown(), lab.WithWorkloads())
	return h
}

// tell prints what was measured.
func (h *hub) tell(format string, args ...any) { fmt.Fprintf(os.Stderr, "hub: "+format+"\n", args...) }

// exec runs a program as the user, in the clone.
func (h *hub) exec(t *testing.T, program string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = h.dir
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.home, "XDG_CACHE_HOME=" + filepath.Join(h.home, "cache"), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=lab", "GIT_AUTHOR_EMAIL=lab@example.com", "GIT_COMMITTER_NAME=lab", "GIT_COMMITTER_EMAIL=lab@example.com",
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func (h *hub) git(t *testing.T, args ...string) string {
	t.Helper()
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	out, errs, code := h.exec(t, "git", args...)
	if code != 0 {
		t.Fatalf("git %s: exit %d\n%s", strings.Join(args, " "), code, errs)
	}
	return out
}

// known are the sources that commands which tell an impact are given.
func (h *hub) known(args []string) []string {
	if args[0] == "generate" && len(args) > 1 || slices.Contains(args, "list") {
		return args
	}
	args = slices.Clone(args)
	for _, name := range slices.Sorted(maps.Keys(h.spokes)) {
		args = append(args, "--source", spokeURL(name)+"="+h.spokes[name])
	}
	return args
}

// must runs the program, which is to succeed, and returns what it prints.
func (h *hub) must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := h.exec(t, h.program, h.known(args)...)
	if code != 0 {
		t.Fatalf("bulkhead %s: exit %d\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// refused runs the program, which is to say why it does not, and to write nothing.
func (h *hub) refused(t *testing.T, why string, args ...string) {
	t.Helper()
	before := h.git(t, "status", "--porcelain")
	out, errs, code := h.exec(t, h.program, h.known(args)...)
	if code != 2 || !strings.Contains(errs, why) {
		t.Errorf("bulkhead %s: exit %d, and not for %q\n%s%s", strings.Join(args, " "), code, why, out, errs)
	}
	if after := h.git(t, "status", "--porcelain"); after != before {
		t.Errorf("bulkhead %s was refused, and wrote\n%s", strings.Join(args, " "), after)
	}
}

func (h *hub) write(t *testing.T, p, content string) {
	t.Helper()
	at := filepath.Join(h.dir, p)
	if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func (h *hub) commitOnly(t *testing.T) {
	t.Helper()
	h.git(t, "add", "-A")
	h.git(t, "commit", "-q", "-m", "step")
}

// commit commits and pushes.
func (h *hub) commit(t *testing.T) {
	t.Helper()
	h.commitOnly(t)
	h.push(t)
}

func (h *hub) push(t *testing.T) {
	t.Helper()
	var err error
	if h.pushed, err = h.Git.Push(t.Context(), hubURL, "main", blobs(t, h.dir)); err != nil {
		t.Fatal(err)
	}
}

// blobs are the files below a folder, without Git's own.
func blobs(t *testing.T, dir string) map[string]tree.Blob {
	t.Helper()
	files := map[string]tree.Blob{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.Name() == ".git":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		files[filepath.ToSlash(rel)] = tree.Blob{Data: string(data)}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// spoke makes the repository of a tenant: the files, for each environment. It returns the commit.
func (h *hub) spoke(t *testing.T, name string, files map[string]string) string {
	t.Helper()
	h.spokes[name] = filepath.Join(h.home, "spokes", name)
	if err := os.RemoveAll(h.spokes[name]); err != nil {
		t.Fatal(err)
	}
	for _, env := range environments {
		for p, content := range files {
			at := filepath.Join(h.spokes[name], "deploy", env, p)
			if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(content), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	commit, err := h.Git.Push(t.Context(), spokeURL(name), "main", blobs(t, h.spokes[name]))
	if err != nil {
		t.Fatal(err)
	}
	return commit
}

func (h *hub) tenant(t *testing.T, name string) {
	t.Helper()
	h.must(t, "tenant", "add", name, "--repo", spokeURL(name), "-e", "prod", "-e", "staging")
}

// gotkSync is what flux bootstrap makes of a cluster, with the account that a cluster needs whose Flux is locked down.
func gotkSync(cluster string) string {
	return `apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata: {name: flux-system, namespace: flux-system}
spec: {interval: 1s, ref: {branch: main}, url: "` + hubURL + `"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: flux-system, namespace: flux-system}
spec:
  interval: 10s
  retryInterval: 2s
  path: ./clusters/` + cluster + `
  prune: true
  serviceAccountName: kustomize-controller
  sourceRef: {kind: GitRepository, name: flux-system}
`
}

// entry writes the files of flux bootstrap.
func (h *hub) entry(t *testing.T, cluster string) {
	t.Helper()
	h.write(t, "clusters/"+cluster+"/flux-system/gotk-sync.yaml", gotkSync(cluster))
	h.write(t, "clusters/"+cluster+"/flux-system/kustomization.yaml", "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [gotk-sync.yaml]\n")
}

// bootstrap puts Flux's own objects, and a volume for who claims it, on a cluster.
func (h *hub) bootstrap(t *testing.T, cluster string) {
	t.Helper()
	objects, err := decode(tree.Blob{Data: gotkSync(cluster) + `---
apiVersion: v1
kind: PersistentVolume
metadata: {name: disk}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  storageClassName: manual
  persistentVolumeReclaimPolicy: Retain
  hostPath: {path: /nowhere}
`})
	if err != nil {
		t.Fatal(err)
	}
	if err := bootstrap(t.Context(), h.Cluster(cluster), objects); err != nil {
		t.Fatal(err)
	}
}

// workload is what a tenant deploys, as the restricted standard wants it.
func workload(data bool) map[string]string {
	files := map[string]string{"web.yaml": `apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
      containers:
      - {name: web, image: registry.example.com/web:1, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data: {colour: blue}
`}
	if data {
		files["store.yaml"] = `apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: store}
spec: {accessModes: [ReadWriteOnce], storageClassName: manual, resources: {requests: {storage: 1Gi}}}
`
	}
	return files
}

// live and evidence are the flags that tell what is on clusters: a by its API server, b by what kubectl prints.
func (h *hub) live(t *testing.T, cluster string) []string {
	t.Helper()
	file, err := h.Cluster(cluster).KubeconfigFile("admin")
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--context", cluster + "=lab", "--kubeconfig", file}
}

func (h *hub) evidence(t *testing.T) []string {
	t.Helper()
	file, err := h.Cluster("b").KubeconfigFile("admin")
	if err != nil {
		t.Fatal(err)
	}
	out, errs, code := h.exec(t, h.kubectl, "--kubeconfig", file, "get", "kustomizations.kustomize.toolkit.fluxcd.io", "-A", "-o", "yaml")
	if code != 0 {
		t.Fatal(errs)
	}
	at := filepath.Join(h.home, "b.yaml")
	if err := os.WriteFile(at, []byte(out), 0o600); err != nil {
		t.Fatal(err)
	}
	return append(h.live(t, "a"), "--status", "b="+at)
}

// object gets one of a type, "APIVERSION KIND".
func (h *hub) object(t *testing.T, cluster, of, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	apiVersion, kind, _ := strings.Cut(of, " ")
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	if err := h.Cluster(cluster).Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, o); err != nil {
		t.Fatal(err)
	}
	return o
}

func (h *hub) kustomization(t *testing.T, cluster, namespace, name string) *unstructured.Unstructured {
	t.Helper()
	return h.object(t, cluster, kustomizeAPI+" Kustomization", namespace, name)
}
