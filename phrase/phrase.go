// Package phrase puts numbers and names into words.
//
// It turns values into parts of a sentence, the same for every format. It escapes nothing: who
// writes for a terminal or a page does.
package phrase

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Count is a number with its noun: "1 cluster", "2 clusters", "3 patches", "2 entries".
func Count(n int, noun string) string {
	switch {
	case n == 1:
		return "1 " + noun
	case strings.HasSuffix(noun, "ch") || strings.HasSuffix(noun, "s"):
		noun += "es"
	case strings.HasSuffix(noun, "y") && !strings.HasSuffix(noun, "ay"):
		noun = strings.TrimSuffix(noun, "y") + "ies"
	default:
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// List names what is in list, most of them at the most: "a, b, c and 5 more". One more than most
// is named rather than counted.
func List(list []string, most int) string {
	if len(list) > most+1 {
		return strings.Join(list[:most], ", ") + fmt.Sprintf(" and %d more", len(list)-most)
	}
	return strings.Join(list, ", ")
}

// Where says on which of a fleet's clusters: "on prod", "on 2 clusters: a, b", "on all 4 clusters".
func Where(clusters []string, all int) string {
	switch {
	case len(clusters) == 1:
		return "on " + clusters[0]
	case len(clusters) == all && all > 3:
		return fmt.Sprintf("on all %d clusters", all)
	}
	return fmt.Sprintf("on %d clusters: %s", len(clusters), List(clusters, 6))
}

// Clip cuts text to most characters, the last of them "…".
func Clip(text string, most int) string {
	if utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most-1]) + "…"
}

// Verb is the form of a verb that fits n: "changes" for one, "change" for others.
func Verb(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// Revision is a revision of Flux ("main@sha1:HASH", "sha1:HASH") as people read it, with a short hash: "main
// (0123456789)", "commit 0123456789". Anything else stays as it is.
//
// Source: fluxcd/pkg/git v0.49, the RFC-0005 form of revisions.
func Revision(revision string) string {
	ref, hash, ok := strings.Cut(revision, "@sha1:")
	if rest, bare := strings.CutPrefix(revision, "sha1:"); bare {
		return "commit " + rest[:min(10, len(rest))]
	}
	if !ok {
		return revision
	}
	return ref + " (" + hash[:min(10, len(hash))] + ")"
}
