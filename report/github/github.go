// Package github writes findings as annotations of a GitHub Actions run.
//
// It turns findings into workflow commands, one a line. Its invariant: whatever a finding says, each line
// is one command of ours. Start at [Write].
//
// Source: the workflow commands of actions/toolkit (packages/core/src/command.ts) and of the runner
// (ActionCommand.TryParseV2).
package github

import (
	"cmp"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/finding"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

const (
	// Most annotations of one level that GitHub shows of a step.
	Most = 10
	// longest text of an annotation, in characters.
	longest = 2000
)

// Write writes a command for each open finding, errors first, then in the order of [finding.Compare]; waived
// ones are left out. Of a level with more than [Most], the last command says how many more there are.
// The error is w's.
func Write(w io.Writer, findings []finding.Finding) error {
	open := slices.DeleteFunc(slices.Clone(findings), func(f finding.Finding) bool { return !f.Open() })
	slices.SortStableFunc(open, func(a, b finding.Finding) int { return finding.Compare(&a, &b) })
	var b strings.Builder
	for _, level := range []string{"error", "warning", "notice"} {
		of := slices.DeleteFunc(slices.Clone(open), func(f finding.Finding) bool { return levelOf(f.Severity) != level })
		shown := of
		if len(of) > Most {
			shown = of[:Most-1]
		}
		for i := range shown {
			f := &shown[i]
			line := ""
			if f.File != "" && f.Line > 0 {
				line = strconv.Itoa(f.Line)
			}
			command(&b, level, messageOf(f), [][2]string{{"file", f.File}, {"line", line}, {"title", f.Rule}})
		}
		if more := len(of) - len(shown); more > 0 {
			command(&b, level, phrase.Count(more, "more "+level)+": see the report", [][2]string{{"title", "bulkhead"}})
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// levelOf a severity; what is none of them wants a look.
func levelOf(s finding.Severity) string {
	switch s {
	case finding.Error:
		return "error"
	case finding.Note:
		return "notice"
	default:
		return "warning"
	}
}

// messageOf is the message, with the clusters and the hint in lines of their own.
func messageOf(f *finding.Finding) string {
	lines := []string{plain(cmp.Or(f.Message, f.Rule))}
	if len(f.Clusters) > 0 {
		lines = append(lines, "Clusters: "+plain(phrase.List(f.Clusters, 10)))
	}
	if f.Hint != "" {
		lines = append(lines, "Hint: "+plain(f.Hint))
	}
	return strings.Join(lines, "\n")
}

// plain is text in one line, without control characters, clipped.
func plain(text string) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 || c == '\u2028' || c == '\u2029' {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "\uFFFD"))
	return phrase.Clip(text, longest)
}

// command writes "::NAME key=value,key=value::MESSAGE" without the empty values.
func command(b *strings.Builder, name, message string, properties [][2]string) {
	b.WriteString("::" + name)
	separator := " "
	for _, p := range properties {
		if value := property(plain(p[1])); value != "" {
			b.WriteString(separator + p[0] + "=" + value)
			separator = ","
		}
	}
	b.WriteString("::" + data(message) + "\n")
}

// data escapes a message.
func data(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A").Replace(s)
}

// property escapes the value of a property.
func property(s string) string {
	return strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C").Replace(s)
}
