package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
)

// peer is upstream's own way of building a fleet: what people use without sharing.
type peer struct {
	Name string `json:"name"`
	// Of is how many builds the fleet has, one for each Kustomization and cluster;
	// Cost.Run how many were made: those of the first Clusters.
	Of       int  `json:"buildsAsked"`
	Clusters int  `json:"clusters"`
	Cost     cost `json:"cost"` // as measured
}

// share is which part of the fleet was measured.
func (p peer) share() float64 { return float64(p.Cost.Run) / float64(p.Of) }

// CPU is the CPU time of the whole fleet, in seconds: an estimate unless all of it
// was measured.
func (p peer) CPU() float64 { return p.Cost.CPU / p.share() }

// Wall is the same for wall time.
func (p peer) Wall() float64 { return p.Cost.Wall / p.share() }

// flux is the row of the program in the folder fluxbuild.
const flux = "Flux's library"

// tools are the upstream programs.
type tools struct{ kustomize, fluxbuild string }

// build builds them into dir, in the versions of test/go.mod.
func build(ctx context.Context, module, dir string) (tools, error) {
	t := tools{kustomize: filepath.Join(dir, "kustomize"), fluxbuild: filepath.Join(dir, "fluxbuild")}
	for out, pkg := range map[string]string{
		t.kustomize: "sigs.k8s.io/kustomize/kustomize/v5",
		t.fluxbuild: "github.com/bulkhead-dev/bulkhead/test/bench/fluxbuild",
	} {
		cmd := exec.CommandContext(ctx, "go", "build", "-o", out, pkg) //nolint:gosec // our own packages
		cmd.Dir = module
		if text, err := cmd.CombinedOutput(); err != nil {
			return tools{}, fmt.Errorf("build %s: %w: %s", pkg, err, text)
		}
	}
	return t, nil
}

// peers measures upstream on the first clusters of a fleet, written to dir, which
// must be empty. Both programs find the kustomization.yaml that kustomize-controller
// would generate for a cluster's own folder.
func (t tools) peers(ctx context.Context, f fleetgen.Fleet, clusters int, dir string) ([]peer, error) {
	clusters = min(clusters, f.Clusters)
	files := maps.Clone(f.Files)
	commands := [][]string{}
	fluxbuild := []string{t.fluxbuild, dir}
	for i := range clusters {
		folder := "clusters/" + fleetgen.Cluster(i)
		files[folder+"/kustomization.yaml"] = entry(f.Files, folder)
		fluxbuild = append(fluxbuild, folder)
		for _, p := range paths(f.Files, folder) {
			commands = append(commands, []string{t.kustomize, "build", "--load-restrictor", "LoadRestrictionsNone", p})
		}
	}
	if err := fleetgen.Write(dir, files); err != nil {
		return nil, err
	}
	all := f.Clusters * (f.Tenants + 1)
	want := clusters * (f.Tenants + 1)
	if len(commands) != want {
		return nil, fmt.Errorf("%s: %d paths of Kustomizations, want %d", f.Name, len(commands), want)
	}
	var out []peer
	for _, p := range []struct {
		name     string
		commands [][]string
	}{{"kustomize build", commands}, {flux, [][]string{fluxbuild}}} {
		u, err := measure(ctx, spec{Dir: dir, Commands: p.commands})
		if err != nil {
			return nil, err
		}
		if u.Code != 0 {
			return nil, fmt.Errorf("%s: %s: exit code %d: %s", f.Name, p.name, u.Code, u.Stderr)
		}
		if p.name == flux && !strings.HasPrefix(u.Head, fmt.Sprintf("%d builds,", want)) {
			return nil, fmt.Errorf("%s: %s: %q, want %d builds", f.Name, p.name, u.Head, want)
		}
		c := cost{Runs: 1, Wall: u.Wall, CPU: u.CPU, PeakBytes: u.Peak, Asked: want, Run: want}
		out = append(out, peer{Name: p.name, Of: all, Clusters: clusters, Cost: c})
	}
	return out, nil
}

// entry is the kustomization.yaml that kustomize-controller would generate for a
// cluster's folder: its files, and its folders that have one.
func entry(files map[string]string, folder string) string {
	names := map[string]bool{}
	for p := range files {
		if rest, ok := strings.CutPrefix(p, folder+"/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			names[name] = true
		}
	}
	list := strings.Join(slices.Sorted(maps.Keys(names)), "\n- ")
	return "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n- " + list + "\n"
}

var specPath = regexp.MustCompile(`(?m)^  path: \./(\S+)$`)

// paths are those that the Kustomizations in a cluster's folder name.
func paths(files map[string]string, folder string) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(files)) {
		if strings.HasPrefix(p, folder+"/") {
			for _, m := range specPath.FindAllStringSubmatch(files[p], -1) {
				out = append(out, path.Clean(m[1]))
			}
		}
	}
	return out
}

// empty makes an empty folder below dir; what was there is removed.
func empty(dir, name string) (string, error) {
	p := filepath.Join(dir, name)
	if err := os.RemoveAll(p); err != nil {
		return "", err
	}
	return p, os.MkdirAll(p, 0o700)
}
