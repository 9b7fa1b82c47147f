// Package markdown writes a review as a comment on a pull request.
//
// It turns a [review.Review] into Markdown that GitHub and GitLab read alike. Its invariant: the
// comment is within its limit, says what it leaves out, and no text of the review is more than text:
// no markup, no HTML, no link, no mention, no image. Start at [Write].
package markdown

import (
	"fmt"
	"io"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/impact/review"
)

// Options of a comment.
type Options struct {
	// Limit is the most bytes of the comment; 0 stands for 60,000, and 500 are the least. GitHub takes 65,536
	// characters, of which none has less than one byte.
	Limit int
	// Marker tells the comments of one pull request apart, such as a job's name; "" for only one. Of it,
	// letters, digits, ".", "_", "/" and "-" are kept, 60 at most.
	Marker string
}

const (
	defaultLimit = 60_000
	leastLimit   = 500
	mostMarker   = 60
)

// Head is the line that a comment with that marker begins with, by which it is found again to be updated.
func Head(marker string) string {
	kept := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '/':
			return r
		case r == '-':
			return r
		default:
			return -1
		}
	}, marker)
	for strings.Contains(kept, "--") { // two dashes may end a comment
		kept = strings.ReplaceAll(kept, "--", "-")
	}
	kept = strings.Trim(kept[:min(len(kept), mostMarker)], "-")
	if kept == "" {
		return "<!-- bulkhead:impact -->"
	}
	return "<!-- bulkhead:impact " + kept + " -->"
}

// Write writes r as a comment. The error is that of w, or says that the limit is too low.
func Write(w io.Writer, r *review.Review, o Options) error {
	if o.Limit == 0 {
		o.Limit = defaultLimit
	}
	if o.Limit < leastLimit {
		return fmt.Errorf("write markdown: a limit of %d bytes is below %d", o.Limit, leastLimit)
	}
	c := &comment{Review: r, environment: map[string]string{}}
	if r.Details == nil {
		c.Review = &review.Review{}
		*c.Review = *r
		c.Details, c.stat = &review.Details{}, true
	}
	for i := range r.Clusters {
		c.environment[r.Clusters[i].Name] = r.Clusters[i].Environment
	}
	sections := []section{c.title(o.Marker), c.headlines(), c.gates(), c.matrix(), c.risks()}
	note := len(sections)
	sections = append(sections, c.changes(), c.wide())
	sections = append(sections, c.rest()...)
	sections = append(sections, c.coverage())
	if _, err := io.WriteString(w, fold(sections, note, o.Limit)); err != nil {
		return fmt.Errorf("write markdown: %w", err)
	}
	return nil
}

// comment is a review, being written.
type comment struct {
	*review.Review
	environment map[string]string // of each cluster
	stat        bool              // the review stops after the matrix
}

// The ranks, what gets room first first.
const (
	rankTitle = iota
	rankHeadline
	rankGate
	rankMatrix
	rankRisk
	rankCoverage
	rankBlind  // what nothing is known about, and new failures
	rankFirst  // the worst changes
	rankDiff   // and their differences
	rankList   // the other lists
	rankWide   // the matrix in full
	rankOthers // the other changes, by a line
	rankMore   // and in full
	rankOtherDiff
	rankLongDiff
)

// sign stands for a severity; "" for none.
func sign(s finding.Severity) string {
	switch s {
	case finding.Error:
		return "🛑"
	case finding.Warning:
		return "⚠️"
	case finding.Note:
		return "ℹ️"
	}
	return ""
}

// signed is text with the sign of a severity before it, if it has one.
func signed(s finding.Severity, text string) string {
	if sign(s) == "" {
		return text
	}
	return sign(s) + " " + text
}

// stateSign stands for a state.
func stateSign(s review.State) string {
	switch s {
	case review.Passed:
		return "✅"
	case review.Warned:
		return "⚠️"
	case review.Failed:
		return "❌"
	case review.Waived:
		return "☑️"
	case review.Broken:
		return "💥"
	}
	return "❔"
}
