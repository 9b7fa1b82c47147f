//go:build !linux

package sandbox

import "os"

func rawStdout(p []byte) (int, error) { return os.Stdout.Write(p) }

func forbidden(string) []string { return nil }

func parent() {}
