// Package finding says what is wrong, or risky, in one form for every output.
//
// It has no verb: rules of other packages make findings, formats write them. Its invariant:
// a Finding holds nothing secret, so that every format may print all of it.
package finding

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/object"
)

// Severity says how bad a finding is. The zero value is no severity at all.
type Severity string

// The severities, worst first.
const (
	Error   Severity = "error"   // something is lost, or opened, or will fail
	Warning Severity = "warning" // it wants a look by somebody who knows
	Note    Severity = "note"    // worth knowing
)

// Severities lists the severities, worst first.
func Severities() []Severity { return []Severity{Error, Warning, Note} }

// Rank orders severities, worst first: 0 for [Error]; what is none of them comes last.
func (s Severity) Rank() int {
	if i := slices.Index(Severities(), s); i >= 0 {
		return i
	}
	return len(Severities())
}

// Worst is the worse of the two.
func Worst(a, b Severity) Severity {
	if b.Rank() < a.Rank() {
		return b
	}
	return a
}

// Level says how bad a finding of isolation is, in finer steps than [Severity].
type Level string

// The levels, worst first.
const (
	Critical Level = "critical" // a cluster, the fleet or all of another tenant is taken over
	High     Level = "high"     // another tenant's things are read, changed or denied, or a guard is lost in silence
	Medium   Level = "medium"   // a defence is weakened, or more is hit than need be
	Low      Level = "low"      // it wants tidying
	Info     Level = "info"     // worth knowing
)

// Levels lists the levels, worst first.
func Levels() []Level { return []Level{Critical, High, Medium, Low, Info} }

// Rank orders levels, worst first: 0 for [Critical]; what is none of them comes last.
func (l Level) Rank() int {
	if i := slices.Index(Levels(), l); i >= 0 {
		return i
	}
	return len(Levels())
}

// Severity of findings of that level.
func (l Level) Severity() Severity {
	switch l {
	case Critical, High:
		return Error
	case Medium:
		return Warning
	case Low, Info:
	}
	return Note
}

// Rule is an entry of a catalogue: what findings of one ID have in common.
type Rule struct {
	// ID is lower case words with dashes, such as "pvc-deleted", or a group and a number, such as "IMP-001". It never changes its meaning.
	ID string `json:"id"`
	// Severity of its findings, unless one says otherwise.
	Severity Severity `json:"severity"`
	// Title is a few words: "A PersistentVolumeClaim is deleted".
	Title string `json:"title"`
	// Why says in a sentence or two what happens on the cluster.
	Why string `json:"why"`
	// Hint is the cure, in the imperative.
	Hint string `json:"hint"`
	// Level of its findings, unless one says otherwise; empty for rules that have none.
	Level Level `json:"level,omitempty" jsonschema:"enum=critical,enum=high,enum=medium,enum=low,enum=info"`
}

// Step is one step of a derivation: a fact, and where it is said.
type Step struct {
	// Message is one line without a full stop.
	Message string `json:"message"`
	// Object that says so, if any.
	Object *object.ID `json:"object,omitempty"`
	// File as a slash path from the root of the repository, and line, from 1; zero when not known.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
}

// Finding is one thing to look at.
type Finding struct {
	// Rule is the ID of a [Rule].
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity" jsonschema:"enum=error,enum=warning,enum=note"`
	// Message is one line that stands for itself: what happens to what. No full stop.
	Message string `json:"message"`
	// Hint is one line: what to do about it; empty when there is nothing to say.
	Hint string `json:"hint,omitempty"`
	// Clusters that it is about, sorted; empty for the fleet as a whole.
	Clusters []string `json:"clusters"`
	// Concern is whose object it is: "platform", "tenant/NAME" or "cluster"; empty for none.
	Concern string `json:"concern,omitempty"`
	// Object that it is about, if any.
	Object *object.ID `json:"object,omitempty"`
	// Field of the object, as [object.Path] writes it; empty for the whole.
	Field string `json:"field,omitempty"`
	// File to look at, as a slash path from the root of the repository, and line, from 1; zero
	// when not known.
	File string `json:"file,omitempty"`
	Line int    `json:"line,omitempty"`
	// Level is finer than Severity; empty for findings of rules without one.
	Level Level `json:"level,omitempty" jsonschema:"enum=critical,enum=high,enum=medium,enum=low,enum=info"`
	// Steps are the evidence: what follows from what, in order. The last one is what is found.
	Steps []Step `json:"steps,omitempty"`
	// Waived is the waiver that covers it; nil for none. A waived finding fails nothing.
	Waived *Waived `json:"waived,omitempty"`
	// Pending is a waiver that would cover it and comes with the change under review; nil for none. The finding is open all the same.
	Pending *Waived `json:"pending,omitempty"`
}

// Waived says why a finding is accepted.
type Waived struct {
	// Name of the waiver, and the file that holds it.
	Name   string `json:"name"`
	File   string `json:"file"`
	Reason string `json:"reason"`
	// Approver is who accepted it; two of them as "ada and jo".
	Approver string `json:"approver"`
	// Expires is the last day that it holds, as YYYY-MM-DD.
	Expires string `json:"expires"`
}

// Open reports whether the finding still stands: nobody waived it.
func (f *Finding) Open() bool { return f.Waived == nil }

// Fingerprint is the same for the same finding in every run, and for nothing else: 32 hexadecimal
// digits over rule, clusters, object, field, the concern when it has a level and, for a finding without object, file and message.
func (f *Finding) Fingerprint() string {
	parts := []string{f.Rule, strings.Join(f.Clusters, ","), f.Field}
	if f.Object != nil {
		parts = append(parts, f.Object.String())
	} else {
		parts = append(parts, f.File, f.Message)
	}
	if f.Level != "" { // one object may be in the way of several tenants
		parts = append(parts, f.Concern)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))
	return hex.EncodeToString(sum[:16])
}

// Compare orders findings: open ones first, then the worst, then by rule, object, clusters, field, message and concern.
func Compare(a, b *Finding) int {
	waived := func(f *Finding) int {
		if f.Open() {
			return 0
		}
		return 1
	}
	id := func(f *Finding) object.ID {
		if f.Object == nil {
			return object.ID{}
		}
		return *f.Object
	}
	return cmp.Or(
		cmp.Compare(waived(a), waived(b)), cmp.Compare(a.Severity.Rank(), b.Severity.Rank()), cmp.Compare(a.Level.Rank(), b.Level.Rank()), cmp.Compare(a.Rule, b.Rule),
		id(a).Compare(id(b)), slices.Compare(a.Clusters, b.Clusters), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message),
		cmp.Compare(a.Concern, b.Concern),
	)
}
