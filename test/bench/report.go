package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/bulkhead-dev/bulkhead/internal/fleetgen"
)

// report is all that was measured.
type report struct {
	Machine host    `json:"machine"`
	Fleets  []fleet `json:"fleets"`
}

// host is where and what was measured.
type host struct {
	CPU       string `json:"cpu"`
	Cores     int    `json:"cores"`
	MemoryMiB int    `json:"memoryMiB"` // 0 is not known
	System    string `json:"system"`
	Versions  string `json:"versions"` // what bulkhead version says, in one line
}

// fleet is what was measured on one fleet.
type fleet struct {
	Name     string `json:"name"`
	Clusters int    `json:"clusters"`
	Tenants  int    `json:"tenants"`
	// Builds is one for each Kustomization on each cluster, Releases one for each
	// HelmRelease.
	Builds   int      `json:"builds"`
	Releases int      `json:"releases"`
	Results  []result `json:"results"`
	Peers    []peer   `json:"upstream,omitempty"`
}

// add puts a fleet in its place, small ones first; it replaces one of its name.
func (r *report) add(f fleet) {
	r.Fleets = slices.DeleteFunc(r.Fleets, func(old fleet) bool { return old.Name == f.Name })
	r.Fleets = append(r.Fleets, f)
	order := fleetgen.Names()
	slices.SortFunc(r.Fleets, func(a, b fleet) int { return slices.Index(order, a.Name) - slices.Index(order, b.Name) })
}

// read adds what a file of -o json holds.
func (r *report) read(path string) error {
	data, err := os.ReadFile(path) //nolint:gosec // G304: a flag names it
	if err != nil {
		return err
	}
	var earlier report
	if err := json.Unmarshal(data, &earlier); err != nil {
		return fmt.Errorf("parse %s: %w", path, err)
	}
	r.Machine = earlier.Machine
	for _, f := range earlier.Fleets {
		r.add(f)
	}
	return nil
}

// machine describes this one, and the program.
func machine(ctx context.Context, bulkhead string) (host, error) {
	h := host{Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, CPU: "unknown CPU"}
	out, err := exec.CommandContext(ctx, bulkhead, "version").Output()
	if err != nil {
		return host{}, fmt.Errorf("run bulkhead version: %w", err)
	}
	var versions []string
	for line := range strings.Lines(string(out)) {
		versions = append(versions, strings.Join(strings.Fields(line), " "))
	}
	h.Versions = strings.Join(versions, ", ")
	if v := field("/proc/cpuinfo", "model name"); v != "" {
		h.CPU = v
	}
	if kib, err := strconv.Atoi(strings.TrimSuffix(field("/proc/meminfo", "MemTotal"), " kB")); err == nil {
		h.MemoryMiB = kib / 1024
	}
	return h, nil
}

// field is the value of the first line "name : value" of a file, or "".
func field(path, name string) string {
	data, err := os.ReadFile(path) //nolint:gosec // G304: two fixed paths
	if err != nil {
		return ""
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		if k, v, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(k) == name {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// String is the machine in one line, the versions in another.
func (h host) String() string {
	memory := ""
	if h.MemoryMiB > 0 {
		memory = fmt.Sprintf(", %.0f GiB", float64(h.MemoryMiB)/1024)
	}
	return fmt.Sprintf("%s, %d cores%s, %s:\n%s", h.CPU, h.Cores, memory, h.System, h.Versions)
}

// String is the fleet in one line.
func (f fleet) String() string {
	return fmt.Sprintf("%s: %d clusters x %d tenants, %d builds, %d releases", f.Name, f.Clusters, f.Tenants, f.Builds, f.Releases)
}

// find is a fleet's result of a job, or nil.
func (f fleet) find(job string) *result {
	i := slices.IndexFunc(f.Results, func(r result) bool { return r.Job == job })
	if i < 0 {
		return nil
	}
	return &f.Results[i]
}
