//go:build linux

package lab

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// pusher is who may push to a repository.
type pusher struct{ user, password string }

// Protect lets only this user push to a repository from then on, over HTTP; nobody pushes
// to it over SSH, and everybody reads it. [Git.Push] goes on.
func (g *Git) Protect(rawURL, user, password string) error {
	dir, err := g.dir(rawURL)
	if err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pushers[dir] = pusher{user, password}
	return nil
}

// dir is the folder of the repository of a URL.
func (g *Git) dir(rawURL string) (string, error) {
	host, repository, err := split(rawURL)
	if err != nil {
		return "", err
	}
	return g.folder(host, repository)
}

// pusher of a repository, by its folder; false when anybody may push.
func (g *Git) pusher(dir string) (pusher, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	p, ok := g.pushers[dir]
	return p, ok
}

// refuses answers a request to push to a protected repository by somebody else.
func (g *Git) refuses(w http.ResponseWriter, r *http.Request, dir string) bool {
	const receive = "git-receive-pack"
	if r.URL.Query().Get("service") != receive && !strings.HasSuffix(r.URL.Path, "/"+receive) {
		return false
	}
	want, ok := g.pusher(dir)
	if !ok {
		return false
	}
	user, password, given := r.BasicAuth()
	if !given {
		w.Header().Set("WWW-Authenticate", `Basic realm="lab"`)
		http.Error(w, "a password is asked for", http.StatusUnauthorized)
		return true
	}
	if user == want.user && password == want.password {
		return false
	}
	http.Error(w, "this user may not push here", http.StatusForbidden)
	return true
}

// Change is a commit of a repository.
type Change struct {
	Commit string
	Parent string // the first one; empty when there is none
	Author string // NAME <EMAIL>
	// Files that it changed, by path, as they are after it; empty for those that it deleted.
	Files map[string]string
}

// Last is the commit at the end of a branch.
func (g *Git) Last(rawURL, branch string) (*Change, error) {
	dir, err := g.dir(rawURL)
	if err != nil {
		return nil, err
	}
	repo, err := git.PlainOpen(dir)
	if err != nil {
		return nil, fmt.Errorf("open the repository %s: %w", rawURL, err)
	}
	ref, err := repo.Reference(plumbing.NewBranchReferenceName(branch), true)
	if err != nil {
		return nil, fmt.Errorf("branch %s of %s: %w", branch, rawURL, err)
	}
	commit, err := repo.CommitObject(ref.Hash())
	if err != nil {
		return nil, fmt.Errorf("commit %s of %s: %w", ref.Hash(), rawURL, err)
	}
	c := &Change{Commit: commit.Hash.String(), Author: fmt.Sprintf("%s <%s>", commit.Author.Name, commit.Author.Email), Files: map[string]string{}}
	after, err := commit.Tree()
	if err != nil {
		return nil, err
	}
	var before *object.Tree
	if commit.NumParents() > 0 {
		parent, err := commit.Parent(0)
		if err != nil {
			return nil, err
		}
		c.Parent = parent.Hash.String()
		if before, err = parent.Tree(); err != nil {
			return nil, err
		}
	}
	changes, err := object.DiffTree(before, after)
	if err != nil {
		return nil, err
	}
	for _, change := range changes {
		_, to, err := change.Files()
		if err != nil {
			return nil, err
		}
		text := ""
		if to != nil {
			if text, err = to.Contents(); err != nil {
				return nil, err
			}
		}
		c.Files[cmp.Or(change.To.Name, change.From.Name)] = text
	}
	return c, nil
}
