package risk

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawContainer(t *rapid.T, label string) map[string]any {
	names := func(words ...string) []any {
		var out []any
		for _, w := range rapid.SliceOfN(rapid.SampledFrom(words), 0, 2).Draw(t, label) {
			out = append(out, w)
		}
		return out
	}
	return map[string]any{"securityContext": map[string]any{
		"privileged":   rapid.IntRange(0, 9).Draw(t, label) == 0,
		"capabilities": map[string]any{"add": names("ALL", "SYS_ADMIN", "CAP_CHOWN", "net_admin"), "drop": names("ALL", "CHOWN", "SYS_ADMIN", "KILL")},
	}}
}

// TestCapabilitiesBeyond: what is gained is had after and not before, and nothing is gained exactly when each capability
// that a container has after it had before.
func TestCapabilitiesBeyond(t *testing.T) {
	every := append(usualCapabilities(), "SYS_ADMIN", "NET_ADMIN", "BPF")
	rapid.Check(t, func(t *rapid.T) {
		before, after := capableOf(drawContainer(t, "before")), capableOf(drawContainer(t, "after"))
		gained := after.beyond(before)
		for _, n := range gained {
			if !after.has(n) || before.has(n) {
				t.Fatalf("%s is said to be gained; before %v, after %v", n, before, after)
			}
		}
		more := slices.ContainsFunc(every, func(n string) bool { return after.has(n) && !before.has(n) })
		if more != (len(gained) > 0) {
			t.Fatalf("gains %v, and more is %v; before %v, after %v", gained, more, before, after)
		}
	})
}

func TestLeadsFar(t *testing.T) {
	for folder, want := range map[string]bool{
		"/": true, "/etc": true, "/etc/kubernetes/pki": true, "/var": true, "/run/containerd/containerd.sock": true, "/dev/sda": true, "/proc": true,
		"/var/lib/kubelet/pods": true, "/var/log": false, "/etc/ssl/certs": false, "/run/udev": false, "/usr/share": false,
	} {
		if got := leadsFar(folder); got != want {
			t.Errorf("%s: %v, want %v", folder, got, want)
		}
	}
}
