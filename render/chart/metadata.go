package chart

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/Masterminds/semver/v3"
)

// strategyRevision is the ReconcileStrategy that puts the source's revision into the version.
const strategyRevision = "Revision"

// wanted are the values files to merge: none if the chart's own is the only one.
//
// Source: source-controller v1.9.5 internal/helm/chart/builder.go GetValuesFiles.
func wanted(valuesFiles []string) []string {
	if len(valuesFiles) == 1 && path.Clean(valuesFiles[0]) == valuesFile {
		return nil
	}
	return valuesFiles
}

// versionMetadata is the build metadata that a chart's version gets: the revision, the
// generation if values files are merged, or both with a dot between.
//
// Source: source-controller v1.9.5 helmchart_controller.go buildFromTarballArtifact.
func versionMetadata(revision string, valuesFiles []string, generation int64) string {
	if len(wanted(valuesFiles)) == 0 {
		return revision
	}
	if revision != "" {
		revision += "."
	}
	return revision + strconv.FormatInt(generation, 10)
}

// shortRevision is the 12 characters of a revision that go into a version: of a
// commit, or of a bucket's digest.
func shortRevision(revision string) (string, error) {
	short := revision
	if i := strings.LastIndexByte(short, ':'); i >= 0 {
		short = short[i+1:]
	} else if i := strings.LastIndexByte(short, '/'); i >= 0 {
		short = short[i+1:]
	}
	if len(short) < 12 {
		return "", fmt.Errorf("revision %q of the source is too short for a chart version", revision)
	}
	return short[:12], nil
}

// withMetadata sets the build metadata of a version, which that also normalises: v1.2
// becomes 1.2.0+m. Without metadata it stays as it is.
func withMetadata(version, metadata string) (string, error) {
	if metadata == "" {
		return version, nil
	}
	v, err := semver.NewVersion(version)
	if err != nil {
		return "", fmt.Errorf("parse chart version %q: %w", version, err)
	}
	set, err := v.SetMetadata(metadata)
	if err != nil {
		return "", fmt.Errorf("put %q into chart version %s: %w", metadata, version, err)
	}
	return set.String(), nil
}
