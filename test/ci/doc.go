// Package ci tests what runs Bulkhead for people: the GitHub action, the GitLab template, the Git hook and the
// incident of examples/, by running their scripts with the real program on real repositories.
//
// What it tests lies outside this module, where the test cache does not look: go test -count=1 ./ci
package ci
