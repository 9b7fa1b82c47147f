package render

import (
	"maps"
	"slices"
	"strings"
	"sync"
)

// targets names the clusters that kubeConfig references stand for.
//
// Offline a kubeconfig is only a reference. Its Secret is named after the cluster
// by Cluster API's convention (NAME-kubeconfig); with a name that says nothing,
// the namespace names it, as in Flux's hub and spoke example.
type targets struct {
	mu    sync.Mutex
	names map[string]string // reference -> short name it would like to have
	known map[string]bool   // clusters with an entry of their own
}

func newTargets(f *fleet) *targets {
	t := &targets{names: map[string]string{}, known: map[string]bool{}}
	for _, e := range f.entries {
		t.known[e.Cluster] = true
	}
	return t
}

// genericNames are those of kubeconfig Secrets that name no cluster.
var genericNames = map[string]bool{"": true, "cluster": true, "kubeconfig": true, "kube": true, "remote": true, "spoke": true} //nolint:gochecknoglobals // a constant set

// target is the cluster that spec.kubeConfig of an applier stands for: one with
// an entry of its own when the reference is named after it, else the reference
// itself, which display turns into a name once all are known.
func (e *engine) target(hub, namespace string, ref map[string]any) string {
	kind, name := "secret", textAt(ref, "secretRef", "name")
	if name == "" {
		kind, name = "configmap", textAt(ref, "configMapRef", "name")
	}
	short := name
	for _, suffix := range []string{"-kubeconfig", "-kube-config", "-eks-connection", "-admin"} {
		short = strings.TrimSuffix(short, suffix)
	}
	if genericNames[short] {
		short = namespace
	}
	t := e.targets
	if t.known[short] && short != hub {
		return short
	}
	key := strings.Join([]string{hub, namespace, kind, name}, "/")
	if k := textAt(ref, "secretRef", "key"); k != "" {
		key += "/" + k
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.names[key] = short
	return key
}

// display maps each reference to the name its cluster is shown under: the short
// one, with namespace or hub in front where two would be the same.
func (t *targets) display() map[string]string {
	taken := maps.Clone(t.known)
	shown := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(t.names)) {
		parts := strings.Split(key, "/")
		for _, n := range []string{t.names[key], parts[1] + "/" + t.names[key], key} {
			if !taken[n] {
				taken[n], shown[key] = true, n
				break
			}
		}
	}
	return shown
}
