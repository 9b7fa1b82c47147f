// Package render turns trees into the objects that Flux would apply on each
// cluster of a fleet.
//
// [Fleet] starts at the entry point of every cluster, evaluates the Flux
// Kustomizations it finds as kustomize-controller would, and follows what they
// emit until nothing new appears. It never scans the repository for manifests:
// a file counts when a cluster reads it. The invariant: every applier that was
// found is in the result, built, failed or unresolved, never left out.
//
// The engines are Flux's and Kustomize's own packages in the versions that
// kustomize-controller v1.9.5 (Flux 2.9) pins.
package render
