package v1alpha1

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// DefaultEnvironmentLabel is the label that names a cluster's environment, unless the fleet says otherwise.
const DefaultEnvironmentLabel = "env"

// MaxExpr is the longest expression of a gate, in bytes.
const MaxExpr = 4096

// Gate is a rule that a change must pass, or how one of [BuiltInGates] is meant.
type Gate struct {
	// Name is a DNS-1123 label, once in a fleet. Required.
	Name string `json:"name"`
	// Expr is a CEL expression over "impact" that is true for a change that passes, at most
	// [MaxExpr] bytes. Required, but for a built-in gate: there it takes the place of what is built in.
	Expr string `json:"expr,omitempty"`
	// Message says what is wrong with a change that does not pass, in one line. Unset: the
	// expression; of a built-in gate its own words.
	Message string `json:"message,omitempty"`
	// Severity of a change that does not pass. Unset: error; of a built-in gate its own.
	Severity Severity `json:"severity,omitempty"`
	// Disabled switches the gate off.
	Disabled bool `json:"disabled,omitempty"`
	// With are the limits of the gate "budget", which is off without one; no other gate has any.
	// +optional
	With Limits `json:"with,omitzero"`
	// Place is set by Decode.
	Place Place `json:"-"`
}

// Limits are the most that a change may touch; zero is no limit.
type Limits struct {
	// Clusters that change.
	Clusters int `json:"clusters,omitempty"`
	// Objects that change, each counted on each of its clusters.
	Objects int `json:"objects,omitempty"`
}

// Severity of a gate.
type Severity string

// The severities; the empty Severity is "not said".
const (
	SeverityError   Severity = "error"
	SeverityWarning Severity = "warning"
	SeverityNote    Severity = "note" // it is told and fails nothing
)

// GateBudget is the built-in gate with limits.
const GateBudget = "budget"

// BuiltInGates are the names of the gates that need no expression, sorted.
func BuiltInGates() []string {
	return []string{"applies", GateBudget, "data-deletion", "prod-alone", "tenant-boundary", "unresolved"}
}

// checkGates checks the gates and notes their places.
func (r *reader) checkGates(gates []Gate) error {
	seen := map[string]int{}
	for i := range gates {
		g, at := &gates[i], fmt.Sprintf("spec.gates[%d]", i)
		g.Place = Place{File: r.file, Line: r.lines[at]}
		if err := r.checkGate(g, at); err != nil {
			return err
		}
		if first, twice := seen[g.Name]; twice {
			return r.errorAt(at+".name", fmt.Sprintf("%s.name: %s occurs twice, here and on line %d", at, g.Name, first),
				"remove or rename one of the two")
		}
		seen[g.Name] = r.lines[at+".name"]
	}
	return nil
}

// checkGate wants a name, and what belongs to a gate of this name.
func (r *reader) checkGate(g *Gate, at string) error {
	builtIn := slices.Contains(BuiltInGates(), g.Name)
	if strings.TrimSpace(g.Expr) == "" {
		g.Expr = ""
	}
	severities := []string{string(SeverityError), string(SeverityWarning), string(SeverityNote)}
	switch {
	case g.Name == "":
		return r.errorAt(at, at+".name is missing", "")
	case len(validation.IsDNS1123Label(g.Name)) > 0:
		return r.errorAt(at+".name", fmt.Sprintf("%s.name: %q is no DNS label", at, clip(g.Name)),
			"lower case letters, digits and '-', at most 63, with a letter or digit at both ends")
	case !builtIn && g.Expr == "":
		return r.errorAt(at+".name", fmt.Sprintf("%s: %s has no expr and is no built-in gate", at, g.Name),
			DidYouMean(g.Name, BuiltInGates()))
	case len(g.Expr) > MaxExpr:
		return r.errorAt(at+".expr", fmt.Sprintf("%s.expr has %d bytes, more than the %d an expression may have", at, len(g.Expr), MaxExpr),
			"split it into several gates")
	case strings.ContainsFunc(g.Message, control):
		return r.errorAt(at+".message", at+".message is not one line", "put the rest into a comment")
	case g.Severity != "" && !slices.Contains(severities, string(g.Severity)):
		return r.errorAt(at+".severity", fmt.Sprintf("%s.severity: unknown severity %s", at, clip(string(g.Severity))),
			DidYouMean(string(g.Severity), severities))
	}
	return r.checkLimits(g, at+".with")
}

// checkLimits wants limits from 1 for the budget and none for others.
func (r *reader) checkLimits(g *Gate, at string) error {
	if _, written := r.lines[at]; g.Name != GateBudget || g.Expr != "" {
		if written {
			return r.errorAt(at, fmt.Sprintf("%s: %s has no limits", at, g.Name), "only the built-in gate "+GateBudget+" has some")
		}
		return nil
	}
	for _, l := range []struct {
		at    string
		value int
	}{{at + ".clusters", g.With.Clusters}, {at + ".objects", g.With.Objects}} {
		if _, written := r.lines[l.at]; l.value < 0 || written && l.value == 0 {
			return r.errorAt(l.at, l.at+": want a number from 1", "leave it out for no limit")
		}
	}
	if g.With == (Limits{}) && !g.Disabled {
		return r.errorAt(at, at+": "+GateBudget+" has no limit", "as in with: {clusters: 5, objects: 200}")
	}
	return nil
}

// checkConcerns checks patterns and concerns in the order of the patterns.
func (r *reader) checkConcerns(concerns map[string]string) error {
	for _, p := range slices.Sorted(maps.Keys(concerns)) {
		at := join("spec.concerns", p)
		why, hint := "", ""
		switch {
		case p == "":
			why, hint = "is empty", "** is all files"
		case strings.ContainsFunc(p, func(c rune) bool { return c == '\\' || control(c) }):
			why, hint = "holds a backslash or a control character", "separate folders by /"
		case path.IsAbs(p):
			why, hint = "is absolute", "write it relative to the root of the repository"
		case strings.ContainsAny(p, "[]{}"):
			why, hint = "holds a bracket, which is no wildcard here", "write a pattern for each; the wildcards are *, ? and **"
		case slices.ContainsFunc(strings.Split(strings.TrimSuffix(p, "/"), "/"), func(s string) bool { return s == "" || s == "." || s == ".." }):
			why, hint = "holds an empty, . or .. folder", "write it as Git lists files, as in teams/billing/**"
		}
		if why != "" {
			return r.errorAt(at, fmt.Sprintf("spec.concerns: %q %s", clip(p), why), hint)
		}
		if err := r.checkConcern(concerns[p], at); err != nil {
			return err
		}
	}
	return nil
}

// checkConcern wants one of the three forms.
func (r *reader) checkConcern(c, at string) error {
	name, tenant := strings.CutPrefix(c, "tenant/")
	if c == "platform" || c == "cluster" || tenant && len(validation.IsDNS1123Label(name)) == 0 {
		return nil
	}
	return r.errorAt(at, fmt.Sprintf("%s: %q is no concern", clip(at), clip(c)), "platform, tenant/NAME or cluster")
}

// control says whether c ends a line or is no text at all.
func control(c rune) bool { return c < ' ' || c == 0x7f }
