//go:build !(linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package memory

// Used is not known here.
func Used() Usage { return Usage{} }
