package git

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/Masterminds/semver/v3"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// ErrNoSuchRef is wrapped by the error of [Repository.Resolve] when the repository has nothing that
// the reference asks for.
var ErrNoSuchRef = errors.New("no such reference")

// Ref is what a Flux GitRepository asks for in spec.ref. The first field set decides, in the order
// Commit, Name, Tag, SemVer, Branch; with none it is the branch "master".
//
// Source: fluxcd/pkg git/gogit, Client.Clone, as of source-controller 1.9. The API's documentation
// puts SemVer before Tag; its code does not.
type Ref struct {
	Branch string
	Tag    string
	SemVer string // a range, as "1.x" or ">=1.0.0 <2.0.0"
	Name   string // a full reference name, as "refs/pull/420/head"
	Commit string // a full hash
}

// Resolve finds what Flux would check out for ref, and the revision as Flux prints it:
// "main@sha1:HASH", "v1.0.0@sha1:HASH", "refs/pull/420/head@sha1:HASH", or "sha1:HASH" for a Commit without
// a Branch. As the repository is a clone of the one Flux reads, a branch is looked for among origin's
// branches first, then among the local ones.
//
// The error wraps [ErrNoSuchRef] or [*MissingObjectError] where that is the reason.
func (r *Repository) Resolve(ctx context.Context, ref Ref) (c *Commit, revision string, err error) {
	if err := ctx.Err(); err != nil {
		return nil, "", err
	}
	var found *object.Commit
	var name string
	switch {
	case ref.Commit != "":
		name = ref.Branch
		found, err = r.exact(ref.Commit)
	case ref.Name != "":
		name = ref.Name
		found, err = r.named(ref.Name)
	case ref.Tag != "":
		name = ref.Tag
		found, err = r.first(plumbing.NewTagReferenceName(ref.Tag))
	case ref.SemVer != "":
		name, found, err = r.highest(ctx, ref.SemVer)
	default:
		name = cmp.Or(ref.Branch, "master")
		found, err = r.branch(name)
	}
	if err != nil {
		return nil, "", err
	}
	revision = "sha1:" + found.Hash.String()
	if name != "" {
		revision = name + "@" + revision
	}
	return r.commit(found), revision, nil
}

func (r *Repository) exact(hash string) (*object.Commit, error) {
	if !plumbing.IsHash(hash) {
		return nil, fmt.Errorf("commit %q is not a full hash: %w", hash, ErrNoSuchRef)
	}
	c, err := r.objects.commit(plumbing.NewHash(hash))
	if missing := (*MissingObjectError)(nil); errors.As(err, &missing) {
		return nil, fmt.Errorf("commit %s: %w: %w", hash, ErrNoSuchRef, err)
	}
	return c, err
}

func (r *Repository) named(name string) (*object.Commit, error) {
	if branch, ok := strings.CutPrefix(name, "refs/heads/"); ok {
		return r.branch(branch)
	}
	if name == "HEAD" {
		return r.first(plumbing.NewRemoteHEADReferenceName("origin"), plumbing.HEAD)
	}
	return r.first(plumbing.ReferenceName(name))
}

func (r *Repository) branch(name string) (*object.Commit, error) {
	return r.first(plumbing.NewRemoteReferenceName("origin", name), plumbing.NewBranchReferenceName(name))
}

// first gives the commit of the first reference that exists.
func (r *Repository) first(names ...plumbing.ReferenceName) (*object.Commit, error) {
	for _, name := range names {
		h, err := r.ref(name)
		if err != nil {
			return nil, err
		}
		if h.IsZero() {
			continue
		}
		c, err := r.peel(h)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
		return c, nil
	}
	return nil, fmt.Errorf("%s: %w", names[len(names)-1], ErrNoSuchRef)
}

// version is what Flux takes for one: all three parts, a "v" before them or not.
//
// Source: fluxcd/pkg/version, ParseVersion.
func version(tag string) (*semver.Version, error) {
	if _, err := semver.StrictNewVersion(strings.TrimPrefix(tag, "v")); err != nil {
		return nil, err
	}
	return semver.NewVersion(tag)
}

// highest gives the tag of the highest version in a range: of equal ones, which differ in build
// metadata alone, that of the latest commit, then the last by name.
func (r *Repository) highest(ctx context.Context, rng string) (tag string, c *object.Commit, err error) {
	constraint, err := semver.NewConstraint(rng)
	if err != nil {
		return "", nil, fmt.Errorf("parse semver range %q: %w", rng, err)
	}
	tags := map[string]plumbing.Hash{}
	err = r.eachRef(func(ref *plumbing.Reference) {
		if ref.Name().IsTag() && ref.Type() == plumbing.HashReference {
			tags[strings.TrimPrefix(ref.Name().String(), "refs/tags/")] = ref.Hash()
		}
	})
	if err != nil {
		return "", nil, err
	}
	var best *semver.Version
	for name, h := range tags {
		v, err := version(name)
		if err != nil || !constraint.Check(v) || best != nil && v.LessThan(best) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return "", nil, err
		}
		found, err := r.peel(h)
		if err != nil {
			return "", nil, fmt.Errorf("read tag %s: %w", name, err)
		}
		if best == nil || best.LessThan(v) || later(found, name, c, tag) {
			best, tag, c = v, name, found
		}
	}
	if best == nil {
		return "", nil, fmt.Errorf("tag in range %q: %w", rng, ErrNoSuchRef)
	}
	return tag, c, nil
}

func later(a *object.Commit, aName string, b *object.Commit, bName string) bool {
	return cmp.Or(a.Committer.When.Compare(b.Committer.When), strings.Compare(aName, bName)) > 0
}

// DefaultBranch names the branch that changes are compared with, as [Repository.Commit] takes it: what
// origin/HEAD points at, else origin/main, origin/master, main, master; ok is false if there is none.
func (r *Repository) DefaultBranch() (name string, ok bool) {
	r.mu.Lock()
	head, err := r.refs.Reference(plumbing.NewRemoteHEADReferenceName("origin"))
	r.mu.Unlock()
	names := []string{"origin/main", "origin/master", "main", "master"}
	if err == nil && head.Type() == plumbing.SymbolicReference {
		names = append([]string{head.Target().Short()}, names...)
	}
	for _, name := range names {
		full := "refs/heads/" + name
		if strings.HasPrefix(name, "origin/") {
			full = "refs/remotes/" + name
		}
		if h, err := r.ref(plumbing.ReferenceName(full)); err == nil && !h.IsZero() {
			return name, true
		}
	}
	return "", false
}
