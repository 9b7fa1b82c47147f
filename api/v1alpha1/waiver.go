package v1alpha1

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Date is a day in UTC, as YYYY-MM-DD. In YAML it needs no quotes.
type Date string

// Time is the beginning of the day, or an error of [time.Parse].
func (d Date) Time() (time.Time, error) { return time.Parse(time.DateOnly, string(d)) }

// Waiver accepts findings until a day: somebody looked at them, and they fail nothing.
type Waiver struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec says what is accepted, why, by whom and how long. Required.
	Spec WaiverSpec `json:"spec"`
	// Place is set by Decode.
	Place Place `json:"-"`
}

// WaiverSpec is what a user says about a waiver.
type WaiverSpec struct {
	// Rules are the IDs of the rules whose findings are accepted, gates as "gate/NAME", and rules of your own as "rule/NAME".
	// There is no pattern for all. Required.
	Rules []string `json:"rules"`
	// Scope narrows the findings down. Unset: all of these rules.
	// +optional
	Scope WaiverScope `json:"scope,omitzero"`
	// Reason why they are accepted, in 20 characters or more. Required.
	// +kubebuilder:validation:MinLength=20
	Reason string `json:"reason"`
	// Approver is who accepts them. Required.
	Approver string `json:"approver"`
	// SecondApprover is somebody else who accepts them, too. A critical finding that may be accepted at all needs one.
	SecondApprover string `json:"secondApprover,omitempty"`
	// Expires is the last day that the waiver holds. Findings that have a level are accepted in the last days of a waiver only: those of level high
	// in the last 30, medium 90, low and info 180; critical ones never, but for NSB-002 in the last 14, with a second approver. Required.
	Expires Date `json:"expires"`
}

// WaiverScope says which findings are meant: those that each of its fields covers. A field
// that is not set covers all, also findings without such a thing.
type WaiverScope struct {
	// Clusters that the finding is about. A finding about several is covered on those.
	// +optional
	Clusters ClusterSelector `json:"clusters,omitzero"`
	// Concerns: "platform", "tenant/NAME" or "cluster", one of which the finding has.
	Concerns []string `json:"concerns,omitempty"`
	// Objects, one of which the finding is about.
	Objects []ObjectPattern `json:"objects,omitempty"`
}

// ClusterSelector says which clusters are meant: those that each of its fields selects. A field
// that is not set selects all.
//
// Source: Kubernetes' LabelSelector, with names added.
type ClusterSelector struct {
	// Names of clusters, one of which it is.
	Names []string `json:"names,omitempty"`
	// MatchLabels are labels that the Cluster document has, with these values.
	MatchLabels map[string]string `json:"matchLabels,omitempty"`
	// MatchExpressions all hold for the labels of the Cluster document.
	MatchExpressions []LabelRequirement `json:"matchExpressions,omitempty"`
}

// IsZero says whether nothing is set, which selects all clusters.
func (s ClusterSelector) IsZero() bool {
	return len(s.Names) == 0 && len(s.MatchLabels) == 0 && len(s.MatchExpressions) == 0
}

// LabelRequirement is one condition on labels.
type LabelRequirement struct {
	// Key of the label. Required.
	Key string `json:"key"`
	// Operator is In, NotIn, Exists or DoesNotExist. Required.
	Operator string `json:"operator"`
	// Values of In and NotIn, at least one; the others have none.
	Values []string `json:"values,omitempty"`
}

// Requirement is l as Kubernetes' own type, which decides. The error is about a field of l.
func (l LabelRequirement) Requirement() (*labels.Requirement, error) {
	return labels.NewRequirement(l.Key, operators()[l.Operator], l.Values)
}

// ObjectPattern is patterns for the parts of an object's name: * for any text, ? for one character,
// [ab] for one of them. A part that is not set covers all; one of the three is required.
//
// Source: path.Match of Go.
type ObjectPattern struct {
	// Kind is "Deployment", without the group.
	Kind string `json:"kind,omitempty"`
	// Namespace covers no object without one.
	Namespace string `json:"namespace,omitempty"`
	// Name of the object.
	Name string `json:"name,omitempty"`
}

// ruleID is words in lower case, or a group and a number; smallID is the latter as nobody calls it.
var (
	ruleID  = regexp.MustCompile(`^([a-z0-9]+(-[a-z0-9]+)*|[A-Z]{3}-[0-9]{3})$`)
	smallID = regexp.MustCompile(`^[a-z]{3}-[0-9]{3}$`)
)

func operators() map[string]selection.Operator {
	return map[string]selection.Operator{
		"In": selection.In, "NotIn": selection.NotIn, "Exists": selection.Exists, "DoesNotExist": selection.DoesNotExist,
	}
}

// leastReason is how many characters a reason has at least: fewer say that somebody typed something.
const leastReason = 20

