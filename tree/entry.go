package tree

import (
	"fmt"
	"io/fs"
)

// Mode is what an entry of a directory is, as Git tells it. Zero is no mode.
type Mode uint8

// The modes that Git knows. Symlinks and submodules are represented, never followed.
const (
	File       Mode = iota + 1 // a regular file (100644)
	Executable                 // a regular file with the executable bit (100755)
	Symlink                    // a symbolic link (120000); its content is the target's text
	Submodule                  // a gitlink (160000); reads as an empty directory
	Directory                  // a directory (40000)
)

// String gives the mode as Git prints it in octal, "100644" for [File].
func (m Mode) String() string {
	if int(m) < len(gitModes) && m != 0 {
		return gitModes[m]
	}
	return fmt.Sprintf("Mode(%d)", uint8(m))
}

// gitModes are the modes as they stand in a Git tree object, without a leading zero.
var gitModes = [...]string{ //nolint:gochecknoglobals // a constant table
	File: "100644", Executable: "100755", Symlink: "120000", Submodule: "160000", Directory: "40000",
}

// fileMode gives the mode's io/fs form. Everything is read-only.
func (m Mode) fileMode() fs.FileMode {
	switch m {
	case Executable:
		return 0o555
	case Symlink:
		return fs.ModeSymlink | 0o777
	case Submodule, Directory:
		return fs.ModeDir | 0o555
	default:
		return 0o444
	}
}

// Entry is one name in a directory.
type Entry struct {
	Name string // plain name, no slash; "." for the root of a tree
	Mode Mode
	// Hash is Git's name of the content, of the directory, or of the submodule's commit.
	// It is zero when the store does not know it without reading.
	Hash Hash
}

// IsDir says whether the entry can be listed: a directory, or a submodule, which is an empty one.
func (e Entry) IsDir() bool { return e.Mode == Directory || e.Mode == Submodule }
