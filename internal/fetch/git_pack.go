package fetch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-git/go-billy/v5/osfs"
	git "github.com/go-git/go-git/v5"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/cache"
	"github.com/go-git/go-git/v5/plumbing/filemode"
	"github.com/go-git/go-git/v5/plumbing/format/packfile"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/capability"
	"github.com/go-git/go-git/v5/plumbing/protocol/packp/sideband"
	"github.com/go-git/go-git/v5/storage/filesystem"
)

// fetch makes the mirror of a pick, unless the cache has it. s is a conversation
// that is open, nil if none is.
func (r *gitRemote) fetch(ctx context.Context, rep *report, s *talk, p pick) (*Mirror, error) {
	name := r.folder(p)
	m := &Mirror{Commit: p.Commit, Revision: p.Revision}
	if dir, ok := r.c.cache.hasFolder(name); ok {
		m.Dir = dir
		return m, nil
	}
	if s == nil {
		var err error
		if s, err = r.open(ctx, rep); err != nil {
			return nil, err
		}
		defer func() { _ = s.Close() }()
	}
	var err error
	m.Dir, err = r.c.cache.folder(name, func(dir string) error {
		return r.fill(ctx, rep, s, p, dir)
	})
	return m, err
}

// fill writes the repository.
func (r *gitRemote) fill(ctx context.Context, rep *report, s *talk, p pick, dir string) error {
	req, err := request(s.refs, p)
	if err != nil {
		return err
	}
	answer, err := s.UploadPack(ctx, req)
	if err != nil {
		return r.explain(err)
	}
	defer func() { _ = answer.Close() }()
	pack, err := os.Create(filepath.Join(dir, "pack.tmp")) //nolint:gosec // a folder of the cache
	if err != nil {
		return fmt.Errorf("make file in cache: %w", err)
	}
	defer func() {
		_ = pack.Close()
		_ = os.Remove(pack.Name())
	}()
	n, err := io.Copy(pack, &telling{io.LimitReader(demux(req, answer), r.c.limits.Pack+1), rep})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return r.explain(err)
	case n > r.c.limits.Pack:
		return fault(ErrInvalid, "a pack of more than %d bytes", r.c.limits.Pack)
	}
	if err := checkPack(pack, 4*r.c.limits.Unpacked); err != nil {
		return err
	}
	if _, err := pack.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read pack: %w", err)
	}
	storer := filesystem.NewStorage(osfs.New(dir), cache.NewObjectLRUDefault())
	defer func() { _ = storer.Close() }()
	repo, err := git.Init(storer, nil)
	if err != nil {
		return fmt.Errorf("make repository: %w", err)
	}
	if err := packfile.UpdateObjectStorage(storer, pack); err != nil {
		return fault(ErrInvalid, "the pack cannot be read: %v", err)
	}
	if len(answer.Shallows) > 0 {
		if err := storer.SetShallow(answer.Shallows); err != nil {
			return fmt.Errorf("write shallow file: %w", err)
		}
	}
	return finish(repo, storer, p)
}

// request asks for the commits alone if that is possible, else for everything.
func request(refs *references, p pick) (*packp.UploadPackRequest, error) {
	req := packp.NewUploadPackRequestFromCapabilities(refs.caps)
	commits := []string{p.Commit}
	for _, c := range p.Refs {
		commits = append(commits, c)
	}
	slices.Sort(commits)
	for _, c := range slices.Compact(commits) {
		if refs.single(c) {
			req.Wants = append(req.Wants, plumbing.NewHash(c))
		}
	}
	if len(req.Wants) > 0 {
		if refs.caps.Supports(capability.Shallow) {
			req.Depth = packp.DepthCommits(1)
			if err := req.Capabilities.Set(capability.Shallow); err != nil {
				return nil, fmt.Errorf("ask for a shallow clone: %w", err)
			}
		}
		return req, nil
	}
	for name, h := range refs.names {
		if name == "refs/heads/"+p.branch || p.branch == "" && (strings.HasPrefix(name, "refs/heads/") || strings.HasPrefix(name, "refs/tags/")) {
			req.Wants = append(req.Wants, h)
		}
	}
	if len(req.Wants) == 0 {
		return nil, fault(ErrNotFound, "no reference refs/heads/%.200s", p.branch)
	}
	return req, nil
}

