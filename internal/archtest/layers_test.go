package archtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// levels lists our folders from the ground up. A folder may import folders of
// lower levels only, so imports point down and folders of one level stay
// strangers. A folder that is not listed fails the test: where does it belong?
// cmd is above all of them and test holds tests only; neither is listed.
var levels = [][]string{
	// the words
	{"tree", "object", "api", "phrase"},
	{"render/values", "finding", "report/term"},
	{"finding/waiver", "finding/baseline"},
	// the engines that render runs
	{"render/chart", "render/release", "render/artifact", "render/resourceset"},
	// what is on a cluster, who may do what there, how far a tenant gets, what is wrong with that
	{"isolation/permission"},
	{"isolation/builtin"},
	{"isolation/estate"},
	{"isolation/reach"},
	{"isolation/rule"},
	{"isolation/verdict"},
	// what one thing means
	{"tenant", "render", "isolation", "internal/fleetgen", "internal/fleetcase"},
	// shapes, what holds tenants at run time, and the difference of two trees
	{"layout/edit", "layout/adopt", "isolation/guard"},
	{"layout", "layout/shape", "impact"},
	{"isolation/survey", "isolation/contract", "isolation/policy"},
	{"layout/advice", "layout/scaffold"},
	// whose it is, why, how badly, whether it may; all of it in one value; which formats print
	{"impact/concern", "impact/cause", "impact/risk", "impact/gate", "internal/fleetstory"},
	{"impact/extent"},
	{"impact/part", "impact/history"},
	{"impact/review"},
	{"report/text", "report/markdown", "report/html", "report/sarif", "report/junit", "report/github", "report/reporttest"},
	// from one shape to another
	{"migrate"},
	// reaches
	{"internal/git", "internal/fetch", "internal/forge", "internal/kube", "internal/cache", "internal/sandbox", "internal/sops", "internal/memory"},
	// doors
	{"internal/cli", "internal/portal", "internal/controller", "internal/terraform", "internal/crossplane"},
}

// world is what root folders must not import: they take what they need from
// outside as a value, an fs.FS or a small interface of their own.
var world = []string{
	module + "/internal",
	"net", "os", "io/ioutil", "log", "syscall", "plugin",
	"golang.org/x/sys", "golang.org/x/term",
	"k8s.io/client-go", "k8s.io/klog", "sigs.k8s.io/controller-runtime/pkg/client", "sigs.k8s.io/controller-runtime/pkg/manager",
	"github.com/go-git", "github.com/spf13",
}

// harmless packages lie below one of world but touch nothing.
var harmless = []string{
	"net/url", "net/netip",
	"sigs.k8s.io/controller-runtime/pkg/client",                                  // the interface by which Flux's own code asks for ConfigMaps and Secrets
	"k8s.io/client-go/kubernetes/scheme", "k8s.io/client-go/applyconfigurations", // the built-in types, and their schema
}

// light folders must not reach heavy modules, not even through other packages: the
// provider and the function that link them stay small.
var (
	light = []string{
		"tree", "object", "api", "phrase", "finding", "tenant", "isolation/rule", "isolation/verdict", "isolation/guard", "layout", "internal/terraform", "internal/crossplane",
	}
	heavy = []string{"helm.sh/helm", "sigs.k8s.io/kustomize/api", "k8s.io/client-go"}
)

func TestImportsPointDown(t *testing.T) {
	for _, f := range sources(t) {
		from := f.folder()
		if strings.HasPrefix(from, "cmd/") {
			continue
		}
		if level(from) < 0 {
			t.Errorf("%s: folder %s has no level", f.path, from)
		}
		for _, imp := range f.imports {
			rest, ours := strings.CutPrefix(imp, module+"/")
			if to := folder(rest); ours && to != from && level(to) >= level(from) {
				t.Errorf("%s imports %s, which is not below %s", f.path, rest, from)
			}
		}
	}
}

func TestRootFoldersArePure(t *testing.T) {
	for _, f := range sources(t) {
		if !pure(f.folder()) {
			continue
		}
		for _, imp := range f.imports {
			touches := func(pkg string) bool { return below(imp, pkg) }
			if slices.ContainsFunc(world, touches) && !slices.Contains(harmless, imp) {
				t.Errorf("%s imports %s, which a root folder must not", f.path, imp)
			}
		}
	}
}

func TestLightFolders(t *testing.T) {
	sources(t) // the test cache notices a change in any source file
	for _, from := range light {
		if _, err := os.Stat(filepath.Join(root, from)); os.IsNotExist(err) {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "./"+from+"/...")
		cmd.Dir = root
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", cmd, err)
		}
		for dep := range strings.FieldsSeq(string(out)) {
			if slices.ContainsFunc(heavy, func(pkg string) bool { return below(dep, pkg) }) {
				t.Errorf("%s reaches %s", from, dep)
				break
			}
		}
	}
}

// level is the index in levels of the list that holds folder, or -1.
func level(folder string) int {
	return slices.IndexFunc(levels, func(l []string) bool { return slices.Contains(l, folder) })
}
