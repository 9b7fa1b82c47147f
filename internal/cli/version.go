package cli

import (
	"cmp"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// Version of this build, set with
// -ldflags "-X github.com/bulkhead-dev/bulkhead/internal/cli.Version=v1.2.3"; ""
// stands for what Go knows of the build.
var Version string //nolint:gochecknoglobals // the linker sets it

// fluxRelease is the Flux release whose controllers bulkhead answers for. Its
// kustomize-controller is the one that go.mod pins.
const fluxRelease = "2.9"

// VersionDocument is what "bulkhead version -o json" writes.
type VersionDocument struct {
	// SchemaVersion is "bulkhead.dev/version/v1".
	SchemaVersion string `json:"schemaVersion" jsonschema:"const=bulkhead.dev/version/v1"`
	// Bulkhead is the version of the program.
	Bulkhead string `json:"bulkhead"`
	// Flux is the Flux release it answers for.
	Flux string `json:"flux"`
	// KustomizeController is the release whose pipeline it runs.
	KustomizeController string `json:"kustomizeController"`
	// FluxKustomize is the version of github.com/fluxcd/pkg/kustomize.
	FluxKustomize string `json:"fluxKustomize"`
	// Kustomize is the version of sigs.k8s.io/kustomize/api.
	Kustomize string `json:"kustomize"`
	// Go is the version that built it.
	Go string `json:"go"`
	// Platform is operating system and architecture.
	Platform string `json:"platform"`
}

func newVersionCmd(s *streams) *cobra.Command {
	var format string
	c := &cobra.Command{
		Use:     "version",
		Short:   "The versions of bulkhead and of the engines in it",
		Long:    "Tells the version of bulkhead, and which releases of Flux and kustomize it answers for.",
		Example: "  bulkhead version\n  bulkhead version -o json",
		Args:    none,
		RunE: func(*cobra.Command, []string) error {
			formats := []string{"text", "json"}
			if err := checkFormat(format, formats); err != nil {
				return err
			}
			return runVersion(format, s)
		},
	}
	c.Flags().StringVarP(&format, "output", "o", "text", "`FORMAT` of the output: text, json")
	return c
}

func runVersion(format string, s *streams) error {
	d := versions()
	if format == "json" {
		return s.json(d)
	}
	for _, l := range [][2]string{
		{"bulkhead", d.Bulkhead},
		{"flux", d.Flux},
		{"kustomize-controller", d.KustomizeController},
		{"fluxcd/pkg/kustomize", d.FluxKustomize},
		{"kustomize api", d.Kustomize},
		{"go", d.Go + " " + d.Platform},
	} {
		s.printf("%-20s  %s\n", l[0], l[1])
	}
	return nil
}

// versions are read from what the linker recorded.
func versions() *VersionDocument {
	d := &VersionDocument{
		SchemaVersion: versionSchema, Bulkhead: Version, Flux: fluxRelease,
		KustomizeController: "unknown", FluxKustomize: "unknown", Kustomize: "unknown",
		Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
	info, ok := debug.ReadBuildInfo()
	if ok && d.Bulkhead == "" {
		d.Bulkhead = info.Main.Version
	}
	d.Bulkhead = cmp.Or(d.Bulkhead, "(devel)")
	if !ok {
		return d
	}
	for _, m := range info.Deps {
		version := m.Version
		if m.Replace != nil {
			version = m.Replace.Version
		}
		switch m.Path {
		case "github.com/fluxcd/kustomize-controller/api":
			d.KustomizeController = version
		case "github.com/fluxcd/pkg/kustomize":
			d.FluxKustomize = version
		case "sigs.k8s.io/kustomize/api":
			d.Kustomize = version
		default:
		}
	}
	return d
}
