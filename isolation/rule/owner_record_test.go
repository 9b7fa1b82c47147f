package rule

import (
	"slices"
	"testing"
)

// TestOwners follows the patterns of CODEOWNERS: the last line that matches counts.
func TestOwners(t *testing.T) {
	c := readOwners("CODEOWNERS", `# comment
*            @acme/platform # who else
/clusters/   @acme/ops
docs/*       @acme/writers
**/secrets/  @acme/security
*.md
/apps/**/prod/ @acme/prod
/fleet/ @acme/everyone

[Section] @acme/section
/section/
`)
	for file, want := range map[string][]string{
		"README":                   {"@acme/platform"},
		"clusters/prod/a.yaml":     {"@acme/ops"},
		"other/clusters/a.yaml":    {"@acme/platform"},
		"docs/a.yaml":              {"@acme/writers"},
		"docs/more/a.yaml":         {"@acme/platform"},
		"a/b/secrets/c/d.yaml":     {"@acme/security"},
		"clusters/README.md":       nil,
		"apps/a/b/prod/x.yaml":     {"@acme/prod"},
		"apps/prod/x.yaml":         {"@acme/prod"},
		"fleet/clusters/prod.yaml": nil,
		"section/a.yaml":           {"@acme/section"},
	} {
		if got := c.of(file); !slices.Equal(got, want) {
			t.Errorf("%s is owned by %v, want %v", file, got, want)
		}
	}
}

// TestVersionFloats tells a version from a range of them.
func TestVersionFloats(t *testing.T) {
	for version, want := range map[string]bool{
		"1.2.3": false, "v1.2.3": false, "=1.2.3": false, "1.2.3-rc.1": false, "1.2.3+build": false, "${version}": false,
		"": true, "*": true, "1": true, "1.2": true, "1.2.x": true, "^1.2.3": true, "~1.2.3": true, ">=1.2.3": true, ">=1.2.3 <2.0.0": true, "1.2.3 || 1.3.0": true, "1.2.3 - 2.0.0": true,
	} {
		if got := versionFloats(version); got != want {
			t.Errorf("%q floats: %v, want %v", version, got, want)
		}
	}
}

// TestBare cuts tags and digests off images.
func TestBare(t *testing.T) {
	for image, want := range map[string]string{
		"nginx": "nginx", "nginx:1.27": "nginx", "localhost:5000/a/b": "localhost:5000/a/b", "localhost:5000/a/b:1": "localhost:5000/a/b", "a/b@sha256:00": "a/b", "a/b:1@sha256:00": "a/b",
	} {
		if got := bare(image); got != want {
			t.Errorf("%s is %s, want %s", image, got, want)
		}
	}
}
