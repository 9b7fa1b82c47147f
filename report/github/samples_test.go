package github_test

import (
	"strings"
	"testing"

	"github.com/bulkhead-dev/bulkhead/report/github"
	"github.com/bulkhead-dev/bulkhead/report/reporttest"
)

// TestSamples: every review makes at most ten commands of a level, and nothing else.
func TestSamples(t *testing.T) {
	for _, name := range reporttest.Names() {
		t.Run(name, func(t *testing.T) {
			count := map[string]int{}
			for line := range strings.Lines(write(t, reporttest.Sample(name).Findings)) {
				level, _, message, ok := parse(strings.TrimSuffix(line, "\n"))
				if count[level]++; !ok || message == "" || count[level] > github.Most {
					t.Errorf("%d %q", count[level], line)
				}
			}
			for level := range count {
				if level != "error" && level != "warning" && level != "notice" {
					t.Errorf("command %q", level)
				}
			}
		})
	}
}
