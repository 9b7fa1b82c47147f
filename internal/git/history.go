package git

import (
	"context"
	"fmt"
	"strings"

	"github.com/go-git/go-git/v5/plumbing/object"
)

// Step is a commit with the one before it.
type Step struct {
	Commit  *Commit
	Subject string // the first line of its message
	// Before is its first parent; nil for the first commit of all, and for one whose parents the clone does not
	// have: then Cut is true.
	Before *Commit
	Cut    bool
}

// Step finds a revision, with its first parent. The error is as of [Repository.Commit].
func (r *Repository) Step(ctx context.Context, rev string) (Step, error) {
	c, err := r.resolve(ctx, rev)
	if err != nil {
		return Step{}, err
	}
	s, _, err := r.stepOf(c)
	return s, err
}

// History gives the last commits that lead to a revision, along first parents, the newest first: most at the
// most. The last one may be without parent: see [Step]. The error is as of [Repository.Commit].
func (r *Repository) History(ctx context.Context, rev string, most int) ([]Step, error) {
	c, err := r.resolve(ctx, rev)
	if err != nil {
		return nil, err
	}
	var out []Step
	for c != nil && len(out) < most {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s, parent, err := r.stepOf(c)
		if err != nil {
			return nil, fmt.Errorf("read history of %s: %w", rev, err)
		}
		out, c = append(out, s), parent
	}
	return out, nil
}

func (r *Repository) stepOf(c *object.Commit) (Step, *object.Commit, error) {
	subject, _, _ := strings.Cut(strings.TrimLeft(c.Message, "\n"), "\n")
	s := Step{Commit: r.commit(c), Subject: strings.TrimSpace(subject), Cut: r.shallow[c.Hash]}
	if s.Cut || len(c.ParentHashes) == 0 {
		return s, nil, nil
	}
	parent, err := r.objects.commit(c.ParentHashes[0])
	if err != nil {
		return s, nil, err
	}
	s.Before = r.commit(parent)
	return s, parent, nil
}
