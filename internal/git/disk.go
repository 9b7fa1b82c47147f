package git

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// ErrChanged is wrapped by the error of reading a file that changed since the tree was listed, or since
// it was first read: there is no mixture of two states.
var ErrChanged = errors.New("changed while it was read")

// disk reads files below a folder and follows no symbolic link, also not one that was put in the way
// a moment ago.
type disk struct {
	root *os.Root
	seen sync.Map // path -> tree.Hash of the content that was read first
}

func openDisk(dir string) (*disk, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &disk{root: root}, nil
}

// list gives what is in a directory, in any order; ".git" is left out.
func (d *disk) list(path string) ([]fs.FileInfo, error) {
	f, err := d.open(path, fs.FileMode.IsDir)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	all, err := f.ReadDir(-1)
	if err != nil {
		return nil, err
	}
	infos := make([]fs.FileInfo, 0, len(all))
	for _, e := range all {
		if e.Name() == ".git" {
			continue
		}
		fi, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		infos = append(infos, fi)
	}
	return infos, nil
}

// open opens path if it is of the wanted type, and not a symbolic link to something that is.
func (d *disk) open(path string, want func(fs.FileMode) bool) (*os.File, error) {
	name := filepath.FromSlash(path)
	before, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !want(before.Mode()) {
		return nil, ErrChanged
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	after, err := f.Stat()
	if err == nil && !os.SameFile(before, after) {
		err = ErrChanged
	}
	if err != nil {
		_ = f.Close() // the other error says more
		return nil, err
	}
	return f, nil
}

// read gives the content of a regular file, and what it was like before and after.
func (d *disk) read(path string) ([]byte, fs.FileInfo, error) {
	f, err := d.open(path, fs.FileMode.IsRegular)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	before, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if before.Size() > tree.MaxFile {
		return nil, nil, fmt.Errorf("%d bytes: %w", before.Size(), tree.ErrTooLarge)
	}
	data := make([]byte, before.Size())
	n, err := io.ReadFull(f, data)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, nil, err
	}
	after, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	bytesRead.Add(int64(n))
	if n < len(data) || !same(before, after) {
		return nil, nil, ErrChanged
	}
	return data, after, nil
}

// link gives the target of a symbolic link.
func (d *disk) link(path string) ([]byte, error) {
	target, err := d.root.Readlink(filepath.FromSlash(path))
	return []byte(filepath.ToSlash(target)), err
}

// once refuses content that differs from what was read first.
func (d *disk) once(path string, data []byte) ([]byte, error) {
	h := tree.HashBlob(data)
	if first, ok := d.seen.LoadOrStore(path, h); ok && first != h {
		return nil, ErrChanged
	}
	return data, nil
}

// same says whether a file looks untouched.
func same(a, b fs.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && a.Mode() == b.Mode()
}

// diskMode is the tree's mode of a file; not ok for what Git does not track: devices, sockets, pipes.
func diskMode(m fs.FileMode) (tree.Mode, bool) {
	switch {
	case m.IsDir():
		return tree.Directory, true
	case m&fs.ModeSymlink != 0:
		return tree.Symlink, true
	case !m.IsRegular():
		return 0, false
	case m&0o100 != 0:
		return tree.Executable, true
	}
	return tree.File, true
}
