//go:build linux

// Package lab runs real Kubernetes API servers and real Flux controllers as plain
// processes on loopback addresses, with the Git server, the OCI registry and, where
// asked for, the forge and the buckets that they talk to. There is no container and no root.
//
// [Start] is the way in; whatever it starts ends with the test, also with a test that
// is killed. Every process gets its flags in the file that is named after it.
//
// The programs are built from the modules below tools, once, into a cache folder; see
// [Build].
package lab