// checkWaiver checks w.
func (r *reader) checkWaiver(w *Waiver) error {
	if err := r.checkMetadata(&w.ObjectMeta); err != nil {
		return err
	}
	s := &w.Spec
	if err := r.checkRules(s.Rules); err != nil {
		return err
	}
	if err := r.checkScope(&s.Scope); err != nil {
		return err
	}
	for _, f := range []struct{ at, value, hint string }{
		{"spec.reason", s.Reason, "why the findings are accepted, in a line or two"},
		{"spec.approver", s.Approver, "who accepts them, as in platform-team or jane@example.com"},
		{"spec.expires", string(s.Expires), `the last day that the waiver holds, as in "2027-01-31"`},
	} {
		if strings.TrimSpace(f.value) == "" {
			return r.errorAt(f.at, f.at+" is missing", f.hint)
		}
	}
	if n := utf8.RuneCountInString(strings.TrimSpace(s.Reason)); n < leastReason {
		return r.errorAt("spec.reason", fmt.Sprintf("spec.reason has %d characters, and at least %d say why", n, leastReason),
			"say what makes the findings acceptable until then; a word, or the number of a ticket, does not")
	}
	for _, f := range []struct{ at, value string }{{"spec.approver", s.Approver}, {"spec.secondApprover", s.SecondApprover}} {
		if strings.ContainsFunc(f.value, control) {
			return r.errorAt(f.at, f.at+" is not one line", "")
		}
	}
	if _, written := r.lines["spec.secondApprover"]; written && strings.TrimSpace(s.SecondApprover) == "" {
		return r.errorAt("spec.secondApprover", "spec.secondApprover is empty", "leave it out, or name somebody")
	}
	if strings.EqualFold(strings.TrimSpace(s.SecondApprover), strings.TrimSpace(s.Approver)) {
		return r.errorAt("spec.secondApprover", "spec.secondApprover is spec.approver", "two people accept it, or one does")
	}
	if _, err := s.Expires.Time(); err != nil {
		return r.errorAt("spec.expires", fmt.Sprintf("spec.expires: %q is no date", clip(string(s.Expires))), `YYYY-MM-DD, as in "2027-01-31"`)
	}
	return nil
}

// checkRules wants IDs of rules or gates.
func (r *reader) checkRules(rules []string) error {
	if len(rules) == 0 {
		return r.errorAt("spec.rules", "spec.rules is missing", "the rules whose findings are accepted, as in [pvc-deleted, gate/prod-alone]")
	}
	for i, id := range rules {
		at := fmt.Sprintf("spec.rules[%d]", i)
		gate, isGate := strings.CutPrefix(id, "gate/")
		own, isOwn := strings.CutPrefix(id, RulePrefix)
		switch {
		case strings.ContainsAny(id, "*?["):
			return r.errorAt(at, fmt.Sprintf("%s: %q is a pattern", at, clip(id)), "list the rules one by one: what is not foreseen is not waived")
		case smallID.MatchString(id):
			return r.errorAt(at, fmt.Sprintf("%s: %q names no rule", at, clip(id)), "in capitals: "+strings.ToUpper(id))
		case isGate && len(validation.IsDNS1123Label(gate)) == 0, isOwn && len(validation.IsDNS1123Label(own)) == 0, ruleID.MatchString(id):
		default:
			return r.errorAt(at, fmt.Sprintf("%s: %q names no rule", at, clip(id)), "the ID of a rule, as in pvc-deleted or QUO-001, gate/NAME or rule/NAME")
		}
		if slices.Contains(rules[:i], id) {
			return r.errorAt(at, fmt.Sprintf("%s: %s occurs twice", at, clip(id)), "remove one of the two")
		}
	}
	return nil
}

// checkScope checks the three parts of a scope.
func (r *reader) checkScope(s *WaiverScope) error {
	if err := r.checkSelector(s.Clusters); err != nil {
		return err
	}
	for _, f := range []struct {
		at  string
		set int
	}{{"spec.scope.concerns", len(s.Concerns)}, {"spec.scope.objects", len(s.Objects)}} {
		if _, written := r.lines[f.at]; written && f.set == 0 {
			return r.errorAt(f.at, f.at+" is empty", "leave it out to cover all")
		}
	}
	for i, c := range s.Concerns {
		if err := r.checkConcern(c, fmt.Sprintf("spec.scope.concerns[%d]", i)); err != nil {
			return err
		}
	}
	for i, o := range s.Objects {
		at := fmt.Sprintf("spec.scope.objects[%d]", i)
		if o == (ObjectPattern{}) {
			return r.errorAt(at, at+" names nothing", "kind, namespace or name")
		}
		for _, f := range []struct{ at, value string }{{at + ".kind", o.Kind}, {at + ".namespace", o.Namespace}, {at + ".name", o.Name}} {
			if _, err := path.Match(f.value, ""); err != nil {
				return r.errorAt(f.at, fmt.Sprintf("%s: %q is no pattern", f.at, clip(f.value)), "close each [")
			}
		}
	}
	return nil
}

// checkSelector wants names, and labels that Kubernetes takes. What is written and empty
// would select nothing for one reader and all for another.
func (r *reader) checkSelector(s ClusterSelector) error {
	const at = "spec.scope.clusters"
	if _, written := r.lines[at]; written && s.IsZero() {
		return r.errorAt(at, at+" selects nothing", "leave it out for all clusters")
	}
	for i, name := range s.Names {
		if strings.TrimSpace(name) == "" || strings.ContainsFunc(name, control) {
			return r.errorAt(fmt.Sprintf("%s.names[%d]", at, i), fmt.Sprintf("%s.names[%d]: %q is no name of a cluster", at, i, clip(name)), "")
		}
	}
	if err := r.checkLabels(s.MatchLabels, at+".matchLabels"); err != nil {
		return err
	}
	for i, l := range s.MatchExpressions {
		place := fmt.Sprintf("%s.matchExpressions[%d]", at, i)
		if _, known := operators()[l.Operator]; !known {
			return r.errorAt(place+".operator", fmt.Sprintf("%s.operator: unknown operator %q", place, clip(l.Operator)),
				DidYouMean(l.Operator, []string{"DoesNotExist", "Exists", "In", "NotIn"}))
		}
		if _, err := l.Requirement(); err != nil {
			return r.errorAt(place, place+": no condition on labels", clip(err.Error()))
		}
	}
	return nil
}
