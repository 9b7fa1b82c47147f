package chart

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"

	securejoin "github.com/cyphar/filepath-securejoin"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// maxLinks bounds the symbolic links on the way to one file, as Go's EvalSymlinks does.
const maxLinks = 255

var errOutside = errors.New("symbolic link leads out of the source")

// sourceRoot is where a source lies in the file system that [securejoin] sees.
const sourceRoot = "/source"

// secure joins a path to the source's root. Whatever leads out of the source is cut
// off there, links too, as in a chroot. What it gives need not exist.
func secure(in Reader, p string) (string, error) {
	joined, err := securejoin.SecureJoinVFS(sourceRoot, p, vfs{in})
	if err != nil {
		return "", err
	}
	return fromRoot(joined), nil
}

// fromRoot turns an absolute path of the virtual file system into one of the tree.
func fromRoot(p string) string {
	p = path.Clean(p)
	if rest, ok := strings.CutPrefix(p, sourceRoot+"/"); ok {
		return rest
	}
	return "."
}

type vfs struct{ in Reader }

func (v vfs) Lstat(name string) (fs.FileInfo, error) {
	e, err := v.in.Stat(fromRoot(name))
	if err != nil {
		return nil, err
	}
	return entryInfo{e}, nil
}

func (v vfs) Readlink(name string) (string, error) {
	target, err := v.in.ReadFile(fromRoot(name))
	return string(target), err
}

// resolve follows the symbolic links of a path as an operating system would. A link
// that leads out of the source is an error, what is there is not known.
func resolve(in Reader, p string) (string, tree.Entry, error) {
	at, rest := ".", strings.Split(p, "/")
	for links := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		if part == "" || part == "." {
			continue
		}
		next := path.Join(at, part)
		if next == ".." {
			return "", tree.Entry{}, fmt.Errorf("%s: %w", p, errOutside)
		}
		e, err := in.Stat(next)
		if err != nil {
			return "", tree.Entry{}, err
		}
		if e.Mode != tree.Symlink {
			at = next
			continue
		}
		target, err := in.ReadFile(next)
		if err != nil {
			return "", tree.Entry{}, err
		}
		if path.IsAbs(string(target)) {
			return "", tree.Entry{}, fmt.Errorf("%s: %w", next, errOutside)
		}
		if links++; links > maxLinks {
			return "", tree.Entry{}, fmt.Errorf("%s: more than %d symbolic links", p, maxLinks)
		}
		rest = append(strings.Split(string(target), "/"), rest...)
	}
	e, err := in.Stat(at)
	return at, e, err
}

// entryInfo is what ignore rules and path joins ask of a file.
type entryInfo struct{ tree.Entry }

func (i entryInfo) Name() string { return i.Entry.Name }
func (i entryInfo) Sys() any     { return nil }
func (i entryInfo) Size() int64  { return 0 }

func (i entryInfo) Mode() fs.FileMode {
	switch {
	case i.IsDir():
		return fs.ModeDir | 0o555
	case i.Entry.Mode == tree.Symlink:
		return fs.ModeSymlink | 0o777
	}
	return 0o444
}

func (i entryInfo) ModTime() time.Time { return epoch }
