package ci

import (
	"bytes"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"
)

// manifest is an action.yml, as far as it matters here.
type manifest struct {
	Inputs map[string]struct {
		Description string  `json:"description"`
		Default     *string `json:"default"`
	} `json:"inputs"`
	Outputs map[string]struct {
		Description string `json:"description"`
		Value       string `json:"value"`
	} `json:"outputs"`
	Runs struct {
		Using string `json:"using"`
		Steps []struct {
			ID, Name, Shell, Run, Uses, If string
			Env, With                      map[string]string
		} `json:"steps"`
	} `json:"runs"`
}

var (
	expression = regexp.MustCompile(`\$\{\{(.*?)\}\}`)
	inputName  = regexp.MustCompile(`inputs\.([a-z-]+)`)
	outputName = regexp.MustCompile(`steps\.impact\.outputs\.([a-z-]+)`)
)

// names are what a pattern finds in the expressions of a text.
func names(p *regexp.Regexp, text string) (out []string) {
	for _, e := range expression.FindAllStringSubmatch(text, -1) {
		for _, m := range p.FindAllStringSubmatch(e[1], -1) {
			out = append(out, m[1])
		}
	}
	return out
}

// TestActionManifest holds action.yml and impact.sh together.
func TestActionManifest(t *testing.T) {
	t.Parallel()
	text := read(t, filepath.Join(root, "deploy/github-action/action.yml"))
	script := read(t, filepath.Join(root, "deploy/github-action/impact.sh"))
	var m manifest
	if err := yaml.UnmarshalStrict([]byte(text), &struct {
		*manifest
		Name, Description, Author string
		Branding                  map[string]string
	}{manifest: &m}); err != nil {
		t.Fatal(err)
	}
	if m.Runs.Using != "composite" || len(m.Runs.Steps) == 0 {
		t.Fatalf("it is no composite action: %+v", m.Runs)
	}
	for _, name := range names(inputName, text) {
		if _, ok := m.Inputs[name]; !ok {
			t.Errorf("the input %s is used and not declared", name)
		}
	}
	for name, in := range m.Inputs {
		if in.Description == "" || in.Default == nil {
			t.Errorf("the input %s has no description or no default", name)
		}
		if !slices.Contains(names(inputName, text), name) {
			t.Errorf("the input %s is declared and not used", name)
		}
	}
	given := map[string]bool{}
	for _, s := range m.Runs.Steps {
		switch {
		case s.Run != "" && s.Shell == "":
			t.Errorf("the step %s runs and names no shell", s.Name)
		case strings.Contains(s.Run, "${{"):
			t.Errorf("the step %s has an expression in its script", s.Name)
		case s.Run == "" && !strings.Contains(s.If, "!cancelled()"):
			t.Errorf("the step %s is left out when a gate fails", s.Name)
		}
		for k, v := range s.Env {
			given[k] = true
			if m := names(inputName, v); len(m) != 1 || k != "INPUT_"+strings.ToUpper(strings.ReplaceAll(m[0], "-", "_")) {
				t.Errorf("the variable %s has the value %s", k, v)
			}
		}
	}
	for _, use := range regexp.MustCompile(`\bINPUT_[A-Z_]+`).FindAllString(script, -1) {
		if !given[use] {
			t.Errorf("the script reads %s, which no step gives", use)
		}
		delete(m.Inputs, strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(use, "INPUT_"), "_", "-")))
	}
	for name := range m.Inputs {
		if name != "sarif" && name != "html-artifact" { // of the other steps
			t.Errorf("the script does not read the input %s", name)
		}
	}
	for name, out := range m.Outputs {
		if got := names(outputName, out.Value); len(got) != 1 || got[0] != name || out.Description == "" {
			t.Errorf("the output %s is %q", name, out.Value)
		}
		if !strings.Contains(script, "set_output "+name+" ") && !strings.Contains(script, " "+name+"=") {
			t.Errorf("the script does not set the output %s", name)
		}
	}
}

// template are the two documents of the GitLab template.
func template(t *testing.T) (spec, jobs map[string]any) {
	t.Helper()
	d := yaml.NewYAMLToJSONDecoder(bytes.NewReader([]byte(read(t, filepath.Join(root, "deploy/gitlab/bulkhead.gitlab-ci.yml")))))
	for _, v := range []*map[string]any{&spec, &jobs} {
		if err := d.Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Decode(&map[string]any{}); err != io.EOF { //nolint:errorlint // the decoder returns it as it is
		t.Fatalf("the template has more than two documents: %v", err)
	}
	return spec, jobs
}

// TestTemplateManifest holds bulkhead.gitlab-ci.yml and impact.sh together.
func TestTemplateManifest(t *testing.T) {
	t.Parallel()
	spec, jobs := template(t)
	inputs := spec["spec"].(map[string]any)["inputs"].(map[string]any)
	text := read(t, filepath.Join(root, "deploy/gitlab/bulkhead.gitlab-ci.yml"))
	used := map[string]bool{}
	for _, m := range regexp.MustCompile(`\$\[\[ inputs\.([a-z-]+) \]\]`).FindAllStringSubmatch(text, -1) {
		used[m[1]] = true
		if _, ok := inputs[m[1]]; !ok {
			t.Errorf("the input %s is used and not declared", m[1])
		}
	}
	for name, in := range inputs {
		in := in.(map[string]any)
		if _, ok := in["default"].(string); !ok || in["description"] == nil || !used[name] {
			t.Errorf("the input %s is not used, or has no default or description: %v", name, in)
		}
	}
	job := jobs["$[[ inputs.job ]]"].(map[string]any)
	if len(jobs) != 1 {
		t.Errorf("the template brings %d jobs", len(jobs))
	}
	for _, part := range []string{"before_script", "script"} {
		for _, line := range job[part].([]any) {
			if strings.Contains(line.(string), "$[[") {
				t.Errorf("%s has an input in its text: %s", part, line)
			}
		}
	}
	script := read(t, filepath.Join(root, "deploy/gitlab/impact.sh"))
	variables := job["variables"].(map[string]any)
	for name := range variables {
		if strings.HasPrefix(name, "BULKHEAD_") && !strings.Contains(script+text, "$"+name) && !strings.Contains(script, "${"+name+":-") {
			t.Errorf("nothing reads the variable %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`\bBULKHEAD_[A-Z]+`).FindAllString(script, -1) {
		if _, ok := variables[m]; !ok && !strings.Contains(text, m) {
			t.Errorf("the script reads %s, which the template does not tell of", m)
		}
	}
	folder := regexp.MustCompile(`reports="([a-z-]+)"`).FindStringSubmatch(script)[1]
	artifacts := job["artifacts"].(map[string]any)
	if artifacts["reports"].(map[string]any)["junit"] != folder+"/*.xml" || artifacts["paths"].([]any)[0] != folder+"/" || artifacts["when"] != "always" {
		t.Errorf("the artifacts are %v", artifacts)
	}
}
