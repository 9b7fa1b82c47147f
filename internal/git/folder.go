package git

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// OpenFolder gives a plain folder as a tree. Everything called ".git" is left out, and so are devices,
// sockets and pipes; symbolic links are not followed, except dir itself. Directories are listed and
// files are read when asked for; the error wraps [ErrChanged] for a file that is not what it was when
// it was first read.
func OpenFolder(dir string) (*tree.Tree, error) {
	d, err := openDisk(dir)
	if err != nil {
		return nil, fmt.Errorf("open folder: %w", err)
	}
	return tree.New(folder{d}, tree.Hash{}), nil
}

type folder struct{ d *disk }

func (f folder) ReadDir(path string, _ tree.Hash) ([]tree.Entry, error) {
	infos, err := f.d.list(path)
	if err != nil {
		return nil, moved(err)
	}
	entries := make([]tree.Entry, 0, len(infos))
	for _, fi := range infos {
		if m, ok := diskMode(fi.Mode()); ok {
			entries = append(entries, tree.Entry{Name: fi.Name(), Mode: m})
		}
	}
	return entries, nil
}

func (f folder) ReadBlob(path string, _ tree.Hash) ([]byte, error) {
	fi, err := f.d.root.Lstat(filepath.FromSlash(path))
	if err != nil {
		return nil, moved(err)
	}
	var data []byte
	if fi.Mode()&fs.ModeSymlink != 0 {
		data, err = f.d.link(path)
	} else {
		data, _, err = f.d.read(path)
	}
	if err != nil {
		return nil, moved(err)
	}
	return f.d.once(path, data)
}

// moved is for paths that were there when their directory was listed: that they are gone is a change,
// not an answer.
func moved(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("gone: %w", ErrChanged)
	}
	return err
}
