package fetch

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// maxSubmodules bounds the submodules of one request, those in submodules too.
const maxSubmodules = 50

// link is a submodule of one commit.
type link struct {
	path, url, commit string
}

// submodules fetches the submodules of a mirror's commit and theirs, by path. at
// is where the repository itself lies in the outermost one.
//
// Source: go-git v5.19.1 worktree.go and submodule.go. There the credentials of
// the outermost repository go to all hosts; here each has its own.
func (r *gitRemote) submodules(ctx context.Context, rep *report, in *Mirror, at string, left *int) ([]Submodule, error) {
	links, err := linksOf(in.Dir, in.Commit)
	if err != nil {
		return nil, err
	}
	var out []Submodule
	for _, l := range links {
		if *left--; *left < 0 {
			return nil, fault(ErrInvalid, "more than %d submodules", maxSubmodules)
		}
		from, err := r.c.parseGit(r.relative(l.url))
		if err != nil {
			return nil, err
		}
		m, err := from.fetch(ctx, rep, nil, pick{Commit: l.commit})
		if err != nil {
			return nil, err
		}
		below := path.Join(at, l.path)
		out = append(out, Submodule{Path: below, Dir: m.Dir, Commit: m.Commit})
		more, err := from.submodules(ctx, rep, m, below, left)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	slices.SortFunc(out, func(a, b Submodule) int { return strings.Compare(a.Path, b.Path) })
	return out, nil
}

// relative makes a URL whole that is relative to the repository, as "../other".
func (r *gitRemote) relative(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.IsAbs() || path.IsAbs(to) {
		return to
	}
	if user, rest, scp := strings.Cut(to, "@"); scp && strings.Contains(rest, ":") && !strings.Contains(user, "/") {
		host, below, _ := strings.Cut(rest, ":")
		return "ssh://" + user + "@" + host + "/" + strings.TrimPrefix(below, "/")
	}
	base := *r.url
	base.Path = path.Join("/", base.Path, to)
	base.RawPath = ""
	return base.String()
}

// maxModules bounds a .gitmodules file, in bytes.
const maxModules = 1 << 20

// linksOf reads .gitmodules and the commits that the tree has at its paths.
func linksOf(dir, commit string) ([]link, error) {
	storer := filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRUDefault())
	defer func() { _ = storer.Close() }()
	c, err := object.GetCommit(storer, plumbing.NewHash(commit))
	if err != nil {
		return nil, fault(ErrInvalid, "no commit %s", commit)
	}
	tree, err := c.Tree()
	if err != nil {
		return nil, fault(ErrInvalid, "no tree of commit %s", commit)
	}
	file, err := tree.File(".gitmodules")
	if errors.Is(err, object.ErrFileNotFound) {
		return nil, nil
	}
	if err != nil || file.Size > maxModules {
		return nil, fault(ErrInvalid, ".gitmodules cannot be read")
	}
	text, err := file.Contents()
	if err != nil {
		return nil, fault(ErrInvalid, ".gitmodules cannot be read")
	}
	modules := config.NewModules()
	if err := modules.Unmarshal([]byte(text)); err != nil {
		return nil, fault(ErrInvalid, ".gitmodules cannot be read: %v", err)
	}
	var out []link
	for _, m := range modules.Submodules {
		if !fs.ValidPath(m.Path) || m.Path == "." {
			return nil, fault(ErrInvalid, "submodule path %.200q", m.Path)
		}
		e, err := tree.FindEntry(m.Path)
		if err != nil || e.Mode != filemode.Submodule {
			continue // Git does not mind a leftover
		}
		out = append(out, link{m.Path, m.URL, e.Hash.String()})
	}
	slices.SortFunc(out, func(a, b link) int { return strings.Compare(a.path, b.path) })
	return out, nil
}
