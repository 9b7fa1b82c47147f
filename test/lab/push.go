//go:build linux

package lab

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/config"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/storer"
	"github.com/go-git/go-git/v5/plumbing/transport"
	githttp "github.com/go-git/go-git/v5/plumbing/transport/http"
	"github.com/go-git/go-git/v5/storage/memory"

	"github.com/bulkhead-dev/bulkhead/tree"
)

// Push makes one commit without parents of the files and pushes it to the repository of
// the URL, over that URL's host, as ref: a branch, or with "refs/" in front any other. The
// repository is made when it is not there. It returns the commit.
func (g *Git) Push(ctx context.Context, rawURL, ref string, files map[string]tree.Blob) (string, error) {
	web, err := g.ensure(rawURL)
	if err != nil {
		return "", err
	}
	o := git.PushOptions{CABundle: g.lab.pki.ca(), ProxyOptions: transport.ProxyOptions{URL: g.lab.Network.Proxy()}}
	dir, err := g.dir(rawURL)
	if err != nil {
		return "", err
	}
	if p, protected := g.pusher(dir); protected {
		o.Auth = &githttp.BasicAuth{Username: p.user, Password: p.password}
	}
	return push(ctx, web, ref, files, o)
}

// push makes one commit of the files and pushes it to a repository.
func push(ctx context.Context, to, ref string, files map[string]tree.Blob, o git.PushOptions) (string, error) {
	store := memory.NewStorage()
	commit, err := writeCommit(store, files)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(ref, "refs/") {
		ref = "refs/heads/" + ref
	}
	if err := store.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(ref), commit)); err != nil {
		return "", err
	}
	o.RemoteName, o.Force, o.RefSpecs = "origin", true, []config.RefSpec{config.RefSpec("+" + ref + ":" + ref)}
	err = git.NewRemote(store, &config.RemoteConfig{Name: "origin", URLs: []string{to}}).PushContext(ctx, &o)
	if err != nil && !errors.Is(err, git.NoErrAlreadyUpToDate) {
		return "", fmt.Errorf("push to %s: %w", to, err)
	}
	return commit.String(), nil
}

// Commit is the commit that [Git.Push] makes of the files: the same for the same files.
func Commit(files map[string]tree.Blob) (string, error) {
	commit, err := writeCommit(memory.NewStorage(), files)
	return commit.String(), err
}

func writeCommit(store storer.EncodedObjectStorer, files map[string]tree.Blob) (plumbing.Hash, error) {
	root, err := writeTree(store, files)
	if err != nil {
		return plumbing.ZeroHash, err
	}
	who := object.Signature{Name: "lab", Email: "lab@example.com", When: time.Unix(1_700_000_000, 0).UTC()}
	return write(store, &object.Commit{Author: who, Committer: who, Message: "lab\n", TreeHash: root})
}

// Remove deletes a repository.
func (g *Git) Remove(rawURL string) error {
	dir, err := g.dir(rawURL)
	if err != nil {
		return err
	}
	return os.RemoveAll(dir)
}

// ensure makes the repository of a URL of any scheme and returns its web address.
func (g *Git) ensure(rawURL string) (string, error) {
	host, repository, err := split(rawURL)
	if err != nil {
		return "", err
	}
	dir, err := g.folder(host, repository)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		if _, err := git.PlainInitWithOptions(dir, &git.PlainInitOptions{
			Bare: true, InitOptions: git.InitOptions{DefaultBranch: plumbing.Main},
		}); err != nil {
			return "", fmt.Errorf("make the repository %s: %w", dir, err)
		}
	}
	return "https://" + host + "/" + strings.Trim(repository, "/"), nil
}

// split takes host and path from a URL, which may be of the form user@host:path, with or
// without a scheme before it: a server has such a repository whatever its clients make of it.
func split(raw string) (host, repository string, err error) {
	if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
		return u.Hostname(), u.Path, nil
	}
	_, rest, ok := strings.Cut(raw, "://")
	if !ok {
		rest = raw
	}
	at, repository, ok := strings.Cut(rest, ":")
	if !ok {
		return "", "", fmt.Errorf("%q is no URL of a repository", raw)
	}
	return at[strings.IndexByte(at, '@')+1:], repository, nil
}

// writeTree stores the files as Git trees and returns the root.
func writeTree(store storer.EncodedObjectStorer, files map[string]tree.Blob) (plumbing.Hash, error) {
	folders := map[string]map[string]tree.Blob{} // of this folder, by name
	entries := []object.TreeEntry{}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		first, rest, below := strings.Cut(p, "/")
		if below {
			if folders[first] == nil {
				folders[first] = map[string]tree.Blob{}
			}
			folders[first][rest] = files[p]
			continue
		}
		entry, err := writeBlob(store, p, files[p])
		if err != nil {
			return plumbing.ZeroHash, err
		}
		entries = append(entries, entry)
	}
	for name, below := range folders {
		hash, err := writeTree(store, below)
		if err != nil {
			return plumbing.ZeroHash, err
		}
		entries = append(entries, object.TreeEntry{Name: name, Mode: filemode.Dir, Hash: hash})
	}
	slices.SortFunc(entries, func(a, b object.TreeEntry) int { return strings.Compare(sortName(a), sortName(b)) })
	return write(store, &object.Tree{Entries: entries})
}

// sortName is what Git sorts an entry by.
func sortName(e object.TreeEntry) string {
	if e.Mode == filemode.Dir {
		return e.Name + "/"
	}
	return e.Name
}

func writeBlob(store storer.EncodedObjectStorer, p string, b tree.Blob) (object.TreeEntry, error) {
	e := object.TreeEntry{Name: path.Base(p), Mode: filemode.Regular}
	switch b.Mode {
	case tree.Executable:
		e.Mode = filemode.Executable
	case tree.Symlink:
		e.Mode = filemode.Symlink
	case tree.Submodule:
		e.Mode, e.Hash = filemode.Submodule, plumbing.NewHash(strings.Repeat("5", 40))
		return e, nil
	default:
	}
	o := store.NewEncodedObject()
	o.SetType(plumbing.BlobObject)
	w, err := o.Writer()
	if err != nil {
		return e, err
	}
	if _, err := w.Write([]byte(b.Data)); err != nil {
		return e, err
	}
	if err := w.Close(); err != nil {
		return e, err
	}
	e.Hash, err = store.SetEncodedObject(o)
	return e, err
}

func write(store storer.EncodedObjectStorer, v interface {
	Encode(plumbing.EncodedObject) error
},
) (plumbing.Hash, error) {
	o := store.NewEncodedObject()
	if err := v.Encode(o); err != nil {
		return plumbing.ZeroHash, err
	}
	return store.SetEncodedObject(o)
}
