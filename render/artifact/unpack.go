package artifact

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Unpack gives the files of a gzip-compressed tar archive: the layer of an
// OCIRepository, or an artifact as those who consume it unpack it. Symlinks are
// left out. The error wraps [tree.ErrTooLarge] when the archive holds too much to
// be kept in memory; every other one the controllers have, too.
//
// Source: fluxcd/pkg/tar v1.2.0 Untar with WithSkipSymlinks, as source-controller
// v1.9.5 and fluxcd/pkg/http/fetch v0.25.0 call it.
func Unpack(ctx context.Context, archive []byte) (*tree.Tree, error) {
	s := newStage(newBudget(ctx))
	if err := s.unpack(archive, ".", true); err != nil {
		return nil, err
	}
	return s.tree(), nil
}

// unpack puts the files of an archive below the folder dir.
func (s *stage) unpack(archive []byte, dir string, skipSymlinks bool) error {
	gz, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return fmt.Errorf("requires gzip-compressed body: %w", err)
	}
	tr := tar.NewReader(&bounded{gz, &s.budget.stream})
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return gz.Close()
		}
		if err != nil {
			return fmt.Errorf("tar error: %w", err)
		}
		if err := s.budget.spend(1); err != nil {
			return err
		}
		if !validRelPath(h.Name) {
			return fmt.Errorf("tar contained invalid name error %q", h.Name)
		}
		if err := s.entry(tr, h, path.Join(dir, path.Clean(h.Name)), skipSymlinks); err != nil {
			return err
		}
	}
}

func (s *stage) entry(r io.Reader, h *tar.Header, at string, skipSymlinks bool) error {
	mode := h.FileInfo().Mode()
	switch {
	case mode.IsRegular():
		if at == "." || !fs.ValidPath(strings.ToValidUTF8(at, "_")) {
			return fmt.Errorf("tar file entry %q is a directory", h.Name)
		}
		if h.Size > tree.MaxFile {
			return fmt.Errorf("tar file entry %q of %d bytes: %w", h.Name, h.Size, tree.ErrTooLarge)
		}
		if err := s.budget.take(h.Size); err != nil {
			return err
		}
		data, err := io.ReadAll(io.LimitReader(r, h.Size+1))
		if err != nil {
			return fmt.Errorf("tar file entry %q: %w", h.Name, err)
		}
		n := &node{mode: tree.File, data: data, hash: tree.HashBlob(data)}
		if mode&0o111 != 0 {
			n.mode = tree.Executable
		}
		if old, err := s.find(at); err != nil {
			return err
		} else if old != nil && old.mode != tree.Directory {
			n.mode = old.mode // an existing file keeps its bits
		}
		return s.put(at, n)
	case mode.IsDir():
		if !fs.ValidPath(strings.ToValidUTF8(at, "_")) {
			return nil // the folder above, which exists
		}
		if old, err := s.find(at); err == nil && old != nil && old.mode != tree.Directory {
			return fmt.Errorf("tar folder %q is a file", h.Name)
		}
		return s.mkdir(at)
	case mode&fs.ModeSymlink != 0:
		if skipSymlinks {
			return nil
		}
		return fmt.Errorf("tar file entry %s is a symlink, which is not allowed in this context", h.Name)
	}
	return fmt.Errorf("tar file entry %s contained unsupported file type %v", h.Name, mode)
}

// validRelPath is upstream's rule.
//
// Source: fluxcd/pkg/tar v1.2.0 untar.go validRelPath.
func validRelPath(p string) bool {
	return p != "" && !strings.Contains(p, `\`) && !strings.HasPrefix(p, "/") && !strings.Contains(p, "../")
}

// bounded fails once left bytes were read of what may be endless.
type bounded struct {
	r    io.Reader
	left *int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if *b.left <= 0 {
		return 0, fmt.Errorf("archive: %w", tree.ErrTooLarge)
	}
	n, err := b.r.Read(p[:min(int64(len(p)), *b.left)])
	*b.left -= int64(n)
	return n, err
}
