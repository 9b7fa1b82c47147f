package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	gogit "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"

	"github.com/bulkhead-dev/bulkhead/internal/git"
	"github.com/bulkhead-dev/bulkhead/phrase"
)

// place is a folder that a new repository goes to.
type place struct {
	dir        string // absolute
	exists     bool
	repository bool   // it is the root of a Git repository
	url        string // of the remote origin; "" for none
	branch     string // that the repository is on or compares with; "" when not known
}

// findPlace looks at dir, which need not exist. A folder inside another
// repository is refused, as documents, CODEOWNERS and workflows count at the root only.
func findPlace(dir string) (*place, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", dir, err)
	}
	p := &place{dir: abs}
	above := abs
	for {
		info, err := os.Stat(above)
		if err == nil && !info.IsDir() {
			return nil, usage("open "+above+": it is not a folder", "")
		}
		if p.exists = err == nil && above == abs || p.exists; err == nil {
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || filepath.Dir(above) == above {
			return nil, fmt.Errorf("open %s: %w", above, cause(err))
		}
		above = filepath.Dir(above)
	}
	repo, err := git.Open(above)
	if errors.Is(err, git.ErrNotRepository) {
		return p, nil
	}
	if err != nil {
		return nil, err
	}
	root := repo.Root()
	if root == "" {
		return nil, usage(abs+" is in a bare repository, which has no files", "name a folder elsewhere")
	}
	if !p.exists || !sameFolder(root, abs) {
		return nil, usage(abs+" is inside the repository "+root+", and documents, CODEOWNERS and workflows count at its root only",
			"name the root, or a folder outside; to make it a repository of its own, run git init in it first")
	}
	p.repository = true
	p.url = cloneURL(repo.URL())
	if name, ok := repo.DefaultBranch(); ok {
		p.branch = strings.TrimPrefix(name, "origin/")
	} else {
		p.branch = unborn(root)
	}
	return p, nil
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// unborn is the branch that the first commit will be on; "" when not known.
func unborn(root string) string {
	r, err := gogit.PlainOpenWithOptions(root, &gogit.PlainOpenOptions{EnableDotGitCommonDir: true})
	if err != nil {
		return ""
	}
	head, err := r.Reference(plumbing.HEAD, false)
	if err != nil || head.Type() != plumbing.SymbolicReference {
		return ""
	}
	return head.Target().Short()
}

// cloneURL is a remote's URL as Flux takes it: user@host:path becomes ssh, and
// credentials are left out. "" for a path on this machine.
func cloneURL(remote string) string {
	u, err := url.Parse(remote)
	if err == nil && u.Host != "" {
		if u.Scheme != "ssh" {
			u.User = nil
		} else if u.User != nil {
			u.User = url.User(u.User.Username())
		}
		return u.String()
	}
	host, rest, ok := strings.Cut(remote, ":")
	if !ok || strings.Contains(host, "/") || !strings.Contains(host, "@") {
		return ""
	}
	return "ssh://" + host + "/" + strings.TrimPrefix(rest, "/")
}

// compare gives the files that are not there yet. A file that is there with
// other content is an error, which names all of them.
func (p *place) compare(files map[string]string) (map[string]string, error) {
	if !p.exists {
		return maps.Clone(files), nil
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", p.dir, cause(err))
	}
	defer func() { _ = root.Close() }()
	fresh := map[string]string{}
	var differ []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		data, err := root.ReadFile(name)
		switch {
		case err == nil && string(data) == files[name]:
		case errors.Is(err, fs.ErrNotExist) && free(root, name):
			fresh[name] = files[name]
		default:
			differ = append(differ, name)
		}
	}
	if len(differ) > 0 {
		return nil, hinted(fmt.Errorf("%s there already, with other content: %s; nothing was written", phrase.Count(len(differ), "file"), phrase.List(differ, 10)),
			"move them away, or take another folder")
	}
	return fresh, nil
}

// free reports whether a file can be made: no link that leads nowhere is in its place, and what
// is above it are folders.
func free(root *os.Root, name string) bool {
	if _, err := root.Lstat(name); err == nil {
		return false
	}
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if info, err := root.Stat(dir); err == nil {
			return info.IsDir()
		}
		if _, err := root.Lstat(dir); err == nil {
			return false
		}
	}
	return true
}

// write makes all files, or none: what it made goes again when one cannot be.
func (p *place) write(files map[string]string) (err error) {
	var made []string // absolute paths, files and folders, in the order they were made
	defer func() {
		for _, name := range slices.Backward(made) {
			if err != nil {
				_ = os.Remove(name)
			}
		}
	}()
	folders, err := makeFolders(p.dir)
	made = append(made, folders...)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return fmt.Errorf("open %s: %w", p.dir, cause(err))
	}
	defer func() { _ = root.Close() }()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		parts := strings.Split(path.Dir(name), "/")
		for i := range parts {
			dir := path.Join(parts[:i+1]...)
			if err := root.Mkdir(dir, 0o755); err == nil {
				made = append(made, filepath.Join(p.dir, filepath.FromSlash(dir)))
			} else if !errors.Is(err, fs.ErrExist) {
				return fmt.Errorf("make folder %s: %w", dir, cause(err))
			}
		}
		f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return fmt.Errorf("write %s: %w", name, cause(err))
		}
		made = append(made, filepath.Join(p.dir, filepath.FromSlash(name)))
		_, errWrite := f.WriteString(files[name])
		if err := errors.Join(errWrite, f.Close()); err != nil {
			return fmt.Errorf("write %s: %w", name, cause(err))
		}
	}
	return nil
}

// makeFolders makes dir and what is missing above it, and tells which, outermost first.
func makeFolders(dir string) (made []string, err error) {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil, nil
	}
	if above := filepath.Dir(dir); above != dir {
		if made, err = makeFolders(above); err != nil {
			return made, err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil { //nolint:gosec // G301: the files of a repository, as Git itself makes them
		return made, fmt.Errorf("make folder %s: %w", dir, cause(err))
	}
	return append(made, dir), nil
}

// makeRepository makes the folder a Git repository, unless it is one.
func (p *place) makeRepository(branch string) error {
	if p.repository {
		return nil
	}
	_, err := gogit.PlainInitWithOptions(p.dir, &gogit.PlainInitOptions{InitOptions: gogit.InitOptions{DefaultBranch: plumbing.NewBranchReferenceName(branch)}})
	if err != nil {
		return fmt.Errorf("make %s a Git repository: %w", p.dir, err)
	}
	return nil
}
