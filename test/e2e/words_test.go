//go:build e2e && linux

package e2e

import (
	"regexp"
	"strings"
)

// What of our words, in this order, the controller does not say, or says otherwise.
var helmWords = []struct{ ours, theirs string }{
	{`^render \w+: `, ``},
	{`^compose values: `, ``},
	{`^(\w+Repository|HelmChart|Bucket|ExternalArtifact)/\S+/\S+( \S+)?: `, ``}, // the source, and the chart of a repository
	{`fetch \S+: (not found|invalid answer): `, ``},
	{`package chart \S+: `, ``},
	{`read chart archive: `, ``},
	{`unpack \S+: `, ``},
	{`(no chart name found): .*`, `$1`},
	{`the server answers 404`, `404 Not Found`},
	{`can't access '(\w+)/([^/]+/[^']+)', .*`, `cannot access $1 $2`},
	{`the source's revision (\S+) does not match the chart's version (\S+)`, `artifact revision $1 does not match chart version $2`},
	{`values file (\S+) is not in the source`, `(reference '$1')`},
	{`in the following chart\(s\): (\S+): - `, `in the following chart(s): $1: - `},
	{`\{ \}`, `…`}, // an object that is not shown
	{`with config: ….*`, `with config: …`},
	{`^(\S+:\d+): (.*)`, `$1…): $2`},
	{`^(\S+:\d+:\d+): (executing \S+ at <.*>): (.*)`, `$1…$2…$3`},
	{`^(\S+: )?YAML parse error: `, ``},
	{`include (\S+): mount \S+: directory is not empty: file already exists`, `include from …to $1: …file exists`},
	{`not found for name: ("[^"]+") namespace: "[^"]*"`, `not found for name: $1 namespace: …`}, // where the template names none
	{` \(and \d+ more objects\)$`, ``},
	{`: file does not exist`, `: no such file or directory`},
	{`\b(stat|open|read) (\S+): `, `$1 …$2: `},
}

// sameWords says whether an applier fails for the reason that render gives: each part
// of our words, between what differs, is in the controller's, in this order.
func sameWords(ours, theirs string) bool {
	for _, w := range helmWords {
		ours = regexp.MustCompile(w.ours).ReplaceAllString(ours, w.theirs)
	}
	theirs = strings.Join(strings.Fields(theirs), " ")
	for part := range strings.SplitSeq(ours, "…") {
		part = strings.Join(strings.Fields(part), " ")
		_, rest, ok := strings.Cut(theirs, part)
		if !ok {
			return false
		}
		theirs = rest
	}
	return true
}
