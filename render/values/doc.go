// Package values turns a HelmRelease's values and the ConfigMaps and Secrets that it
// refers to into the values of its release.
//
// [Compose] calls Flux's own code for that. The invariant: no value of a Secret is in
// an error, and reading hostile values takes bounded time and memory.
package values
