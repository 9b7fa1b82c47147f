package risk

import (
	"cmp"
	"fmt"
	"maps"
	slashpath "path"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
)

// nodeRules are about what pods share with their node.
func nodeRules() []rule {
	return []rule{
		{Rule: finding.Rule{
			ID: "host-namespace", Severity: finding.Error, Title: "A pod joins a namespace of its node",
			Why: "With hostNetwork a pod listens on the node and no NetworkPolicy holds for it; with hostPID it sees, and may end, every process there; " +
				"with hostIPC it shares their memory.",
			Hint: "leave hostNetwork, hostPID and hostIPC out, and hostUsers: false in",
		}, change: hostNamespaces},
		{Rule: finding.Rule{
			ID: "host-path", Severity: finding.Error, Title: "A pod mounts a folder of its node",
			Why: "What a pod may write on the node others run, and what it may read there holds their secrets. A mount that only reads is a warning, " +
				"unless it is of a place that leads to the whole node.",
			Hint: "use a volume of another kind, or mount the narrowest folder with readOnly: true",
		}, change: hostPaths},
		{Rule: finding.Rule{
			ID: "host-port", Severity: finding.Warning, Title: "A container listens on a port of its node",
			Why:  "The port is reached wherever the node is, and only one pod of a node can have it.",
			Hint: "use a Service",
		}, change: eachContainer(hostPorts)},
	}
}

func hostNamespaces(_ *context, ch *impact.Change) []Risk {
	before, after := pods(ch)
	var out []Risk
	for _, f := range []struct{ field, does string }{
		{"hostNetwork", "uses the network of its node"},
		{"hostPID", "sees the processes of its node"},
		{"hostIPC", "shares memory with the processes of its node"},
	} {
		if flag(after.spec, f.field) && !flag(before.spec, f.field) {
			out = append(out, told(ch, after.field("spec", f.field), "%s %s", called(ch), f.does))
		}
	}
	if get(before.spec, "hostUsers") == false && after.has() && get(after.spec, "hostUsers") != false {
		k := told(ch, after.field("spec", "hostUsers"), "%s has the users of its node: root in it is root there", called(ch))
		k.Severity = finding.Warning
		out = append(out, k)
	}
	return out
}

// access is what a pod may do to a folder of its node.
type access int

const (
	reads access = iota + 1
	writes
)

// longestPath is that of Linux, in bytes.
const longestPath = 4096

// hostMounts are the folders of the node that a pod mounts, and the volumes that do.
func hostMounts(p pod) (may map[string]access, volume map[string]string) {
	may, volume = map[string]access{}, map[string]string{}
	readOnly := map[string]bool{} // volumes that are mounted, and never to write
	for _, kind := range []string{"containers", "initContainers", "ephemeralContainers"} {
		for _, c := range list(p.spec, kind) {
			c, _ := c.(map[string]any)
			for _, m := range list(c, "volumeMounts") {
				m, _ := m.(map[string]any)
				name, ro := text(m, "name"), flag(m, "readOnly")
				if was, seen := readOnly[name]; seen {
					ro = ro && was
				}
				readOnly[name] = ro
			}
		}
	}
	for _, v := range list(p.spec, "volumes") {
		v, _ := v.(map[string]any)
		folder := text(v, "hostPath", "path")
		if folder == "" {
			continue
		}
		if len(folder) > longestPath {
			folder = folder[:longestPath] // which no node has
		}
		folder = slashpath.Clean("/" + folder)
		a := writes
		if readOnly[text(v, "name")] {
			a = reads
		}
		if a > may[folder] {
			may[folder], volume[folder] = a, text(v, "name")
		}
	}
	return may, volume
}

func hostPaths(_ *context, ch *impact.Change) []Risk {
	before, after := pods(ch)
	if !after.has() {
		return nil
	}
	had, _ := hostMounts(before)
	has, volume := hostMounts(after)
	var out []Risk
	for _, folder := range slices.Sorted(maps.Keys(has)) {
		was := access(0)
		for up := folder; ; up = slashpath.Dir(up) {
			was = max(was, had[up])
			if up == "/" {
				break
			}
		}
		if has[folder] <= was {
			continue
		}
		does := "may write to"
		if has[folder] == reads {
			does = "reads"
		}
		k := told(ch, keyed(ch, path(after.path, fields("spec", "volumes")), volume[folder], "hostPath"), "%s %s the folder %s of its node", called(ch), does, show(ch, folder))
		if has[folder] == reads && !leadsFar(folder) {
			k.Severity = finding.Warning
		}
		out = append(out, k)
	}
	return out
}

// leadsFar reports whether to read a folder of the node is enough to get at all of it: it holds
// sockets of the runtime, or the credentials of the node or of other pods.
func leadsFar(folder string) bool {
	if strings.HasSuffix(folder, ".sock") {
		return true
	}
	for _, far := range []string{"/etc/kubernetes", "/var/lib/kubelet", "/run", "/var/run", "/proc", "/root", "/dev", "/var/lib/etcd", "/var/lib/containerd", "/var/lib/docker"} {
		if folder == far || strings.HasPrefix(far, strings.TrimSuffix(folder, "/")+"/") || strings.HasPrefix(folder, far+"/") && far != "/run" && far != "/var/run" && far != "/proc" {
			return true
		}
	}
	return false
}

func hostPorts(ch *impact.Change, c *container, s secure) []Risk {
	if flag(s.after.spec, "hostNetwork") {
		return nil // all its ports are the node's
	}
	type key struct {
		port      int64
		protocol  string
		addresses string
	}
	read := func(c map[string]any) map[key]bool {
		out := map[key]bool{}
		for _, p := range list(c, "ports") {
			p, _ := p.(map[string]any)
			if n, ok := number(p, "hostPort"); ok && n != 0 {
				out[key{n, cmp.Or(text(p, "protocol"), "TCP"), text(p, "hostIP")}] = true
			}
		}
		return out
	}
	had := read(c.before)
	var ports []int64
	for k := range read(c.after) {
		if !had[k] && !had[key{k.port, k.protocol, ""}] {
			ports = append(ports, k.port)
		}
	}
	if len(ports) == 0 {
		return nil
	}
	slices.Sort(ports)
	names := make([]string, 0, len(ports))
	for _, n := range slices.Compact(ports) {
		names = append(names, fmt.Sprint(n))
	}
	return []Risk{told(ch, c.field("ports"), "%s listens on port %s of its node", partOf(ch, c), few(names))}
}
