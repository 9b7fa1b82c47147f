//go:build linux && !amd64 && !arm64

package sandbox

// filterCalls knows no call numbers of this processor.
func filterCalls() {}
