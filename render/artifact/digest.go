package artifact

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Digest is the digest of the archive that a controller makes of t, "sha256:" and
// 64 hexadecimal digits. It reads every file. It is exact for a tree of
// [Generate], and depends on the compression of the Go release, as in Flux.
//
// Source: fluxcd/pkg/artifact v0.20.0 storage/archive.go Archive.
func Digest(t *tree.Tree) (string, error) {
	sum := sha256.New()
	gz := gzip.NewWriter(sum)
	tw := tar.NewWriter(gz)
	header := func(name string, size int64, e tree.Entry) error {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: time.Time{}}
		switch {
		case e.IsDir():
			h.Typeflag, h.Mode = tar.TypeDir, 0o750
		case e.Mode == tree.Executable:
			h.Mode = 0o700
		}
		return tw.WriteHeader(h)
	}
	if err := header(".", 0, tree.Entry{Mode: tree.Directory}); err != nil {
		return "", err
	}
	err := t.Walk(".", func(p string, e tree.Entry) error {
		if e.IsDir() {
			return header(p, 0, e)
		}
		data, err := t.ReadFile(p)
		if err != nil {
			return err
		}
		if err := header(p, int64(len(data)), e); err != nil {
			return err
		}
		_, err = tw.Write(data)
		return err
	})
	if err != nil {
		return "", err
	}
	if err := tw.Close(); err != nil {
		return "", err
	}
	if err := gz.Close(); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}
