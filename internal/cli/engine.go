package cli

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
)

// headOfProgram is how much of the executable is read to tell programs apart: linkers write the build's ID
// into the first pages, and Go's is a digest of all that went into it.
//
// Source: cmd/internal/buildid of Go 1.26, which looks there, too.
const headOfProgram = 64 << 10

// engineID names this program with everything in it; "" when that cannot be told.
func engineID() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(path) //nolint:gosec // this program itself
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if n, err := io.CopyN(sum, f, headOfProgram); err != nil && n == 0 {
		return ""
	}
	_, _ = io.WriteString(sum, Version)
	return hex.EncodeToString(sum.Sum(nil))
}
