// Package chart turns a HelmChart and its source into the chart package that
// source-controller would store for it.
//
// [FromTree] packages a folder of a source, [FromArchive] takes a chart of a
// repository, [FromArtifact] what helm-controller loads from any other tarball.
// The invariant: the files of a [Package] are those that helm-controller would
// unpack, and reading them takes bounded time and memory, whoever wrote them.
//
// The engine is Helm's own loader, v4.2.4, as source-controller v1.9.5 and
// helm-controller v1.6.4 call it.
package chart
