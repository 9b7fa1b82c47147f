package fetch

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// untar unpacks a layer: regular files and folders; symbolic links are left out,
// hard links are empty files, as source-controller does. A later file takes the
// place of an earlier one. A name that leads out or a device fails the whole layer.
//
// Source: fluxcd/pkg/tar v1.2.0 Untar with WithSkipSymlinks. There the size has
// no bound.
func untar(data []byte, limits Limits) ([]File, error) {
	zr, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fault(ErrInvalid, "requires gzip-compressed body: %v", err)
	}
	tr := tar.NewReader(zr)
	files := &fileSet{limits: limits}
	for {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fault(ErrInvalid, "tar error: %v", err)
		}
		if files.entries++; files.entries > 2*limits.Files {
			return nil, files.tooMany()
		}
		if !validRelPath(h.Name) {
			return nil, fault(ErrInvalid, "tar contained invalid name error %.200q", h.Name)
		}
		mode := h.FileInfo().Mode()
		switch {
		case mode.IsRegular():
			err = files.read(h.Name, mode, h.Size, tr)
		case mode.IsDir():
			err = files.folder(h.Name, mode)
		case mode&fs.ModeSymlink != 0:
		default:
			err = fault(ErrInvalid, "tar file entry %.200s contained unsupported file type %v", h.Name, mode)
		}
		if err != nil {
			return nil, err
		}
	}
	return files.sorted(), nil
}

// validRelPath is the port of the function of fluxcd/pkg/tar v1.2.0.
func validRelPath(p string) bool {
	return p != "" && !strings.Contains(p, `\`) && !strings.HasPrefix(p, "/") && !strings.Contains(p, "../")
}

// fileSet collects files as a disk would: a name is a file or a folder.
type fileSet struct {
	limits  Limits
	entries int
	bytes   int64
	files   map[string]*File
	folders map[string]bool // also those that are only implied
}

func (s *fileSet) tooMany() error {
	return fault(ErrInvalid, "more than %d files", s.limits.Files)
}

func (s *fileSet) read(name string, mode fs.FileMode, size int64, r io.Reader) error {
	if size > s.limits.Unpacked-s.bytes {
		return fault(ErrInvalid, "files of more than %d bytes", s.limits.Unpacked)
	}
	data, err := io.ReadAll(io.LimitReader(r, size+1))
	if err != nil {
		return fault(ErrInvalid, "read %.200s: %v", name, err)
	}
	return s.add(name, mode, data)
}

// add puts a file at a name, cleaned as filepath.Join does.
func (s *fileSet) add(name string, mode fs.FileMode, data []byte) error {
	name, err := s.clean(name)
	if err != nil {
		return err
	}
	if s.folders[name] {
		return fault(ErrInvalid, "%.200s is a folder and a file", name)
	}
	if err := s.parents(name); err != nil {
		return err
	}
	if old := s.files[name]; old != nil {
		s.bytes -= int64(len(old.Data))
	}
	if s.bytes += int64(len(data)); s.bytes > s.limits.Unpacked {
		return fault(ErrInvalid, "files of more than %d bytes", s.limits.Unpacked)
	}
	s.files[name] = &File{Name: name, Mode: mode.Perm(), Data: data}
	if len(s.files) > s.limits.Files {
		return s.tooMany()
	}
	return nil
}

func (s *fileSet) folder(name string, mode fs.FileMode) error {
	if path.Clean(name) == "." {
		return nil
	}
	name, err := s.clean(name)
	if err != nil {
		return err
	}
	if old := s.files[name]; old != nil {
		if old.Mode.IsDir() {
			return nil
		}
		return fault(ErrInvalid, "%.200s is a file and a folder", name)
	}
	if err := s.parents(name); err != nil {
		return err
	}
	s.folders[name] = true
	s.files[name] = &File{Name: name, Mode: fs.ModeDir | mode.Perm() | 0o700}
	if len(s.files) > s.limits.Files {
		return s.tooMany()
	}
	return nil
}

// maxName and maxDepth bound a name, as file systems do.
const (
	maxName  = 4096
	maxDepth = 64
)

func (s *fileSet) clean(name string) (string, error) {
	if s.files == nil {
		s.files, s.folders = map[string]*File{}, map[string]bool{}
	}
	clean := path.Clean(name)
	if !fs.ValidPath(clean) || clean == "." || strings.ContainsRune(clean, 0) || len(clean) > maxName || strings.Count(clean, "/") > maxDepth {
		return "", fault(ErrInvalid, "invalid name %.200q", name)
	}
	return clean, nil
}

func (s *fileSet) parents(name string) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if old := s.files[dir]; old != nil && !old.Mode.IsDir() {
			return fault(ErrInvalid, "%.200s is a file and a folder", dir)
		}
		if s.folders[dir] {
			return nil
		}
		if s.folders[dir] = true; len(s.folders) > 4*s.limits.Files {
			return s.tooMany()
		}
	}
	return nil
}

func (s *fileSet) sorted() []File {
	out := make([]File, 0, len(s.files))
	for _, f := range s.files {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return out
}
