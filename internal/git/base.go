package git

import (
	"cmp"
	"container/heap"
	"context"
	"fmt"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
)

// MergeBase gives the best common ancestor of two revisions, as "git merge-base" does; of several, the
// latest. It reads no more history than it needs. The error is as of [Repository.Commit], with the
// revision "A...B" if the two have no common ancestor.
func (r *Repository) MergeBase(ctx context.Context, a, b string) (*Commit, error) {
	ca, err := r.resolve(ctx, a)
	if err != nil {
		return nil, err
	}
	cb, err := r.resolve(ctx, b)
	if err != nil {
		return nil, err
	}
	bases, err := r.bases(ctx, ca, cb)
	if err != nil {
		return nil, fmt.Errorf("find merge base of %s and %s: %w", a, b, err)
	}
	if len(bases) == 0 {
		e := &UnknownRevisionError{Rev: a + "..." + b, Hint: "the two have no common history"}
		if len(r.shallow) > 0 {
			e.Hint = "the clone is shallow; get the rest with: git fetch --unshallow"
		}
		return nil, e
	}
	return r.commit(bases[0]), nil
}

// What is known of a commit on the way down from two others.
const (
	fromA = 1 << iota // an ancestor of the first, or the first
	fromB             // of the second
	stale             // an ancestor of a common ancestor
)

// bases gives the common ancestors of a and b that are not ancestors of one another, latest first.
//
// Source: Git's paint_down_to_common and remove_redundant.
func (r *Repository) bases(ctx context.Context, a, b *object.Commit) ([]*object.Commit, error) {
	common, err := r.common(ctx, a, b)
	if err != nil || len(common) < 2 {
		return common, err
	}
	// Clocks that run backwards can leave an ancestor of another base in the list.
	best := slices.Clone(common)
	for _, c := range common {
		for _, other := range best {
			if other.Hash == c.Hash {
				continue
			}
			shared, err := r.common(ctx, c, other)
			if err != nil {
				return nil, err
			}
			if slices.ContainsFunc(shared, func(s *object.Commit) bool { return s.Hash == c.Hash }) {
				best = slices.DeleteFunc(best, func(d *object.Commit) bool { return d.Hash == c.Hash })
				break
			}
		}
	}
	return best, nil
}

func (r *Repository) common(ctx context.Context, a, b *object.Commit) ([]*object.Commit, error) {
	if a.Hash == b.Hash {
		return []*object.Commit{a}, nil
	}
	flags := map[plumbing.Hash]int{a.Hash: fromA, b.Hash: fromB}
	q := &queue{a, b}
	heap.Init(q)
	var found []*object.Commit
	inFound := map[plumbing.Hash]bool{}
	for slices.ContainsFunc(*q, func(c *object.Commit) bool { return flags[c.Hash]&stale == 0 }) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		c, _ := heap.Pop(q).(*object.Commit) // all that Push takes
		f := flags[c.Hash]
		if f&(fromA|fromB) == fromA|fromB {
			if f&stale == 0 && !inFound[c.Hash] {
				inFound[c.Hash] = true
				found = append(found, c)
			}
			f |= stale
		}
		if r.shallow[c.Hash] {
			continue
		}
		for _, p := range c.ParentHashes {
			if flags[p]&f == f {
				continue
			}
			flags[p] |= f
			pc, err := r.objects.commit(p)
			if err != nil {
				return nil, err
			}
			heap.Push(q, pc)
		}
	}
	found = slices.DeleteFunc(found, func(c *object.Commit) bool { return flags[c.Hash]&stale != 0 })
	slices.SortFunc(found, newest)
	return found, nil
}

func newest(a, b *object.Commit) int {
	return cmp.Or(b.Committer.When.Compare(a.Committer.When), slices.Compare(a.Hash[:], b.Hash[:]))
}

// queue is a heap of commits, the latest on top.
type queue []*object.Commit

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return newest(q[i], q[j]) < 0 }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(c any) {
	if c, ok := c.(*object.Commit); ok {
		*q = append(*q, c)
	}
}

func (q *queue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	*q = (*q)[:last]
	return c
}
