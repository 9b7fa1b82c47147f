package cli

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/bulkhead-dev/bulkhead/api/v1alpha1"
	"github.com/bulkhead-dev/bulkhead/layout/scaffold"
)

// scaffolds are the files of every kind of repository, on every forge.
func scaffolds(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := map[string]map[string]string{}
	for _, ci := range []scaffold.CI{scaffold.GitHub, scaffold.GitLab} {
		for _, layout := range []v1alpha1.Layout{v1alpha1.HubAndSpoke, v1alpha1.Monorepo} {
			for _, flux := range []scaffold.Flux{scaffold.Bootstrap, scaffold.Instance, scaffold.NoFlux} {
				files, err := scaffold.Fleet(scaffold.Options{
					Name: "acme", Layout: layout, URL: "ssh://git@git.example.com/acme/fleet", Owner: "@acme/platform", Flux: flux, CI: ci,
					Clusters: []v1alpha1.Cluster{{ObjectMeta: metav1.ObjectMeta{Name: "prod", Labels: map[string]string{"env": "prod"}}}},
				})
				if err != nil {
					t.Fatal(err)
				}
				out[string(layout)+"/"+string(flux)+"/"+string(ci)] = files
			}
		}
		files, err := scaffold.Spoke(scaffold.SpokeOptions{Name: "billing", Environments: []string{"staging", "prod"}, Owner: "@acme/billing", CI: ci})
		if err != nil {
			t.Fatal(err)
		}
		out["spoke/"+string(ci)] = files
	}
	return out
}

var command = regexp.MustCompile("(?m)(?:^|`|- run: |run: |  - )(bulkhead (?:[^`#\n\\\\]|\\\\\n)+)")

// TestInitCommands parses every command line that the files of a new repository
// show.
func TestInitCommands(t *testing.T) {
	seen := map[string]bool{}
	for name, files := range scaffolds(t) {
		for file, text := range files {
			for _, m := range command.FindAllStringSubmatch(text, -1) {
				args := strings.Fields(m[1])[1:]
				seen[args[0]] = true
				root := newRootCmd(newStreams(&bytes.Buffer{}, &bytes.Buffer{}))
				c, rest, err := root.Find(args)
				if err != nil || c == root {
					t.Errorf("%s: %s: no command %q: %v", name, file, m[1], err)
					continue
				}
				if err := c.ParseFlags(rest); err != nil {
					t.Errorf("%s: %s: %q: %v", name, file, m[1], err)
				}
			}
		}
	}
	for _, want := range []string{"impact", "render", "reach", "init", "cluster", "tenant", "generate"} {
		if !seen[want] {
			t.Errorf("no file shows bulkhead %s", want)
		}
	}
}

// TestInitReviews wants workflows and pipelines to give only inputs that there are.
func TestInitReviews(t *testing.T) {
	inputs := func(file string) []string {
		data, err := os.ReadFile(filepath.Join("../../deploy", file))
		if err != nil {
			t.Fatal(err)
		}
		doc, _, _ := strings.Cut(string(data), "\n---\n")
		var v struct {
			Inputs map[string]any
			Spec   struct{ Inputs map[string]any }
		}
		if err := yaml.Unmarshal([]byte(doc), &v); err != nil {
			t.Fatal(err)
		}
		if v.Inputs == nil {
			v.Inputs = v.Spec.Inputs
		}
		return slices.Sorted(maps.Keys(v.Inputs))
	}
	action, pipeline := inputs("github-action/action.yml"), inputs("gitlab/bulkhead.gitlab-ci.yml")
	for name, files := range scaffolds(t) {
		var v struct {
			Jobs map[string]struct {
				Steps []struct {
					Uses string
					With map[string]any
				}
			}
			Include   []struct{ Inputs map[string]any }
			Variables map[string]string
		}
		known := action
		text, github := files[".github/workflows/impact.yaml"]
		if !github {
			text, known = files[".gitlab-ci.yml"], pipeline
		}
		if err := yaml.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		given := 0
		check := func(with map[string]any) {
			for input := range with {
				if given++; !slices.Contains(known, input) {
					t.Errorf("%s: there is no input %s", name, input)
				}
			}
		}
		for _, i := range v.Include {
			check(i.Inputs)
		}
		for _, step := range v.Jobs["impact"].Steps {
			if strings.HasPrefix(step.Uses, "bulkhead-dev/bulkhead/") {
				check(step.With)
			}
		}
		arguments := v.Variables["BULKHEAD_ARGS"]
		for _, step := range v.Jobs["impact"].Steps {
			if a, ok := step.With["args"].(string); ok {
				arguments = a
			}
		}
		if want := "--cluster=staging=deploy/staging\n--cluster=prod=deploy/prod\n"; strings.HasPrefix(name, "spoke/") && arguments != want {
			t.Errorf("%s gives the arguments %q, want %q", name, arguments, want)
		}
		if given == 0 {
			t.Errorf("%s reviews nothing:\n%s", name, text)
		}
	}
}

// TestInitFlux wants a FluxInstance to install the release that the engines are of.
func TestInitFlux(t *testing.T) {
	text := scaffolds(t)["HubAndSpoke/instance/github"]["clusters/prod/flux-instance.yaml"]
	if !strings.Contains(text, "    version: "+fluxRelease+".x\n") {
		t.Errorf("the instance is of another Flux than %s:\n%s", fluxRelease, text)
	}
}

// TestPlaceWritesAllOrNone lets one of several files fail: what was made before it goes again.
func TestPlaceWritesAllOrNone(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "a", "b")
	p, err := findPlace(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"x/y/1": "1", "x/2": "2", "z\x00": "3"}
	if err := p.write(files); err == nil || !strings.Contains(err.Error(), "write z") {
		t.Fatalf("the file with an impossible name was written: %v", err)
	}
	if left, err := os.ReadDir(base); err != nil || len(left) > 0 {
		t.Errorf("%v is left behind, %v", left, err)
	}
	delete(files, "z\x00")
	if err := p.write(files); err != nil {
		t.Fatal(err)
	}
	if p, err = findPlace(dir); err != nil {
		t.Fatal(err)
	}
	if fresh, err := p.compare(files); err != nil || len(fresh) > 0 {
		t.Errorf("%v is said to be missing, %v", fresh, err)
	}
}

func TestCloneURL(t *testing.T) {
	for remote, want := range map[string]string{
		"git@github.com:acme/fleet.git":       "ssh://git@github.com/acme/fleet.git",
		"ssh://git@github.com/acme/fleet":     "ssh://git@github.com/acme/fleet",
		"ssh://git:pw@github.com:22/acme/f":   "ssh://git@github.com:22/acme/f",
		"https://token@github.com/acme/fleet": "https://github.com/acme/fleet",
		"https://a:b@github.com/acme/fleet":   "https://github.com/acme/fleet",
		"/srv/git/fleet.git":                  "",
		"../fleet":                            "",
		"C:\\fleet":                           "",
		"":                                    "",
	} {
		if diff := cmp.Diff(want, cloneURL(remote)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", remote, diff)
		}
	}
}
