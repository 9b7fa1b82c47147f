package fleetgen

import (
	_ "embed" // the demo's files
	"fmt"
	"maps"
	"strings"

	"golang.org/x/tools/txtar"
)

// Story is a fleet and one commit to it.
type Story struct {
	// Before and After are the repository's files: slash paths to content. They
	// differ in File only.
	Before, After map[string]string
	// File is the path the commit changes.
	File string
	// Message is the commit's message, subject and body.
	Message string
	// Clusters are the names of all clusters, sorted.
	Clusters []string
	// Meant are the clusters the author meant to change, Hit those the commit
	// does change; both sorted.
	Meant, Hit []string
}

//go:embed files/demo.txtar
var demoFiles string

// Demo is the incident Bulkhead is there to stop: a logging agent is rolled out
// "on dev" by one line of a shared kustomization.yaml, and goes to prod-db-01.
//
// Only overlays/dev names base/logging, so a search of the overlays says that the
// line is dev's alone. But overlays/db takes base/data-node, and that takes
// base/logging too. There the old agent carries patches by name (the toleration
// of the database nodes' taint, the audit log), which match nothing any more and
// are dropped without an error: the new agent runs on no database node.
func Demo() Story {
	before := map[string]string{}
	var names []string
	for _, c := range [][4]string{ // name, environment, region, domain; by name
		{"dev-eu-1", "dev", "eu-1", "dev.acme.example"},
		{"prod-db-01", "prod", "us-east-1", "acme.example"},
		{"prod-us-east-1", "prod", "us-east-1", "acme.example"},
		{"staging-eu-1", "staging", "eu-1", "staging.acme.example"},
	} {
		names = append(names, c[0])
		v := values{"cluster": c[0], "env": c[1], "region": c[2], "domain": "\n  domain: " + c[3], "url": "ssh://git@git.example.com/acme/fleet"}
		v.fill(before, clusterFiles)
	}
	for _, f := range txtar.Parse([]byte(demoFiles)).Files {
		before[f.Name] = string(f.Data)
	}
	const file = "infrastructure/base/logging/kustomization.yaml"
	return Story{
		Before:   before,
		After:    Replace(before, file, "- ../vector\n", "- ../fluent-bit\n"),
		File:     file,
		Message:  "logging: try fluent-bit on dev\n\nOnly overlays/dev uses base/logging; staging and prod take vector directly.\n",
		Clusters: names,
		Meant:    []string{"dev-eu-1"},
		Hit:      []string{"dev-eu-1", "prod-db-01"},
	}
}

// Replace is files with the one occurrence of old in the file at path replaced
// by with; files itself stays as it is. It panics if old does not occur exactly
// once, as then the caller's idea of the fleet is wrong.
func Replace(files map[string]string, path, old, with string) map[string]string {
	if n := strings.Count(files[path], old); n != 1 {
		panic(fmt.Sprintf("%s holds %q %d times, want once", path, old, n))
	}
	out := maps.Clone(files)
	out[path] = strings.Replace(files[path], old, with, 1)
	return out
}
