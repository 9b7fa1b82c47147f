package fleetgen

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
)

// ErrNotEmpty says that the folder to write into holds something.
var ErrNotEmpty = errors.New("the folder is not empty")

// Write creates files, slash paths to content, below dir, which must exist and
// be empty; if it is not, the error wraps [ErrNotEmpty] and nothing is written.
// A path that is not one of [fs.ValidPath], or that is both a file and a folder,
// is an error; nothing is ever overwritten or put outside dir.
func Write(dir string, files map[string]string) (err error) {
	if err := checkEmpty(dir); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if !fs.ValidPath(name) || name == "." {
			return fmt.Errorf("write %q: %w", name, fs.ErrInvalid)
		}
	}
	for _, name := range names {
		if err := create(root, name, files[name]); err != nil {
			return err
		}
	}
	return nil
}

func checkEmpty(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // G304: the caller names the folder to write into
	if err != nil {
		return err
	}
	_, readErr := d.Readdirnames(1)
	if err := d.Close(); err != nil {
		return err
	}
	if readErr == nil {
		return fmt.Errorf("write into %s: %w", dir, ErrNotEmpty)
	}
	if !errors.Is(readErr, io.EOF) {
		return readErr
	}
	return nil
}

func create(root *os.Root, name, content string) error {
	if err := root.MkdirAll(path.Dir(name), 0o750); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(content)
	return errors.Join(err, f.Close())
}
