package ci

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// yamlOf are the YAML blocks of a page.
func yamlOf(t *testing.T, page string) (out []string) {
	t.Helper()
	for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, filepath.Join(root, "docs/how-to", page)), -1) {
		out = append(out, m[1])
	}
	return out
}

// TestGatesAndWaiversAsTold puts the documents of the page into the fleet, each into the file that its first
// line names: the program takes them, and the waiver, which nothing needs, is told of.
func TestGatesAndWaiversAsTold(t *testing.T) {
	t.Parallel()
	dir, files := incident(t), map[string]string{}
	for _, text := range yamlOf(t, "gates-and-waivers.md") {
		name, _, _ := strings.Cut(strings.TrimPrefix(text, "# "), "\n")
		files[name] = text
	}
	if len(files) != 3 {
		t.Fatalf("the page has %d documents", len(files))
	}
	commit(t, dir, files)
	must(t, dir, "git", "cherry-pick", "change")
	j := job{dir: dir, env: basics(t), program: filepath.Join(programs, "bulkhead"), args: []string{"impact", "HEAD~1", "HEAD", "--now=2026-12-01"}}
	code, out := j.run(t)
	if code != 1 {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	contains(t, "output", out, "prod-alone", "waiver-unused")
	lacks(t, "output", out, "waiver-expired")
	j.args[3] = "--now=2027-01-01"
	if _, out = j.run(t); !strings.Contains(out, "waiver-expired") {
		t.Errorf("the waiver does not expire:\n%s", out)
	}
}

// TestReviewPullRequestsAsTold holds the inputs that the page gives against those that there are.
func TestReviewPullRequestsAsTold(t *testing.T) {
	t.Parallel()
	var m manifest
	if err := yaml.Unmarshal([]byte(read(t, filepath.Join(root, "deploy/github-action/action.yml"))), &m); err != nil {
		t.Fatal(err)
	}
	spec, _ := template(t)
	inputs := spec["spec"].(map[string]any)["inputs"].(map[string]any)
	var given int
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			uses, _ := v["uses"].(string)
			with, _ := v["with"].(map[string]any)
			for name := range with {
				if _, ok := m.Inputs[name]; strings.Contains(uses, "deploy/github-action") && !ok {
					t.Errorf("the action has no input %s", name)
				}
				given++
			}
			if in, ok := v["inputs"].(map[string]any); ok {
				for name := range in {
					if _, ok := inputs[name]; !ok {
						t.Errorf("the template has no input %s", name)
					}
					given++
				}
			}
			for _, e := range v {
				walk(e)
			}
		}
	}
	for _, text := range yamlOf(t, "review-pull-requests.md") {
		var v any
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%v in:\n%s", err, text)
		}
		walk(v)
	}
	if given < 8 {
		t.Errorf("the page gives %d inputs", given)
	}
}
