package fetch

import (
	"io/fs"
	"time"

	sourcev1 "github.com/fluxcd/source-controller/api/v1"
)

// OCIRequest asks for the artifact of an OCIRepository. Of Digest, SemVer and
// Tag the first that is set counts, in this order; with none it is the tag
// "latest".
//
// Source: source-controller v1.9.5 ocirepository_controller.go getArtifactRef.
type OCIRequest struct {
	URL          string // "oci://host/repository", without a tag
	Tag          string
	SemVer       string // a range
	SemverFilter string // a regular expression that tags must match before the range is looked at
	Digest       string // "sha256:..."
	MediaType    string // of the layer; "" is the first layer
	Operation    string // "extract", also "", gives Files; "copy" gives Data
	Insecure     bool   // plain HTTP when HTTPS does not answer; certificates are checked all the same
	Interval     time.Duration
}

// IndexRequest asks for the index of a HelmRepository.
type IndexRequest struct {
	Repository string // "https://host/path", without index.yaml
	Interval   time.Duration
}

// ChartRequest asks for a chart package of a HelmRepository or of an OCI registry.
type ChartRequest struct {
	Repository      string // "https://host/path" or "oci://host/path"
	Name            string
	Version         string // a version or a range; "" and "*" are the latest that is no prerelease
	Insecure        bool   // plain HTTP, of an OCI registry
	PassCredentials bool   // the repository's credentials go to the host of the chart as well
	Interval        time.Duration
}

// BucketRequest asks for the files of a Bucket.
type BucketRequest struct {
	Provider string // "generic", also "", "aws", "gcp" or "azure"
	Endpoint string // "host", "host:port"; of azure a URL
	Bucket   string
	Prefix   string
	Region   string
	Insecure bool    // plain HTTP
	Ignore   *string // spec.ignore; nil is none
	Interval time.Duration
}

// GitRequest asks for one commit of another Git repository.
type GitRequest struct {
	URL               string // http, https or ssh
	Ref               *sourcev1.GitRepositoryRef
	RecurseSubmodules bool
	Interval          time.Duration
}

// Artifact is what a request found. Its
// Files share their Data with other callers and are not to be written to.
type Artifact struct {
	Revision    string            // as Flux prints it: "tag@sha256:..." or "sha256:..." (OCI, bucket), "1.2.3" (chart), "" (index)
	Version     string            // of a chart
	Digest      string            // "sha256:..." of the manifest (OCI), else of Data; of a bucket as Revision
	Data        []byte            // the layer, chart package or index as it is; nil when extracted
	Files       []File            // when extracted, by name; folders only where the archive names them
	Annotations map[string]string // of an OCI manifest
	Notes       []string          // what is odd about it, for people
	FromCache   bool              // nothing was asked of the network
}

// File is one entry of an artifact.
type File struct {
	Name string      // slash path, clean, without a leading slash
	Mode fs.FileMode // permission bits, and ModeDir for a folder
	Data []byte      // nil for a folder
}

// Mirror is a bare repository in the cache, complete for one commit without its
// history. Its references are those that were asked for, all at this commit.
type Mirror struct {
	Dir        string
	Commit     string // 40 hexadecimal digits
	Revision   string // as Flux prints it: "main@sha1:..."
	Submodules []Submodule
	FromCache  bool
}

// Submodule is a folder of a mirror whose files are those of another one.
type Submodule struct {
	Path   string // slash path from the root of the outermost repository
	Dir    string // a bare repository, as of Mirror
	Commit string
}

// EventKind is what an Event tells.
type EventKind int

// The steps of a request.
const (
	Started  EventKind = iota // a request goes to the network
	Progress                  // Bytes have been received so far
	Done                      // it is there, Bytes in all
	Cached                    // the cache had it
	Failed                    // there will be no answer; the error goes to the caller
	Note                      // Text is for the user, said once
)

// Event is a step of a request.
type Event struct {
	Kind  EventKind
	What  string // what is fetched, for people: "ghcr.io/stefanprodan/manifests/podinfo"; without credentials
	Ref   string // the tag, version or branch, as asked for; may be empty
	Bytes int64
	Text  string
}
