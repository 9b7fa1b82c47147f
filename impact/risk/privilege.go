package risk

import (
	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact"
)

// privilegeRules are about what pods may do to the node they run on, and as whom they speak to the
// API server. All compare what a part of a pod may do on both sides: what it could do before is no risk.
func privilegeRules() []rule {
	return append(nodeRules(),
		rule{Rule: finding.Rule{
			ID: "privileged", Severity: finding.Error, Title: "A container becomes privileged",
			Why:  "A privileged container can do on its node what root can: whoever gets into it has the node, and every other pod on it.",
			Hint: "leave privileged out, and give the few capabilities that are needed",
		}, change: eachContainer(privileged)},
		rule{Rule: finding.Rule{
			ID: "privilege-escalation", Severity: finding.Warning, Title: "A process may gain privileges",
			Why:  "Without allowPrivilegeEscalation: false a process may become more than its parent was, by a setuid program for instance.",
			Hint: "keep allowPrivilegeEscalation: false",
		}, change: eachContainer(escalates)},
		rule{Rule: finding.Rule{
			ID: "capability-added", Severity: finding.Warning, Title: "A container gains Linux capabilities",
			Why:  "Capabilities are pieces of root. Some of them, such as SYS_ADMIN, lead to all of it.",
			Hint: "drop ALL, and add only what the program fails without",
		}, change: eachContainer(capabilities)},
		rule{Rule: finding.Rule{
			ID: "run-as-root", Severity: finding.Warning, Title: "A container may run as root",
			Why:  "Root in a container is root on the node wherever a fault of the kernel or of the runtime lets it out.",
			Hint: "set runAsNonRoot: true, and a runAsUser other than 0",
		}, change: eachContainer(runsAsRoot)},
		rule{Rule: finding.Rule{
			ID: "profile-unconfined", Severity: finding.Warning, Title: "A container loses its seccomp, AppArmor or SELinux profile",
			Why:  "The profile keeps a program from system calls and files that it does not need, and that faults of the kernel are reached by.",
			Hint: "set seccompProfile to RuntimeDefault, and leave the other profiles to their default",
		}, change: eachContainer(unconfined)},
		rule{Rule: finding.Rule{
			ID: "root-filesystem-writable", Severity: finding.Note, Title: "A container may write to its root file system",
			Why:  "With a read-only root file system an intruder cannot put programs where they stay.",
			Hint: "keep readOnlyRootFilesystem: true, and mount an emptyDir where the program writes",
		}, change: eachContainer(writable)},
		rule{Rule: finding.Rule{
			ID: "service-account-changed", Severity: finding.Warning, Title: "A workload runs as another service account",
			Why:  "The service account is what the API server knows the pods as: with it go all that its roles grant.",
			Hint: "see that the roles bound to the new account are those that the workload needs",
		}, change: bindings{}.accountChanged},
		rule{Rule: finding.Rule{
			ID: "token-mounted", Severity: finding.Warning, Title: "The token of a service account is mounted",
			Why:  "With the token whoever gets into the container speaks to the API server as the service account.",
			Hint: "keep automountServiceAccountToken: false unless the program calls the API server",
		}, change: tokenMounted},
		rule{Rule: finding.Rule{
			ID: "pod-security-lowered", Severity: finding.Error, Title: "A namespace admits pods that it refused",
			Why: "Pod Security admission refuses pods by the level of their namespace: at a lower one, or without one, more of them are let in. " +
				"The levels for audit and warnings refuse nothing; a lower one hides what would be told.",
			Hint: "keep the level, and move what needs more into a namespace of its own",
		}, change: podSecurity},
	)
}

// eachContainer makes a rule of one about a container that is there after the change.
func eachContainer(judge func(*impact.Change, *container, secure) []Risk) func(*context, *impact.Change) []Risk {
	return func(_ *context, ch *impact.Change) []Risk {
		if ch.After == nil {
			return nil
		}
		before, after := pods(ch)
		var out []Risk
		for _, c := range containers(ch) {
			if c.after != nil {
				out = append(out, judge(ch, c, secure{before, after})...)
			}
		}
		return out
	}
}