// demux takes the pack out of an answer.
//
// Source: go-git v5.19.1 remote.go buildSidebandIfSupported.
func demux(req *packp.UploadPackRequest, answer io.Reader) io.Reader {
	switch {
	case req.Capabilities.Supports(capability.Sideband):
		return sideband.NewDemuxer(sideband.Sideband, answer)
	case req.Capabilities.Supports(capability.Sideband64k):
		return sideband.NewDemuxer(sideband.Sideband64k, answer)
	}
	return answer
}

// finish checks that the commit is there with all its files, and writes the
// references.
func finish(repo *git.Repository, storer *filesystem.Storage, p pick) error {
	commits := map[string]bool{p.Commit: true}
	for _, c := range p.Refs {
		commits[c] = true
	}
	for hash := range commits {
		c, err := repo.CommitObject(plumbing.NewHash(hash))
		if err != nil {
			return fault(ErrNotFound, "no commit %s", hash)
		}
		if err := complete(storer, c.TreeHash, map[plumbing.Hash]bool{}, 0); err != nil {
			return err
		}
	}
	for name, hash := range p.Refs {
		if err := storer.SetReference(plumbing.NewHashReference(plumbing.ReferenceName(name), plumbing.NewHash(hash))); err != nil {
			return fmt.Errorf("write reference %s: %w", name, err)
		}
	}
	if err := storer.SetReference(plumbing.NewHashReference(plumbing.HEAD, plumbing.NewHash(p.Commit))); err != nil {
		return fmt.Errorf("write HEAD: %w", err)
	}
	return nil
}

// maxTreeDepth bounds folders in folders.
const maxTreeDepth = 200

func complete(storer *filesystem.Storage, tree plumbing.Hash, seen map[plumbing.Hash]bool, depth int) error {
	if seen[tree] {
		return nil
	}
	seen[tree] = true
	if depth > maxTreeDepth {
		return fault(ErrInvalid, "more than %d folders in each other", maxTreeDepth)
	}
	t, err := object.GetTree(storer, tree)
	if err != nil {
		return fault(ErrInvalid, "the server left out the tree %s", tree)
	}
	for _, e := range t.Entries {
		switch {
		case e.Mode == filemode.Submodule:
		case e.Mode == filemode.Dir:
			if err := complete(storer, e.Hash, seen, depth+1); err != nil {
				return err
			}
		case storer.HasEncodedObject(e.Hash) != nil:
			return fault(ErrInvalid, "the server left out the file %s", e.Hash)
		}
	}
	return nil
}

// latest takes the tag of the latest commit, of equal times the last name.
func latest(m *Mirror, p *pick) error {
	storer := filesystem.NewStorage(osfs.New(m.Dir), cache.NewObjectLRUDefault())
	defer func() { _ = storer.Close() }()
	var best *object.Commit
	tag := ""
	for name, hash := range p.Refs {
		c, err := object.GetCommit(storer, plumbing.NewHash(hash))
		if err != nil {
			return fault(ErrInvalid, "no commit %s", hash)
		}
		later := best == nil || c.Committer.When.After(best.Committer.When)
		if later || c.Committer.When.Equal(best.Committer.When) && name > tag {
			best, tag = c, name
		}
	}
	if best == nil {
		return errors.New("no tag to choose from")
	}
	m.Commit = best.Hash.String()
	m.Revision = strings.TrimPrefix(tag, "refs/tags/") + "@sha1:" + m.Commit
	p.Commit, p.Revision = m.Commit, m.Revision
	return nil
}
