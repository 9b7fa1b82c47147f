package risk

import (
	"maps"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
)

// usualCapabilities are what a container has that names none.
//
// Source: containerd v2.2 pkg/oci defaultUnixCaps.
func usualCapabilities() []string {
	return []string{
		"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP", "SETPCAP",
		"NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE",
	}
}

// mightyCapabilities lead to the node, its network or the memory of other processes.
func mightyCapabilities() []string {
	return []string{
		"ALL", "SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "BPF", "PERFMON",
		"DAC_READ_SEARCH", "MAC_ADMIN", "MAC_OVERRIDE", "CHECKPOINT_RESTORE", "SYSLOG",
	}
}

// capable is the capabilities of a container, "ALL" standing for every one but those in without.
type capable struct {
	names, without map[string]bool
}

// capableOf reads the capabilities of a container, nil for one that names none.
//
// Source: containerd v2.2 internal/cri/opts WithCapabilities: ALL comes first, then what is dropped.
func capableOf(c map[string]any) capable {
	read := func(field string) []string {
		var out []string
		for _, s := range texts(c, "securityContext", "capabilities", field) {
			out = append(out, strings.TrimPrefix(strings.ToUpper(s), "CAP_"))
		}
		return out
	}
	add, drop := read("add"), read("drop")
	k := capable{map[string]bool{}, map[string]bool{}}
	if !slices.Contains(drop, "ALL") {
		for _, n := range usualCapabilities() {
			k.names[n] = true
		}
	}
	for _, n := range add {
		k.names[n] = true
	}
	if flag(c, "securityContext", "privileged") {
		k.names["ALL"] = true
		return k
	}
	if k.names["ALL"] && slices.Contains(drop, "ALL") {
		delete(k.names, "ALL")
	}
	for _, n := range drop {
		delete(k.names, n)
		k.without[n] = true
	}
	return k
}

func (k capable) has(name string) bool {
	return k.names[name] || k.names["ALL"] && name != "ALL" && !k.without[name]
}

// beyond is what k has and old has not, sorted.
func (k capable) beyond(old capable) []string {
	all := maps.Clone(k.names)
	if all["ALL"] {
		maps.Copy(all, old.without) // what old dropped of ALL
	}
	maps.DeleteFunc(all, func(n string, _ bool) bool { return !k.has(n) || old.has(n) })
	return slices.Sorted(maps.Keys(all))
}

func capabilities(ch *impact.Change, c *container, _ secure) []Risk {
	if flag(c.after, "securityContext", "privileged") {
		return nil // told as that
	}
	gained := capableOf(c.after).beyond(capableOf(c.before))
	if len(gained) == 0 {
		return nil
	}
	k := told(ch, c.field("securityContext", "capabilities"), "%s gains the capabilities %s", partOf(ch, c), shownFew(ch, gained))
	if len(gained) == 1 {
		k = told(ch, c.field("securityContext", "capabilities"), "%s gains the capability %s", partOf(ch, c), show(ch, gained[0]))
	}
	switch {
	case slices.ContainsFunc(gained, func(n string) bool { return slices.Contains(mightyCapabilities(), n) }):
		k.Severity = finding.Error
	case slices.Equal(gained, []string{"NET_BIND_SERVICE"}):
		k.Severity = finding.Note // also the strictest level of Pod Security lets it through
	}
	return []Risk{k}
}

// unconfined compares the profiles of a container: 0 for one, 1 for the node's default, 2 for none.
func unconfined(ch *impact.Change, c *container, s secure) []Risk {
	var out []Risk
	level := func(v any, standard int) int {
		switch v {
		case "RuntimeDefault", "Localhost":
			return 0
		case "Unconfined":
			return 2
		}
		return standard
	}
	was, is := s.context(c, "seccompProfile", "type")
	field := c.field("securityContext", "seccompProfile")
	switch b, a := level(was, 1), level(is, 1); {
	case a <= b || opaque(is):
	case a == 2:
		out = append(out, told(ch, field, "%s runs without a seccomp profile", partOf(ch, c)))
	default:
		out = append(out, told(ch, field, "%s no longer names a seccomp profile: most nodes then run it without one", partOf(ch, c)))
	}
	was, is = s.appArmor(c)
	if level(is, 0) > level(was, 0) && !opaque(is) {
		out = append(out, told(ch, c.field("securityContext", "appArmorProfile"), "%s runs without an AppArmor profile", partOf(ch, c)))
	}
	was, is = s.context(c, "seLinuxOptions", "type")
	if is == "spc_t" && was != is {
		out = append(out, told(ch, c.field("securityContext", "seLinuxOptions", "type"), "%s is not confined by SELinux: its type is spc_t", partOf(ch, c)))
	}
	return out
}

// appArmor is the type of the profile, also as the annotation that was there before the field.
func (s secure) appArmor(c *container) (was, is any) {
	was, is = s.context(c, "appArmorProfile", "type")
	note := func(v any, p pod) any {
		switch a := text(p.meta, "annotations", "container.apparmor.security.beta.kubernetes.io/"+c.name); {
		case v != nil || a == "":
			return v
		case a == "unconfined":
			return "Unconfined"
		}
		return "RuntimeDefault"
	}
	if c.before != nil {
		was = note(was, s.before)
	}
	return was, note(is, s.after)
}