// secure is the pods of a container on both sides, whose securityContext counts where the container's
// own says nothing.
type secure struct{ before, after pod }

// context reads a field of securityContext of a container, or else of its pod.
func (s secure) context(c *container, keys ...string) (was, is any) {
	read := func(c map[string]any, p pod) any {
		if v := get(dict(c, "securityContext"), keys...); v != nil {
			return v
		}
		return get(dict(p.spec, "securityContext"), keys...)
	}
	if c.before != nil {
		was = read(c.before, s.before)
	}
	return was, read(c.after, s.after)
}

// partOf names a container for a message: "container app of Deployment shop/web", with what is new said to be.
func partOf(ch *impact.Change, c *container) string {
	word := "container "
	switch c.kind() {
	case "initContainers":
		word = "init container "
	case "ephemeralContainers":
		word = "ephemeral container "
	}
	if c.before == nil {
		word = "new " + word
	}
	return word + show(ch, c.name) + " of " + called(ch)
}

func privileged(ch *impact.Change, c *container, s secure) []Risk {
	is := func(c map[string]any) bool { return flag(c, "securityContext", "privileged") }
	if is(c.after) && !is(c.before) {
		return []Risk{told(ch, c.field("securityContext", "privileged"), "%s is privileged", partOf(ch, c))}
	}
	if was, now := s.context(c, "windowsOptions", "hostProcess"); now == true && was != true {
		return []Risk{told(ch, c.field("securityContext", "windowsOptions", "hostProcess"), "%s runs as a process of its Windows node", partOf(ch, c))}
	}
	if text(c.after, "securityContext", "procMount") == "Unmasked" && text(c.before, "securityContext", "procMount") != "Unmasked" {
		return []Risk{told(ch, c.field("securityContext", "procMount"), "%s sees all of /proc", partOf(ch, c))}
	}
	return nil
}

// escalates: the field is no pod's. Without it the kernel lets a process gain privileges, so that a new
// container is told only when it asks for it.
func escalates(ch *impact.Change, c *container, _ secure) []Risk {
	was, is := get(c.before, "securityContext", "allowPrivilegeEscalation"), get(c.after, "securityContext", "allowPrivilegeEscalation")
	field := c.field("securityContext", "allowPrivilegeEscalation")
	switch {
	case opaque(is), flag(c.after, "securityContext", "privileged"):
	case c.before == nil && is == true:
		return []Risk{told(ch, field, "%s may gain privileges: allowPrivilegeEscalation is on", partOf(ch, c))}
	case was == false && is != false:
		return []Risk{told(ch, field, "%s may gain privileges: allowPrivilegeEscalation is no longer false", partOf(ch, c))}
	}
	return nil
}

func writable(ch *impact.Change, c *container, _ secure) []Risk {
	if !flag(c.before, "securityContext", "readOnlyRootFilesystem") || flag(c.after, "securityContext", "readOnlyRootFilesystem") {
		return nil
	}
	return []Risk{told(ch, c.field("securityContext", "readOnlyRootFilesystem"), "%s may write to its root file system", partOf(ch, c))}
}

// rooted is how near a container is to root: 0 for another user, 1 when the image decides, 2 for root.
func rooted(user, nonRoot any) int {
	n, ok := number(map[string]any{"": user}, "")
	switch {
	case ok && n > 0, nonRoot == true:
		return 0
	case ok:
		return 2
	}
	return 1
}

func runsAsRoot(ch *impact.Change, c *container, s secure) []Risk {
	userWas, user := s.context(c, "runAsUser")
	nonRootWas, nonRoot := s.context(c, "runAsNonRoot")
	was, is := rooted(userWas, nonRootWas), rooted(user, nonRoot)
	if is <= was || opaque(user) || opaque(nonRoot) {
		return nil
	}
	if is == 2 {
		return []Risk{told(ch, c.field("securityContext", "runAsUser"), "%s runs as root", partOf(ch, c))}
	}
	field := "runAsNonRoot"
	if nonRootWas != true {
		field = "runAsUser"
	}
	return []Risk{told(ch, c.field("securityContext", field), "%s runs as root if its image says so: %s is gone", partOf(ch, c), field)}
}
