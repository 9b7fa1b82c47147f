//go:build linux

package lab

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// version of a module that another one selects.
func version(t *testing.T, dir, module string) string {
	t.Helper()
	out, err := goCommand(t.Context(), dir, nil, "list", "-m", "-f", "{{with .Replace}}{{.Version}}{{else}}{{.Version}}{{end}}", module).Output()
	if err != nil {
		t.Fatalf("go list -m %s in %s: %v", module, dir, withStderr(err))
	}
	return strings.TrimSpace(string(out))
}

// TestVersions wants the programs to be told their true versions, and to be of the
// release of Flux that the product names.
func TestVersions(t *testing.T) {
	tools, err := toolsDir()
	if err != nil {
		t.Fatal(err)
	}
	cluster, forge := filepath.Join(tools, clusterPart().folder), filepath.Join(tools, forgePart().folder)
	if got := version(t, cluster, "k8s.io/kubernetes"); got != kubernetesVersion {
		t.Errorf("the lab runs Kubernetes %s and says %s", got, kubernetesVersion)
	}
	if got := version(t, forge, "code.gitea.io/gitea"); got != "v"+giteaVersion {
		t.Errorf("the lab runs Gitea %s and says v%s", got, giteaVersion)
	}
	if got := version(t, filepath.Join(tools, s3Part().folder), "github.com/versity/versitygw"); got != versityVersion {
		t.Errorf("the lab runs versitygw %s and says %s", got, versityVersion)
	}
	product := filepath.Join(tools, "..", "..", "..")
	for _, module := range []string{
		"github.com/fluxcd/kustomize-controller/api", "github.com/fluxcd/pkg/kustomize", "github.com/fluxcd/pkg/ssa",
		"github.com/fluxcd/pkg/apis/kustomize", "github.com/fluxcd/pkg/envsubst", "github.com/fluxcd/pkg/sourceignore",
		"sigs.k8s.io/kustomize/api", "sigs.k8s.io/kustomize/kyaml",
	} {
		if got, want := version(t, cluster, module), version(t, product, module); got != want {
			t.Errorf("the lab's Flux has %s %s, the product %s", module, got, want)
		}
	}
	if got, want := version(t, cluster, "github.com/fluxcd/kustomize-controller"), version(t, product, "github.com/fluxcd/kustomize-controller/api"); got != want {
		t.Errorf("the lab runs kustomize-controller %s, the product names %s", got, want)
	}
	page, err := os.ReadFile(filepath.Join(product, "docs", "explain", "fidelity.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range fluxControllers() {
		row := regexp.MustCompile(`(?m)^\|[^|\n]*\b` + name + `\b[^|\n]*\| ` + regexp.QuoteMeta(version(t, cluster, "github.com/fluxcd/"+name)[1:]) + ` \|$`)
		if !row.Match(page) {
			t.Errorf("docs/explain/fidelity.md has no row with the version of %s: %s", name, row)
		}
	}
}
